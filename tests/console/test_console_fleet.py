"""Places 5 and 6: workers with what they hold, queue, sinks; workflows, their versions, holds and schedules."""

from __future__ import annotations

from datetime import timedelta

from console_pilot import dialog_open, opened, screen_text, toasts, until
from console_samples import NOON, run_id_of
from fake_gateway import FakeGateway
from fake_places import hold, lease, schedule, sink, unfinished
from textual.widgets import Input

from engine.commands import PauseWorkflow, ResumeWorkflow
from engine.inspector import WorkflowView
from wfconsole.settings import Settings
from wfconsole.tui.screens.new_run import NewRunDialog
from wfconsole.tui.screens.run import RunScreen
from wfconsole.tui.widgets.line_table import LineTable


async def test_r11_place_5_shows_sinks_healthy_since_and_failing_since() -> None:
    found = FakeGateway()
    broken = sink("mail", failing_since=NOON - timedelta(minutes=9), last_error="refused", pending=214)
    found.inspector.outlets = [sink(), broken]
    async with opened(found, place="workers") as (app, pilot):
        await until(pilot, lambda: "✗ failing" in screen_text(app), "the sinks")
        lines = screen_text(app).splitlines()
        well = next(line for line in lines if "✓ ok" in line)
        ill = next(line for line in lines if "✗ failing" in line)
        assert well.split()[:5] == ["hook", "✓", "ok", "5m", "3"]
        assert ill.split()[3:5] == ["9m", "214"]
        assert "refused" in ill
        assert "1 failing" in screen_text(app)


async def test_who_holds_what_since_when() -> None:
    found = FakeGateway()
    found.inspector.held = [lease(1), lease(2, worker_id="gone-1", leased_until=NOON - timedelta(seconds=1))]
    async with opened(found, place="workers") as (app, pilot):
        await until(pilot, lambda: "ocr#2" in screen_text(app), "the jobs")
        table = app.screen.query_one("#workers", LineTable)
        assert [row.key for row in table.rows] == ["worker:box-1:4242", "lease:j1", "worker:gone-1", "lease:j2"]
        shown = screen_text(app)
        assert f"{run_id_of(1)[:8]} ocr#2" in shown
        assert "42s" in shown
        assert "lease over" in shown
        assert "1 alive, 2 of 8 slots busy" in shown
        assert table.rows[0].cells[3] == "1/8", "what it holds now, whatever it said at its last beat"
        await pilot.press("j", "enter")
        await until(pilot, lambda: isinstance(app.screen, RunScreen), "the run")


async def test_r15_empty_places_say_why_and_what_next() -> None:
    found = FakeGateway()

    async def nothing() -> list[WorkflowView]:
        return []

    for name in ("workers", "queue", "workflows"):
        setattr(found.inspector, name, nothing)
    async with opened(found, place="workers") as (app, pilot):
        await until(pilot, lambda: "Start one:  wfconsole worker" in screen_text(app), "no worker")
        assert "Nothing waits" in screen_text(app)
        assert "No sink was used yet" in screen_text(app)
        await pilot.press("6")
        await until(pilot, lambda: "wfconsole --workflows MODULE" in screen_text(app), "no workflow")


async def test_key_tab_goes_to_the_next_table() -> None:
    async with opened(FakeGateway(), place="workers") as (app, pilot):
        await until(pilot, lambda: "box-1:4242" in screen_text(app), "the workers")
        await pilot.press("tab")
        assert app.focused is app.screen.query_one("#queue")
        await pilot.press("shift+tab")
        assert app.focused is app.screen.query_one("#workers")


async def test_r28_unfinished_runs_by_version_and_who_has_which() -> None:
    found = FakeGateway()
    same = unfinished(fingerprint="f00dcafe", registered=True, survives=True, problems=[], runs=2)
    found.inspector.versions = [unfinished(), same]
    async with opened(found, place="workflows") as (app, pilot):
        await until(pilot, lambda: "summarise-docs" in screen_text(app), "the workflows")
        await until(pilot, lambda: "would not survive: stage embed is gone" in screen_text(app), "the versions")
        shown = screen_text(app)
        assert "7 runs of 0ldf00d00000" in shown
        assert "at box-1:4242  another version at box-2:1 (f00dcafe)" in shown
        assert "2 runs of f00dcafe (this one)  survive" in shown
        assert "7 unfinished runs would not survive these definitions" in shown
        assert "▲ 2" in shown, "the row warns too"


