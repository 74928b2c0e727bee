"""Views, marks, order and the filter's field of place 1."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from console_pilot import opened, rows_shown, screen_text, toasts, until
from console_samples import NOON, dead_letter, log_line, run_id_of, summary
from fake_gateway import FakeGateway
from hypothesis import given
from hypothesis import strategies as st

from engine.inspector import FailureView
from engine.model.status import RunStatus
from wfconsole.filtering import FIELDS
from wfconsole.settings import Settings
from wfconsole.tui.app import WorkflowConsole
from wfconsole.tui.completion import complete, complete_filter
from wfconsole.tui.runs_view import RunsView
from wfconsole.tui.screens.run_logs import RunLogsScreen
from wfconsole.tui.state import ConsoleState
from wfconsole.tui.widgets.cause_table import CauseTable
from wfconsole.tui.widgets.filter_bar import FilterBar
from wfconsole.tui.widgets.log_pane import LogPane
from wfconsole.tui.widgets.run_preview import RunPreview
from wfconsole.tui.widgets.run_table import RunTable


def cause(number: int, **changes: object) -> FailureView:
    return FailureView(
        **{
            "fingerprint": f"fp{number}",
            "code": "AIRateLimited",
            "example": "AIRateLimited: 429",
            "workflow_id": "summarise-docs",
            "stage_id": "embed",
            "runs": 200 - number,
            "first_at": NOON,
            "last_at": NOON,
            "wasted": "0.21",
            **changes,
        }
    )


async def test_key_v_needs_attention_asks_for_nothing_else() -> None:
    gateway = FakeGateway()
    async with opened(gateway) as (app, pilot):
        await rows_shown(app, pilot, 12)
        await pilot.press("v", "n")
        await until(pilot, lambda: gateway.inspector.filters[-1].attention, "the question")
        assert "needs attention (v)" in screen_text(app)
        await pilot.press("escape")
        await until(pilot, lambda: not gateway.inspector.filters[-1].attention, "the way back")


@pytest.mark.parametrize("size", [(120, 36), (80, 24)])
async def test_key_v_needs_attention_says_why_each_run_is_listed(size: tuple[int, int]) -> None:
    long = NOON - timedelta(hours=1)
    rows = [
        summary(1, RunStatus.COMPLETED),
        summary(2, RunStatus.FAILED),
        summary(3, RunStatus.FAILED),
        summary(4, waiting=True, idle_ms=3_600_000, started_at=long),
        summary(5, idle_ms=3_600_000, started_at=long, retry_at=None),
        summary(6, idle_ms=1_000),
    ]
    gateway = FakeGateway(rows)
    gateway.inspector.letters = [dead_letter(at, run_id=run_id_of(number)) for at, number in enumerate((1, 1, 3))]
    async with opened(gateway, size=size) as (app, pilot):
        table = await rows_shown(app, pilot, 6)
        assert "WHY" not in screen_text(app)
        await pilot.press("v", "n")
        await until(pilot, lambda: "WHY" in screen_text(app), "the column")
        lines = {number: row_of(app, number) for number in range(1, 7)}
        told = ["2 dead letters", "failed", "1 dead letter", "overdue poll", "stuck", "overdue poll"]
        for number, why in enumerate(told, start=1):
            assert why in lines[number].split("│")[0], (why, lines[number])
        assert "✓ ok" in lines[1]
        gateway.inspector.letters = []
        gateway.change(summary(1, RunStatus.COMPLETED))
        await until(pilot, lambda: "dead letter" not in "".join(row_of(app, at) for at in (1, 3)), "the news")
        await pilot.press("escape")
        await until(pilot, lambda: "WHY" not in screen_text(app), "the usual columns")
        assert table.row_count == 6


def row_of(app: WorkflowConsole, number: int) -> str:
    """The line of this run in the table."""
    return next(line for line in screen_text(app).splitlines() if line[3:11] == run_id_of(number)[:8])


async def test_r22_failed_runs_fold_by_cause_and_enter_shows_its_runs() -> None:
    gateway = FakeGateway()
    gateway.inspector.causes = [cause(1), cause(2, stage_id="ocr")]
    async with opened(gateway) as (app, pilot):
        await rows_shown(app, pilot, 12)
        await pilot.press("v", "f")
        await until(pilot, lambda: "AIRateLimited" in screen_text(app), "the causes")
        assert "2 causes" in screen_text(app)
        assert "199" in screen_text(app)
        assert "$0.210" in screen_text(app)
        await pilot.press("j", "enter")
        words = 'status:failed wf:"summarise-docs" fp:fp2'
        await until(pilot, lambda: app.screen.query_one(FilterBar).text == words, "the runs of the cause")
        assert app.screen.query_one(RunTable).display
        await pilot.press("-")
        await until(pilot, lambda: app.screen.query_one(CauseTable).display, "the view before")


async def test_key_minus_comes_back_to_filter_marks_and_cursor() -> None:
    async with opened(FakeGateway()) as (app, pilot):
        table = await rows_shown(app, pilot, 12)
        await pilot.press("j", "space", "j")
        assert table.cursor_id == run_id_of(3)
        await pilot.press("/", *"status:failed", "enter")
        await rows_shown(app, pilot, 2)
        await pilot.press("escape", "escape", "-")
        await rows_shown(app, pilot, 2)
        await pilot.press("-", "-", "-")
        await until(pilot, lambda: app.screen.query_one(FilterBar).text == "", "no filter")


async def test_key_minus_restores_what_was_marked() -> None:
    async with opened(FakeGateway()) as (app, pilot):
        table = await rows_shown(app, pilot, 12)
        await pilot.press("j", "space", "j", "/", *"status:failed", "enter")
        await rows_shown(app, pilot, 2)
        table.marks = set()
        await pilot.press("-")
        await rows_shown(app, pilot, 12)
        assert (table.cursor_id, table.marks) == (run_id_of(3), {run_id_of(1)})


async def test_key_s_sorts_by_the_next_column_and_key_S_reverses() -> None:
    gateway = FakeGateway()
    async with opened(gateway) as (app, pilot):
        await rows_shown(app, pilot, 12)
        await pilot.press("s")
        await until(pilot, lambda: gateway.inspector.sorts[-1] == "-duration_ms", "the longest first")
        await until(pilot, lambda: "duration ▼" in screen_text(app), "the order, though its column does not fit")
        await pilot.resize_terminal(200, 50)
        await until(pilot, lambda: "DUR▼" in screen_text(app), "the arrow")
        await pilot.press("S")
        await until(pilot, lambda: gateway.inspector.sorts[-1] == "duration_ms", "the shortest first")
        await until(pilot, lambda: "DUR▲" in screen_text(app), "the arrow")


async def test_r01_marks_outside_the_filter_are_counted() -> None:
    async with opened(FakeGateway()) as (app, pilot):
        table = await rows_shown(app, pilot, 12)
        await pilot.press("space", "space", "/", *"status:failed", "enter")
        await rows_shown(app, pilot, 2)
        await until(pilot, lambda: "2 ◆ (1 not shown)" in screen_text(app), "the count")
        assert table.marks == {run_id_of(0), run_id_of(1)}


async def test_key_V_marks_a_range_and_key_bang_inverts() -> None:
    async with opened(FakeGateway()) as (app, pilot):
        table = await rows_shown(app, pilot, 12)
        await pilot.press("space", "j", "j", "V")
        assert table.marks == {run_id_of(number) for number in range(4)}
        await pilot.press("!")
        assert table.marks == {run_id_of(number) for number in range(4, 12)}


async def test_key_star_marks_all_that_match_loaded_or_not() -> None:
    async with opened(FakeGateway([summary(number) for number in range(450)])) as (app, pilot):
        table = await rows_shown(app, pilot, 200)
        await pilot.press("*")
        await until(pilot, lambda: len(table.marks) == 450, "all of them")


async def test_key_l_shows_the_lines_of_the_marked_runs_only() -> None:
    gateway = FakeGateway()
    gateway.log(*(log_line(number, run_id_of(number % 3), f"line {number}") for number in range(1, 10)))
    async with opened(gateway) as (app, pilot):
        await rows_shown(app, pilot, 12)
        await pilot.press("space", "space", "l")
        await until(pilot, lambda: isinstance(app.screen, RunLogsScreen), "the logs")
        log = app.screen.query_one(LogPane).log_view
        await until(pilot, lambda: log.line_count == 6, "the lines of two runs")
        gateway.log(log_line(10, run_id_of(2)), log_line(11, run_id_of(0), "eleven"))
        await until(pilot, lambda: log.line_count == 7, "the new line of one of them")
        assert f"{run_id_of(0)[:8]} " in screen_text(app)


async def test_what_is_typed_right_behind_the_slash_belongs_to_the_filter() -> None:
    gateway = FakeGateway()
    async with opened(gateway) as (app, pilot):
        await rows_shown(app, pilot, 12)
        app.screen.query_one(FilterBar).edit()
        assert app.focused is app.screen.query_one(FilterBar).field


async def test_key_tab_completes_and_key_up_walks_the_history() -> None:
    async with opened(FakeGateway()) as (app, pilot):
        await rows_shown(app, pilot, 12)
        field = app.screen.query_one(FilterBar).field
        await pilot.press("/", *"stat", "tab", *"fa", "tab")
        assert field.value == "status:failed"
        await pilot.press("enter")
        await rows_shown(app, pilot, 2)
        await pilot.press("/", "ctrl+u", *"wf:invoice-extract", "enter")
        await until(pilot, lambda: app.screen.query_one(FilterBar).text == "wf:invoice-extract", "the filter")
        await pilot.press("/", "up", "up")
        assert field.value == "status:failed"
        await pilot.press("down", "down")
        assert field.value == "wf:invoice-extract"


async def test_the_choices_are_shown() -> None:
    async with opened(FakeGateway()) as (app, pilot):
        await rows_shown(app, pilot, 12)
        await pilot.press("/", "s", "tab")
        await until(pilot, lambda: "status:  stage:  since:" in screen_text(app), "the choices")


def test_values_complete_after_a_comma_and_a_dash() -> None:
    assert complete_filter("-wf:a,inv", 9, {"wf": ["invoice-extract"]}).text == "-wf:a,invoice-extract"
    assert complete_filter("cost:", 5, {}).choices == (">0.01", ">0.1", ">1")


@given(st.text(max_size=30), st.integers(0, 30))
def test_completion_only_ever_adds_to_what_was_typed(text: str, cursor: int) -> None:
    cursor = min(cursor, len(text))
    for done in (complete_filter(text, cursor, {"wf": ["a", "ab"]}), complete(text, cursor, [f"{f}:" for f in FIELDS])):
        assert done.text.startswith(text[:cursor])
        assert done.text.endswith(text[cursor:])
        assert done.cursor == len(done.text) - len(text[cursor:])


async def test_the_last_view_of_the_profile_is_restored(tmp_path: Path) -> None:
    file = tmp_path / "console.json"
    async with opened(FakeGateway(), state=ConsoleState(file, "prod:1")) as (app, pilot):
        await rows_shown(app, pilot, 12)
        await pilot.press("/", *"status:failed", "enter")
        await rows_shown(app, pilot, 2)
    async with opened(FakeGateway(), state=ConsoleState(file, "prod:1")) as (app, pilot):
        await rows_shown(app, pilot, 2)
        assert ConsoleState(file, "prod:1").history("filter") == ["status:failed"]
    async with opened(FakeGateway(), state=ConsoleState(file, "dev:1")) as (app, pilot):
        await rows_shown(app, pilot, 12)


async def test_the_last_place_is_restored_but_never_against_what_is_asked(tmp_path: Path) -> None:
    file = tmp_path / "console.json"
    async with opened(FakeGateway(), state=ConsoleState(file, "p")) as (app, pilot):
        await rows_shown(app, pilot, 12)
        await pilot.press("5", "q")
        await until(pilot, lambda: not app.is_running, "the end")
    async with opened(FakeGateway(), state=ConsoleState(file, "p")) as (app, pilot):
        await until(pilot, lambda: app.current_mode == "workers", "place 5")
    async with opened(FakeGateway(), state=ConsoleState(file, "p"), filter="status:failed") as (app, pilot):
        await rows_shown(app, pilot, 2)
        assert app.current_mode == "runs"


@pytest.mark.parametrize("text", ["", "[]", "{", '{"p": 5}', '{"p": {"view": {"kind": "odd"}, "history.filter": 3}}'])
async def test_a_broken_memory_is_no_reason_to_fail(tmp_path: Path, text: str) -> None:
    file = tmp_path / "console.json"
    file.write_text(text)
    async with opened(FakeGateway(), state=ConsoleState(file, "p")) as (app, pilot):
        await rows_shown(app, pilot, 12)
        app.state.remember("filter", "x")
        assert ConsoleState(file, "p").history("filter") == ["x"]


async def test_a_view_can_be_kept_and_found_again() -> None:
    async with opened(FakeGateway()) as (app, pilot):
        await rows_shown(app, pilot, 12)
        await pilot.press("/", *"status:failed", "enter", "s")
        await rows_shown(app, pilot, 2)
        app.screen.save_view("bad ones")
        await pilot.press("escape")
        await rows_shown(app, pilot, 12)
        await pilot.press("v", "down", "down", "down", "enter")
        await rows_shown(app, pilot, 2)
        assert app.screen.view == RunsView("all", "status:failed", "-duration_ms", "bad ones")
        assert "bad ones (v)" in screen_text(app)


async def test_nothing_needs_attention_says_so() -> None:
    async with opened(FakeGateway([summary(1, RunStatus.COMPLETED)])) as (app, pilot):
        await rows_shown(app, pilot, 1)
        await pilot.press("v", "n", "/", *"id:zzzz", "enter")
        await until(pilot, lambda: "Nothing needs attention" in screen_text(app), "the empty state")
        assert not toasts(app)


async def test_the_panel_is_empty_where_no_run_matches() -> None:
    async with opened(FakeGateway()) as (app, pilot):
        await rows_shown(app, pilot, 12)
        preview = app.screen.query_one(RunPreview)
        await until(pilot, lambda: preview.plain, "the first run's panel")
        await pilot.press("/", *"id:zzzz", "enter")
        await until(pilot, lambda: "No run matches" in screen_text(app), "the empty state")
        await until(pilot, lambda: not preview.plain, "an empty panel")


async def test_ascii_arrows_are_ascii() -> None:
    settings = Settings(db="sqlite:///demo.db", tz="utc", theme="dark", ascii=True)
    async with opened(FakeGateway(), settings=settings) as (app, pilot):
        await rows_shown(app, pilot, 12)
        await pilot.press("s")
        await until(pilot, lambda: "duration v" in screen_text(app), "the order")


async def test_r23_the_demo_says_what_to_try_next() -> None:
    demo = Settings(db="sqlite:///demo.db", tz="utc", theme="dark", demo=True)
    gateway = FakeGateway()
    gateway.inspector.causes = [cause(1)]
    async with opened(gateway, settings=demo) as (app, pilot):
        await until(pilot, lambda: "some failed: v, then f shows why" in screen_text(app), "the first hint")
        await pilot.press("v", "f")
        await until(pilot, lambda: "enter shows its runs, F or R runs them again" in screen_text(app), "the second")
        assert any(line.endswith(" 1 cause") for line in screen_text(app).splitlines())
    async with opened(FakeGateway()) as (app, pilot):
        await rows_shown(app, pilot, 12)
        assert "some failed" not in screen_text(app), "elsewhere nobody is taught"
