"""Acting on many runs: on exactly those that were marked, as carefully as was said, with a report that adds up."""

from __future__ import annotations

import shlex

import pytest
from console_pilot import dialog_open, label_of, opened, rows_shown, screen_text, toasts, until
from console_samples import run_id_of, summary
from fake_gateway import FakeGateway
from test_console_views import cause
from textual.widgets import Input

from engine.commands import CancelRun, PollNow, RetryFailed
from engine.errors import IllegalTransition
from engine.model.status import RunStatus
from wfconsole.actions import CANCEL, RETRY
from wfconsole.bulk import Pace
from wfconsole.settings import Settings
from wfconsole.tui.screens.bulk_dialog import BulkDialog, proposed_pace, read_pace
from wfconsole.tui.screens.confirm import ConfirmDialog
from wfconsole.tui.widgets.bulk_line import BulkLine
from wfconsole.tui.widgets.filter_bar import FilterBar


def failed(number: int) -> FakeGateway:
    return FakeGateway([summary(at, RunStatus.FAILED) for at in range(number)])


async def test_r12_bulk_shows_count_breakdown_and_samples_and_acts_on_exactly_the_marks() -> None:
    gateway = FakeGateway()
    async with opened(gateway) as (app, pilot):
        table = await rows_shown(app, pilot, 12)
        await pilot.press("space", "space", "space", "/", *"status:failed", "enter")
        await rows_shown(app, pilot, 2)
        await pilot.press("c")
        dialog = await dialog_open(app, pilot)
        text = screen_text(app)
        assert "Cancel 3 runs?" in text
        assert "By state: failed 1, queued 1, running 1" in text
        assert "By workflow: summarise-docs 2, invoice-extract 1" in text
        assert "1 will fail: it is already failed" in text
        assert "2 of them are not in this list" in text
        assert run_id_of(2)[:8] in text
        assert label_of(dialog) == "No (n)"
        table.marks = {run_id_of(7)}
        await pilot.press("y")
        await until(pilot, lambda: app.bulk is not None and app.bulk.report is not None, "the end")
        sent = [command for command in gateway.commands if isinstance(command, CancelRun)]
        assert {command.run_id for command in sent} == {run_id_of(number) for number in range(3)}
        assert all(command.idempotency_key == f"{app.bulk.id}/{command.run_id}" for command in sent)
        await until(pilot, lambda: toasts(app), "the report")
        assert "cancel: 3 done, 0 skipped, 0 failed" in toasts(app)[-1]


async def test_r12_enter_on_the_line_opens_exactly_that_set() -> None:
    gateway = FakeGateway()
    async with opened(gateway) as (app, pilot):
        await rows_shown(app, pilot, 12)
        await pilot.press("space", "space", "c")
        await dialog_open(app, pilot)
        await pilot.press("y")
        await until(pilot, lambda: app.bulk is not None and app.bulk.report is not None, "the end")
        app.screen.query_one(BulkLine).focus()
        await pilot.press("enter")
        await until(pilot, lambda: app.screen.query_one(FilterBar).text == f"bulk:{app.bulk.id}", "the set")
        await pilot.press("escape")
        await until(pilot, lambda: not app.screen.query_one(BulkLine).display, "the line is closed")


async def test_r12_more_than_20_retries_propose_a_canary_and_a_pace() -> None:
    gateway = failed(21)
    async with opened(gateway) as (app, pilot):
        await rows_shown(app, pilot, 21)
        await pilot.press("*", "F")
        await dialog_open(app, pilot)
        assert app.screen.query_one("#pace", Input).value == "canary 1, 20/min, stop 10%"
        await pilot.press("y")
        await until(pilot, lambda: len(gateway.commands) == 1, "the canary")
        await until(pilot, lambda: "waiting for the canary" in screen_text(app), "the line")
        await pilot.press("F")
        await until(pilot, lambda: "under way" in toasts(app)[-1], "the refusal of a second one")
        await pilot.press("ctrl+c")
        await until(pilot, lambda: app.bulk.report is not None, "the stop")
        report = app.bulk.report
        assert (report.done, report.skipped, report.failed) == (1, 20, 0)
        assert len(gateway.commands) == 1