async def test_place_6_draws_the_definition_and_says_how_it_went() -> None:
    found = FakeGateway()
    found.inspector.timetable = [schedule()]
    async with opened(found, place="workflows") as (app, pilot):
        await until(pilot, lambda: "│· fetch" in screen_text(app), "the graph")
        await pilot.press("j")
        await until(pilot, lambda: "0 2 * * * Europe/Berlin" in screen_text(app), "the schedule")
        assert "next 2026-11-24 01:04  fired 9 times" in screen_text(app)
        await until(pilot, lambda: "0% ok of the last 1   took p50 -  p95 -" in screen_text(app), "how it went")


async def test_key_enter_reads_the_schemas() -> None:
    async with opened(FakeGateway(), place="workflows") as (app, pilot):
        await until(pilot, lambda: "│· fetch" in screen_text(app), "the graph")
        await pilot.press("enter")
        await until(pilot, lambda: "input schema" in screen_text(app), "the schemas")
        assert '"required": [' in screen_text(app)
        assert "sync, at most 3 attempts" in screen_text(app)


async def test_key_o_launches_the_workflow_under_the_cursor() -> None:
    async with opened(FakeGateway(), place="workflows") as (app, pilot):
        await until(pilot, lambda: "│· fetch" in screen_text(app), "the graph")
        await pilot.press("o")
        await until(pilot, lambda: isinstance(app.screen, NewRunDialog), "the form")


async def test_key_H_holds_with_a_reason() -> None:
    found = FakeGateway()
    async with opened(found, place="workflows") as (app, pilot):
        await until(pilot, lambda: "│· fetch" in screen_text(app), "the graph")
        await pilot.press("H")
        dialog = await dialog_open(app, pilot)
        assert "Nothing new of it is claimed, nothing polled" in screen_text(app)
        await pilot.press("y")
        await until(pilot, lambda: "It needs a reason" in screen_text(app), "the refusal")
        await pilot.press("shift+tab")
        assert dialog.focused is dialog.query_one("#reason", Input)
        await pilot.press(*"down", "tab", "y")
        await until(pilot, lambda: toasts(app), "the outcome")
        (command,) = found.commands
        assert command == PauseWorkflow(workflow_id="invoice-extract", reason="down")
        assert toasts(app)[-1].splitlines()[1] == "wfconsole pause invoice-extract --reason down"


async def test_key_H_releases_what_is_held_and_says_who_held_it() -> None:
    found = FakeGateway()
    known = found.inspector.workflows

    async def held() -> list[WorkflowView]:
        return [view.model_copy(update={"paused": True}) for view in await known()]

    found.inspector.workflows = held  # type: ignore[method-assign]
    found.inspector.deeds = [hold(), hold(target="invoice-extract", actor="bob", reason=None)]
    async with opened(found, place="workflows") as (app, pilot):
        await until(pilot, lambda: "by bob, 3m ago" in screen_text(app), "who")
        await pilot.press("j")
        await until(pilot, lambda: "by ann@box, 3m ago: the vendor is down" in screen_text(app), "who and why")
        await pilot.press("H")
        await dialog_open(app, pilot)
        await pilot.press("y")
        await until(pilot, lambda: found.commands, "the command")
        assert found.commands == [ResumeWorkflow(workflow_id="summarise-docs")]


async def test_r16_read_only_launches_and_holds_nothing() -> None:
    settings = Settings(db="sqlite:///demo.db", tz="utc", theme="dark", read_only=True)
    async with opened(FakeGateway(), place="workflows", settings=settings) as (app, pilot):
        await until(pilot, lambda: "│· fetch" in screen_text(app), "the graph")
        await pilot.press("H", "o")
        await until(pilot, lambda: len(toasts(app)) == 2, "the refusals")
        assert all("opened read-only" in text for text in toasts(app))
