"""One run: graph, log, data and events; what is visible is asked for, and nothing else."""

from __future__ import annotations

from console_pilot import opened, rows_shown, screen_text, toasts, until
from console_samples import NOON, dead_letter, log_line, run_id_of, summary
from fake_gateway import FakeGateway
from textual.pilot import Pilot

from engine.model.status import LogLevel, RunStatus
from wfconsole.tui.app import WorkflowConsole
from wfconsole.tui.panes.values import sections_of
from wfconsole.tui.screens.run import RunScreen
from wfconsole.tui.widgets.footer_line import FooterLine
from wfconsole.tui.widgets.graph_view import GraphView
from wfconsole.tui.widgets.log_pane import FIRST, LogPane
from wfconsole.tui.widgets.log_view import LogView


def log_of(app: WorkflowConsole) -> LogView:
    return app.screen.query_one("#logs", LogView)


async def run_shown(app: WorkflowConsole, pilot: Pilot[None]) -> None:
    await until(pilot, lambda: isinstance(app.screen, RunScreen), "the run's screen")
    await until(pilot, lambda: app.screen.query_one(GraphView).focused_stage, "a graph with a focus")


async def test_a_deep_link_opens_the_run_with_graph_and_log() -> None:
    gateway = FakeGateway()
    gateway.log(*(log_line(number, run_id_of(1)) for number in range(3)))
    async with opened(gateway, run=run_id_of(1)) as (app, pilot):
        await run_shown(app, pilot)
        await until(pilot, lambda: "page 2 read" in screen_text(app), "the log")
        text = screen_text(app)
        assert f" {run_id_of(1)[:8]}  ✗ failed  summarise-docs" in text
        assert "key=doc:8813" in text
        assert "✗ embed" in text
        assert "AIRateLimited: 429" in text
        assert "why: it is failed" in text


async def test_a_deep_link_may_name_tab_and_stage() -> None:
    async with opened(FakeGateway(), run=run_id_of(1), stage="parse") as (app, pilot):
        await run_shown(app, pilot)
        await until(pilot, lambda: app.screen.query_one(GraphView).focused_stage == "parse", "the stage")
    async with opened(FakeGateway(), run=run_id_of(1), tab="data") as (app, pilot):
        await until(pilot, lambda: "README.md" in screen_text(app), "the data")


async def test_an_unknown_run_says_so_and_escape_leaves() -> None:
    async with opened(FakeGateway(), run="nosuchrun") as (app, pilot):
        await until(pilot, lambda: "There is no run nosuchrun" in screen_text(app), "the sentence")
        await pilot.press("c")
        await until(pilot, lambda: toasts(app), "the reason")
        assert toasts(app)[-1] == "cancel: there is no run here"
        await pilot.press("escape")
        await rows_shown(app, pilot, 12)


async def test_the_log_grows_while_it_is_watched() -> None:
    gateway = FakeGateway()
    async with opened(gateway, run=run_id_of(0)) as (app, pilot):
        await run_shown(app, pilot)
        gateway.log(*(log_line(number, run_id_of(0)) for number in range(5)))
        await until(pilot, lambda: log_of(app).line_count == 5, "five lines")
        gateway.log(log_line(6, run_id_of(0)), log_line(7, run_id_of(9)))
        await until(pilot, lambda: log_of(app).line_count == 6, "the next one, of this run only")


async def test_f_goes_to_the_log_and_then_pauses_and_follows() -> None:
    gateway = FakeGateway()
    gateway.log(*(log_line(number, run_id_of(0)) for number in range(80)))
    async with opened(gateway, run=run_id_of(0)) as (app, pilot):
        await run_shown(app, pilot)
        await pilot.press("f")
        await until(pilot, lambda: app.focused is log_of(app), "the log's focus")
        assert log_of(app).following
        await pilot.press("f")
        assert not log_of(app).following
        gateway.log(log_line(90, run_id_of(0)))
        await until(pilot, lambda: "PAUSED +1" in screen_text(app), "the pause mark")
        await pilot.press("G")
        await until(pilot, lambda: "● follow" in screen_text(app), "following again")


async def test_older_lines_come_at_the_top() -> None:
    gateway = FakeGateway()
    gateway.log(*(log_line(number, run_id_of(0)) for number in range(FIRST + 40)))
    async with opened(gateway, run=run_id_of(0), tab="logs") as (app, pilot):
        await until(pilot, lambda: log_of(app).line_count == FIRST, "the newest page")
        await pilot.press("g")
        await until(pilot, lambda: log_of(app).line_count == FIRST + 40, "the page before")