async def test_quitting_in_the_middle_of_a_bulk_action_asks() -> None:
    gateway = failed(21)
    async with opened(gateway) as (app, pilot):
        await rows_shown(app, pilot, 21)
        await pilot.press("*", "F")
        await dialog_open(app, pilot)
        await pilot.press("y")
        await until(pilot, lambda: len(gateway.commands) == 1, "the canary")
        await pilot.press("q")
        await until(pilot, lambda: "in the middle of a bulk action" in screen_text(app), "the question")
        await dialog_open(app, pilot)
        await pilot.press("n")
        assert app.is_running
        assert app.bulk.report is None
        await pilot.press("q")
        await dialog_open(app, pilot)
        await pilot.press("y")
        await until(pilot, lambda: not app.is_running, "the end")


@pytest.mark.parametrize("number", [12, 60])
async def test_a_bulk_can_be_answered_at_80_by_24(number: int) -> None:
    async with opened(failed(number), size=(80, 24)) as (app, pilot):
        await rows_shown(app, pilot, number)
        await pilot.press("*", "F")
        await dialog_open(app, pilot)
        await until(pilot, lambda: f"Yes, retry {number} (y)" in screen_text(app), "the buttons, within the window")


async def test_r12_a_failed_canary_stops_the_rest() -> None:
    gateway = failed(21)
    gateway.after_retry = RunStatus.FAILED
    async with opened(gateway) as (app, pilot):
        await rows_shown(app, pilot, 21)
        await pilot.press("*", "F")
        await dialog_open(app, pilot)
        await pilot.press("y")
        await until(pilot, lambda: app.bulk is not None and app.bulk.report is not None, "the stop")
        assert len(gateway.commands) == 1
        assert "the canary failed" in toasts(app)[-1]


async def test_r12_more_than_50_type_the_count() -> None:
    gateway = failed(51)
    async with opened(gateway) as (app, pilot):
        await rows_shown(app, pilot, 51)
        await pilot.press("*", "F")
        await dialog_open(app, pilot)
        await pilot.press("y")
        await until(pilot, lambda: "Type 51 to go on" in screen_text(app), "the refusal")
        assert gateway.commands == []
        app.screen.query_one("#pace", Input).value = ""
        app.screen.query_one("#typed", Input).focus()
        await pilot.press(*"51", "enter")
        await until(pilot, lambda: app.bulk is not None and app.bulk.report is not None, "the end")
        assert len(gateway.commands) == 51


async def test_r12_what_the_engine_refuses_is_counted_as_failed_and_named() -> None:
    gateway = failed(3)
    gateway.refusals[run_id_of(1)] = IllegalTransition(run_id_of(1), RunStatus.RUNNING, "retry it")
    async with opened(gateway) as (app, pilot):
        await rows_shown(app, pilot, 3)
        await pilot.press("*", "F")
        await dialog_open(app, pilot)
        await pilot.press("y")
        await until(pilot, lambda: app.bulk is not None and app.bulk.report is not None, "the end")
        report = app.bulk.report
        assert (report.done, report.skipped, report.failed) == (2, 0, 1)
        await until(pilot, lambda: toasts(app), "the report")
        assert "retry: 2 done, 0 skipped, 1 failed" in toasts(app)[-1]


async def test_r13_a_bulk_has_a_twin_under_which_nothing_is_done_twice() -> None:
    gateway = failed(2)
    async with opened(gateway) as (app, pilot):
        await rows_shown(app, pilot, 2)
        await pilot.press("*", "F")
        await dialog_open(app, pilot)
        await pilot.press("y")
        await until(pilot, lambda: app.last_twin, "the twin")
        words = shlex.split(app.last_twin)
        assert words[:2] == ["wfconsole", "retry"]
        assert set(words[2:4]) == {run_id_of(0), run_id_of(1)}
        assert words[4:] == ["--key", app.bulk.id]


