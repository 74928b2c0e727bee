"""The console on a real engine: a run goes through the graph, is cancelled, rerun, and its log is followed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from console_pilot import dialog_open, rows_shown, screen_text, toasts, until
from textual.pilot import Pilot
from textual.widgets import OptionList

from engine.commands import CreateRun
from engine.inspector import RunFilter
from engine.model.status import RunStatus
from wfconsole.gateway import Gateway
from wfconsole.settings import Settings
from wfconsole.tui.app import WorkflowConsole
from wfconsole.tui.feed import Link
from wfconsole.tui.screens.run import RunScreen
from wfconsole.tui.widgets.form_row import FormRow
from wfconsole.tui.widgets.graph_view import GraphView
from wfconsole.tui.widgets.log_view import LogView
from wfconsole.tui.widgets.run_table import RunTable

SIZE = (120, 36)


@pytest.fixture
def document(tmp_path: Path) -> Path:
    path = tmp_path / "text.md"
    path.write_text("# Harbour\n\nThe harbour keeps the ships. Ships leave the harbour at dawn, and return at night.\n")
    return path


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    settings = Settings(db=f"sqlite:///{tmp_path / 'runs.db'}", tz="utc", theme="dark")
    async with Gateway(settings) as opened:
        yield opened


async def created(gateway: Gateway, document: Path, delay_ms: int = 0) -> str:
    config = {"extract-text": {"delay_ms": delay_ms}} if delay_ms else {}
    command = CreateRun(
        idempotency_key=f"k{delay_ms}", workflow_id="document-processor", input={"url": str(document)}, config=config
    )
    return (await gateway.send(command)).run_id


async def live(app: WorkflowConsole, pilot: Pilot[None]) -> None:
    await until(pilot, lambda: app.feed.pulse.link is Link.LIVE and app.overview, "a live feed")


async def test_a_run_is_watched_to_its_end_and_rerun_from_a_stage(gateway: Gateway, document: Path) -> None:
    run_id = await created(gateway, document)
    app = WorkflowConsole(gateway.settings, gateway=gateway)
    async with app.run_test(size=SIZE) as pilot:
        await live(app, pilot)
        table = await rows_shown(app, pilot, 1)
        await pilot.press("enter")
        await until(pilot, lambda: app.screen.query(GraphView) and "extract-text" in screen_text(app), "the graph")
        async with gateway.engine.worker("w1"):
            await until(pilot, lambda: "✓ ok" in screen_text(app).splitlines()[1], "the end of the run")
            assert "✓ report" in screen_text(app)
            log = app.screen.query_one(LogView)
            await until(pilot, lambda: log.line_count > 5, "its log")
            await pilot.press("R")
            await dialog_open(app, pilot)
            await pilot.press("k", "k", "k", "k", "j")
            await until(pilot, lambda: "Reused: extract-text" in screen_text(app), "the second stage")
            await pilot.press("y")
            await until(pilot, lambda: any("rerun started" in text for text in toasts(app)), "the toast")
            run = await gateway.engine.wait(run_id, 20)
            await until(pilot, lambda: "✓ ok" in screen_text(app).splitlines()[1], "its second end")
        again = {stage.stage_id: stage.attempt for stage in run.stages}
        assert again["extract-text"] == 1
        assert again["report"] == 2
        await pilot.press("escape")
        await until(pilot, lambda: table.row(run_id).status is RunStatus.COMPLETED, "the list")


async def test_an_executing_run_is_cancelled_with_c(gateway: Gateway, document: Path) -> None:
    run_id = await created(gateway, document, delay_ms=60_000)
    app = WorkflowConsole(gateway.settings, gateway=gateway)
    async with app.run_test(size=SIZE) as pilot:
        await live(app, pilot)
        await rows_shown(app, pilot, 1)
        table = app.screen.query_one(RunTable)
        async with gateway.engine.worker("w1"):
            await until(pilot, lambda: table.row(run_id).current_stages == ["extract-text"], "a running stage")
            await pilot.press("c")
            await dialog_open(app, pilot)
            await pilot.press("y")
            await until(pilot, lambda: table.row(run_id).status is RunStatus.CANCELLED, "a cancelled run")


async def test_a_run_started_with_o_is_opened_and_its_log_followed_with_f(gateway: Gateway, document: Path) -> None:
    app = WorkflowConsole(gateway.settings, gateway=gateway)
    async with app.run_test(size=SIZE) as pilot, gateway.engine.worker("w1"):
        await live(app, pilot)
        await pilot.press("o")
        await dialog_open(app, pilot)
        dialog, choice = app.screen, app.screen.query_one(OptionList)
        await until(pilot, lambda: choice.option_count == len(gateway.workflows), "the sample workflows")
        known = [workflow.id for workflow in await gateway.inspector.workflows()]
        choice.highlighted = known.index("document-processor")
        await until(pilot, lambda: [row.field.name for row in dialog.query(FormRow)] == ["url"], "its form")
        await pilot.press("y")
        await until(pilot, lambda: "required" in screen_text(app), "the refusal")
        assert (await gateway.inspector.runs(RunFilter())).items == []
        dialog.query_one(FormRow).text = str(document)
        await pilot.press("y")
        await until(pilot, lambda: isinstance(app.screen, RunScreen), "the run")
        await pilot.press("f")
        log = app.screen.query_one(LogView)
        await until(pilot, lambda: any("report" in line.message for line in log.shown_lines()), "the last line")
        assert log.following


async def test_another_filter_of_the_real_grammar(gateway: Gateway, document: Path) -> None:
    run_id = await created(gateway, document)
    app = WorkflowConsole(gateway.settings, gateway=gateway, filter="status:failed")
    async with app.run_test(size=SIZE) as pilot:
        await live(app, pilot)
        await until(pilot, lambda: "No run matches" in screen_text(app), "nothing failed")
        await pilot.press("/", *["backspace"] * 13, *"wf:document-processor since:1h", "enter")
        table = await rows_shown(app, pilot, 1)
        assert table.cursor_id == run_id