async def test_search_and_level() -> None:
    gateway, info = FakeGateway(), LogLevel.INFO
    gateway.log(*(log_line(n, run_id_of(0), level=LogLevel.ERROR if n == 3 else info) for n in range(9)))
    async with opened(gateway, run=run_id_of(0), tab="logs") as (app, pilot):
        await until(pilot, lambda: log_of(app).line_count == 9, "nine lines")
        await pilot.press("/", *"page 4", "enter")
        await until(pilot, lambda: log_of(app).search == "page 4", "the search")
        await pilot.press("escape")
        await until(pilot, lambda: not log_of(app).search, "no search")
        await pilot.press("L", "L", "L")
        await until(pilot, lambda: log_of(app).min_level is LogLevel.ERROR, "errors only")
        assert "level>=error" in screen_text(app)


async def test_tabs_go_round_and_data_is_filled_only_when_seen() -> None:
    gateway = FakeGateway()
    gateway.inspector.letters = [dead_letter(1)]
    async with opened(gateway, run=run_id_of(1)) as (app, pilot):
        await run_shown(app, pilot)
        assert not app.screen.query("#data")
        await pilot.press("tab", "tab", "tab")
        await until(pilot, lambda: "README.md" in screen_text(app), "the data")
        assert not app.screen.query_one("#stage-graph").display
        await pilot.press("tab", "tab")
        await until(pilot, lambda: "workflow:failed" in screen_text(app), "the events")
        await pilot.press("tab")
        await until(pilot, lambda: not app.screen.query_one("#tab-events").display, "the graph again")
        await pilot.press("shift+tab")
        await until(pilot, lambda: app.screen.query_one("#tab-events").display, "backwards")


async def test_the_run_changes_before_your_eyes() -> None:
    gateway = FakeGateway()
    async with opened(gateway, run=run_id_of(0)) as (app, pilot):
        await run_shown(app, pilot)
        footer = app.screen.query_one(FooterLine)
        assert "c cancel" in footer.plain
        gateway.change(summary(0, RunStatus.COMPLETED))
        await until(pilot, lambda: "✓ ok" in screen_text(app).splitlines()[1], "the end")
        await until(pilot, lambda: "R rerun" in footer.plain, "other keys")
        assert "c cancel" not in footer.plain


async def test_escape_from_the_filtered_log_clears_the_search_first() -> None:
    gateway = FakeGateway()
    gateway.log(log_line(1, run_id_of(0)))
    async with opened(gateway, run=run_id_of(0), tab="logs") as (app, pilot):
        await until(pilot, lambda: log_of(app).line_count == 1, "the line")
        await pilot.press("/", *"page", "enter")
        await until(pilot, lambda: log_of(app).search == "page", "the search")
        await pilot.press("escape")
        assert isinstance(app.screen, RunScreen)
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(app.screen, RunScreen), "the way back")


async def test_the_logs_of_all_runs_are_place_2() -> None:
    gateway = FakeGateway()
    gateway.log(log_line(1, run_id_of(0)), log_line(2, run_id_of(5)))
    async with opened(gateway) as (app, pilot):
        await pilot.press("2")
        await until(pilot, lambda: app.screen.query(LogPane) and log_of(app).line_count == 2, "both lines")


async def test_the_other_places_show_what_there_is() -> None:
    gateway = FakeGateway()
    async with opened(gateway) as (app, pilot):
        for key, widget, text in (("5", "#workers", "box-1:4242"), ("6", "#workflows", "invoice-extract")):
            await pilot.press(key)
            await until(pilot, lambda text=text: text in screen_text(app), text)
            assert app.screen.query_one(widget)
        await pilot.press("4")
        await until(pilot, lambda: "Events no sink would take" in screen_text(app), "the empty state")
        await pilot.press("1")
        await rows_shown(app, pilot, 12)


def test_the_data_tab_names_the_run_s_values_and_each_stage() -> None:
    from console_samples import detail

    sections = sections_of(detail(summary(1, RunStatus.FAILED)))
    assert list(sections) == ["input", "output", "config", "error", "fetch", "ocr", "parse", "embed"]
    assert sections["fetch"]["output"]["big"] == 2**70
    assert NOON.tzinfo is not None