async def test_r22_F_on_a_cause_retries_all_its_runs() -> None:
    gateway = FakeGateway()
    gateway.inspector.causes = [cause(1, workflow_id="summarise-docs")]
    async with opened(gateway) as (app, pilot):
        await rows_shown(app, pilot, 12)
        await pilot.press("v", "f")
        await until(pilot, lambda: "AIRateLimited" in screen_text(app), "the causes")
        await pilot.press("F")
        await dialog_open(app, pilot)
        assert isinstance(app.screen, BulkDialog)
        wanted = gateway.inspector.filters[-1]
        assert (wanted.status, wanted.fingerprint, wanted.workflow_id) == (("FAILED",), ("fp1",), ("summarise-docs",))
        await pilot.press("y")
        await until(pilot, lambda: any(isinstance(one, RetryFailed) for one in gateway.commands), "the retries")


async def test_rerun_of_many_needs_one_workflow_and_starts_where_most_failed() -> None:
    gateway = FakeGateway([summary(number, RunStatus.FAILED) for number in (0, 1, 3)])
    async with opened(gateway) as (app, pilot):
        await rows_shown(app, pilot, 3)
        await pilot.press("*", "R")
        await dialog_open(app, pilot)
        assert "> embed" in screen_text(app)
        await pilot.press("y")
        await until(pilot, lambda: len(gateway.commands) == 3, "the reruns")
        assert {command.from_stage_id for command in gateway.commands} == {"embed"}
    mixed = failed(3)
    async with opened(mixed) as (app, pilot):
        await rows_shown(app, pilot, 3)
        await pilot.press("*", "R")
        await dialog_open(app, pilot)
        await pilot.press("y")
        await until(pilot, lambda: "several workflows" in screen_text(app), "the refusal")
        assert mixed.commands == []


async def test_key_u_polls_now() -> None:
    gateway = FakeGateway()
    async with opened(gateway) as (app, pilot):
        await rows_shown(app, pilot, 12)
        await pilot.press("u")
        await until(pilot, lambda: isinstance(app.screen, ConfirmDialog), "the question")
        assert "Poll now?" in screen_text(app)
        await until(pilot, lambda: "nothing of it waits" in screen_text(app), "what the details say")
        await dialog_open(app, pilot)
        await pilot.press("n", "j", "j", "j", "space", "u")
        await dialog_open(app, pilot)
        await pilot.press("y")
        await until(pilot, lambda: gateway.commands, "the command")
        assert gateway.commands == [PollNow(run_id=run_id_of(3))]


async def test_a_profile_may_want_its_confirmations_typed() -> None:
    gateway = FakeGateway()
    settings = Settings(db="sqlite:///demo.db", tz="utc", theme="dark", confirm="typed")
    async with opened(gateway, settings=settings) as (app, pilot):
        await rows_shown(app, pilot, 12)
        await pilot.press("c")
        await dialog_open(app, pilot)
        await pilot.press("y")
        await until(pilot, lambda: f"Type {run_id_of(0)[:8]} to go on" in screen_text(app), "the refusal")
        assert gateway.commands == []
        app.screen.query_one("#typed", Input).focus()
        await pilot.press(*run_id_of(0)[:8], "enter")
        await until(pilot, lambda: gateway.commands, "the command")


@pytest.mark.parametrize(
    ("text", "pace", "words"),
    [
        ("", Pace(), ()),
        (
            "canary 1, 20/min, stop 10%",
            Pace(1, 3.0, 10),
            ("--canary", "1", "--rate", "20/min", "--max-failures", "10%"),
        ),
        ("stop 5", Pace(0, 0.0, 5), ("--max-failures", "5")),
        (" 2/s ,", Pace(0, 0.5, None), ("--rate", "2/s")),
    ],
)
def test_a_pace_is_read_as_written(text: str, pace: Pace, words: tuple[str, ...]) -> None:
    assert read_pace(text, 100) == (pace, words)


@pytest.mark.parametrize("text", ["quick", "canary one", "20 per minute", "stop", "0/min"])
def test_what_is_no_pace_is_said(text: str) -> None:
    with pytest.raises(ValueError, match=r"pace|rate"):
        read_pace(text, 100)


def test_only_many_retries_are_paced_unasked() -> None:
    assert proposed_pace(RETRY, 20) == ""
    assert proposed_pace(RETRY, 21) == "canary 1, 20/min, stop 10%"
    assert proposed_pace(CANCEL, 1000) == ""
