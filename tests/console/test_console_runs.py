"""Place 1: what it shows, what its keys do, and how it behaves when the database does not."""

from __future__ import annotations

from console_pilot import dialog_open, opened, rows_shown, screen_text, toasts, until
from console_samples import mixed_runs, run_id_of, summary
from fake_gateway import FakeGateway

from engine.commands import CancelRun
from engine.errors import StoreUnavailable
from engine.inspector.views import RunDetail
from engine.model.status import RunStatus
from wfconsole.settings import Settings
from wfconsole.tui.feed import Link
from wfconsole.tui.screens.run import RunScreen
from wfconsole.tui.widgets.filter_bar import FilterBar
from wfconsole.tui.widgets.footer_line import FooterLine
from wfconsole.tui.widgets.header_bar import HeaderBar
from wfconsole.tui.widgets.run_preview import RunPreview
from wfconsole.tui.widgets.run_table import RunTable
from wfconsole.tui.widgets.status_counts import StatusCounts


async def test_runs_counts_and_header_are_there() -> None:
    async with opened(FakeGateway()) as (app, pilot):
        await rows_shown(app, pilot, 12)
        text = screen_text(app)
        assert run_id_of(0)[:8] in text
        assert "running 2" in app.screen.query_one(StatusCounts).plain
        header = app.screen.query_one(HeaderBar).plain
        assert "demo.db  RW  12:04 UTC  ● live" in header
        assert "worker: none" in header
        assert "12 of 12" in text


async def test_an_empty_database_says_why_and_the_next_key() -> None:
    async with opened(FakeGateway([])) as (app, pilot):
        await until(pilot, lambda: "No runs yet" in screen_text(app), "the empty state")
        assert "Press o to start one" in screen_text(app)


async def test_the_panel_shows_the_run_under_the_cursor() -> None:
    async with opened(FakeGateway()) as (app, pilot):
        await rows_shown(app, pilot, 12)
        await pilot.press("j")
        preview = app.screen.query_one(RunPreview)
        await until(pilot, lambda: preview.plain.startswith(run_id_of(1)[:8]), "the second run's preview")
        assert "AIRateLimited" in preview.plain
        assert "why: it is failed" in preview.plain


async def test_80_columns_drop_the_panel_and_keep_the_table() -> None:
    async with opened(FakeGateway(), size=(80, 24)) as (app, pilot):
        await rows_shown(app, pilot, 12)
        assert not app.screen.query_one(RunPreview).display
        assert all(len(line) <= 80 for line in screen_text(app).splitlines())
        assert "STATUS" in screen_text(app)


async def test_the_panel_is_asked_for_when_the_window_grows() -> None:
    async with opened(FakeGateway(), size=(80, 24)) as (app, pilot):
        await rows_shown(app, pilot, 12)
        preview = app.screen.query_one(RunPreview)
        assert run_id_of(0)[:8] not in preview.plain
        await pilot.resize_terminal(120, 36)
        await until(pilot, lambda: preview.plain.startswith(run_id_of(0)[:8]), "the first run's preview")


async def test_a_tiny_window_shows_the_counts_and_says_so() -> None:
    async with opened(FakeGateway(), size=(50, 10)) as (app, pilot):
        await until(pilot, lambda: "too small" in screen_text(app), "the message")
        assert "2 running, 2 failed" in screen_text(app)


async def test_a_filter_is_applied_and_escape_clears_it() -> None:
    async with opened(FakeGateway()) as (app, pilot):
        table = await rows_shown(app, pilot, 12)
        await pilot.press("/", *"status:failed", "enter")
        await rows_shown(app, pilot, 2)
        assert "filter: status:failed" in screen_text(app)
        assert app.focused is table
        await pilot.press("escape")
        await rows_shown(app, pilot, 12)


async def test_a_wrong_filter_says_so_in_place_and_changes_nothing() -> None:
    async with opened(FakeGateway()) as (app, pilot):
        await rows_shown(app, pilot, 12)
        await pilot.press("/", *"stauts:failed", "enter")
        await until(pilot, lambda: "nearest is status:" in screen_text(app), "the nearest field")
        assert app.screen.query_one(FilterBar).editing
        await pilot.press("escape")
        assert not app.screen.query_one(FilterBar).editing
        assert app.screen.query_one(RunTable).row_count == 12


async def test_keys_typed_into_the_filter_are_no_actions() -> None:
    gateway = FakeGateway()
    async with opened(gateway) as (app, pilot):
        await rows_shown(app, pilot, 12)
        await pilot.press("/", "c", "q", "R", "1", "ctrl+p")
        assert app.screen.query_one("#filter-input").value == "cqR1"
        assert len(app.screen_stack) == 1


async def test_cancel_names_the_run_asks_and_sends_its_id() -> None:
    gateway = FakeGateway()
    async with opened(gateway) as (app, pilot):
        await rows_shown(app, pilot, 12)
        await pilot.press("c")
        await dialog_open(app, pilot)
        assert run_id_of(0) in screen_text(app)
        await pilot.press("y")
        await until(pilot, lambda: gateway.commands, "the command")
        (command,) = gateway.commands
        assert isinstance(command, CancelRun)
        assert (command.run_id, bool(command.idempotency_key)) == (run_id_of(0), True)
        await until(pilot, lambda: toasts(app), "the toast")
        assert f"wfconsole cancel {run_id_of(0)}" in toasts(app)[-1]


async def test_the_dialog_keeps_its_run_while_rows_move_under_it() -> None:
    gateway = FakeGateway()
    async with opened(gateway) as (app, pilot):
        table = await rows_shown(app, pilot, 12)
        await pilot.press("j", "j", "j")
        assert table.cursor_id == run_id_of(3)
        await pilot.press("c")
        await dialog_open(app, pilot)
        gateway.change(*(summary(-number) for number in (3, 2, 1)))
        await until(pilot, lambda: table.held == 3, "three rows held back")
        await pilot.press("y")
        await until(pilot, lambda: gateway.commands, "the command")
        assert gateway.commands[0].run_id == run_id_of(3)
        assert table.cursor_id == run_id_of(3)


async def test_new_rows_wait_until_they_are_taken() -> None:
    gateway = FakeGateway()
    async with opened(gateway) as (app, pilot):
        table = await rows_shown(app, pilot, 12)
        await pilot.press("j")
        gateway.change(summary(-1))
        await until(pilot, lambda: "1 new (.)" in screen_text(app), "the note")
        assert table.row_count == 12
        await pilot.press(".")
        await rows_shown(app, pilot, 13)


async def test_a_disabled_key_says_why_and_opens_nothing() -> None:
    gateway = FakeGateway([summary(1, RunStatus.COMPLETED)])
    async with opened(gateway) as (app, pilot):
        await rows_shown(app, pilot, 1)
        assert "c cancel" not in app.screen.query_one(FooterLine).plain
        await pilot.press("c")
        await until(pilot, lambda: toasts(app), "the reason")
        assert toasts(app)[-1] == "cancel: it is already completed"
        assert len(app.screen_stack) == 1


async def test_the_footer_follows_the_row() -> None:
    async with opened(FakeGateway()) as (app, pilot):
        await rows_shown(app, pilot, 12)
        footer = app.screen.query_one(FooterLine)
        assert "c cancel" in footer.plain
        await pilot.press("j")
        await until(pilot, lambda: "F retry" in footer.plain, "the failed run's keys")
        assert "c cancel" not in footer.plain


async def test_read_only_offers_and_does_nothing_that_writes() -> None:
    gateway = FakeGateway()
    settings = Settings(db="sqlite:///demo.db", tz="utc", theme="dark", read_only=True)
    async with opened(gateway, settings=settings) as (app, pilot):
        await rows_shown(app, pilot, 12)
        assert " RO " in app.screen.query_one(HeaderBar).plain
        assert "cancel" not in app.screen.query_one(FooterLine).plain
        await pilot.press("c")
        await until(pilot, lambda: toasts(app), "the reason")
        assert toasts(app)[-1] == "cancel: opened read-only"
        assert gateway.commands == []


async def test_a_lost_database_keeps_the_rows_turns_actions_off_and_comes_back() -> None:
    gateway = FakeGateway()
    async with opened(gateway) as (app, pilot):
        await rows_shown(app, pilot, 12)
        gateway.inspector.failing = StoreUnavailable("disk I/O error")
        gateway.change()
        header = app.screen.query_one(HeaderBar)
        await until(pilot, lambda: "retry in" in header.plain, "the lost mark")
        assert app.screen.query_one(RunTable).row_count == 12
        assert app.screen.has_class("-lost")
        assert any("disk I/O error" in text for text in toasts(app))
        await pilot.press("c")
        assert len(app.screen_stack) == 1
        gateway.inspector.failing = None
        await until(pilot, lambda: app.feed.pulse.link is Link.LIVE, "the way back")
        assert "● live" in header.plain


async def test_nothing_is_asked_while_nothing_changes() -> None:
    gateway = FakeGateway()
    async with opened(gateway) as (app, pilot):
        await rows_shown(app, pilot, 12)
        await until(pilot, lambda: app.feed.asking_since is None, "a quiet feed")
        for _ in range(20):
            await pilot.pause(0.02)
        before = gateway.inspector.asked
        for _ in range(20):
            await pilot.pause(0.02)
        assert gateway.inspector.asked == before


async def test_paused_means_that_changes_are_not_asked_for() -> None:
    gateway = FakeGateway()
    async with opened(gateway) as (app, pilot):
        table = await rows_shown(app, pilot, 12)
        await pilot.press("p")
        await until(pilot, lambda: "paused (p)" in app.screen.query_one(HeaderBar).plain, "the mark")
        await until(pilot, lambda: app.feed.asking_since is None, "a quiet feed")
        for _ in range(10):
            await pilot.pause(0.02)
        gateway.change(mixed_runs()[0].model_copy(update={"status": RunStatus.COMPLETED}))
        for _ in range(10):
            await pilot.pause(0.02)
        assert table.row(run_id_of(0)).status is RunStatus.RUNNING
        await pilot.press("p")
        await until(pilot, lambda: table.row(run_id_of(0)).status is RunStatus.COMPLETED, "the change")


async def test_more_rows_come_as_the_cursor_nears_the_end() -> None:
    gateway = FakeGateway([summary(number) for number in range(450)])
    async with opened(gateway) as (app, pilot):
        table = await rows_shown(app, pilot, 200)
        assert "200+ of 450" in screen_text(app)
        await pilot.press("G")
        await rows_shown(app, pilot, 400)
        await pilot.press("G")
        await rows_shown(app, pilot, 450)
        assert table.cursor_id is not None


async def test_marks_are_counted_and_escape_clears_them() -> None:
    async with opened(FakeGateway()) as (app, pilot):
        table = await rows_shown(app, pilot, 12)
        await pilot.press("space", "space")
        await until(pilot, lambda: "2 ◆" in screen_text(app), "the marks")
        await pilot.press("escape")
        assert table.marks == set()


async def test_a_start_filter_is_in_force_from_the_start() -> None:
    async with opened(FakeGateway(), filter="status:failed") as (app, pilot):
        await rows_shown(app, pilot, 2)


async def test_enter_opens_the_run_and_q_comes_back() -> None:
    async with opened(FakeGateway()) as (app, pilot):
        table = await rows_shown(app, pilot, 12)
        await pilot.press("j", "enter")
        await until(pilot, lambda: isinstance(app.screen, RunScreen), "the run")
        await pilot.press("q")
        await until(pilot, lambda: len(app.screen_stack) == 1, "the way back")
        assert table.cursor_id == run_id_of(1)


def test_a_detail_is_a_summary_too() -> None:
    """Operations take either: a dialog starts with the row and goes on with the detail."""
    assert issubclass(RunDetail, type(summary(1)))


async def test_t_shows_ages_then_local_then_utc() -> None:
    settings = Settings(db="sqlite:///demo.db", tz="Asia/Tokyo", theme="dark")
    async with opened(FakeGateway(), settings=settings) as (app, pilot):
        await rows_shown(app, pilot, 12)
        assert " 11m " in screen_text(app)
        await pilot.press("t")
        await until(pilot, lambda: "20:53:33" in screen_text(app), "Tokyo's time")
        await pilot.press("t")
        await until(pilot, lambda: "11:53:33" in screen_text(app), "UTC")
        assert "21:04 JST" in app.screen.query_one(HeaderBar).plain


async def test_any_size_of_window_is_survived() -> None:
    gateway = FakeGateway()
    async with opened(gateway) as (app, pilot):
        await rows_shown(app, pilot, 12)
        for width, height in ((20, 5), (1, 1), (300, 100), (60, 15), (59, 14), (80, 24)):
            await pilot.resize_terminal(width, height)
            await pilot.pause()
            gateway.change(summary(0, RunStatus.COMPLETED))
            await pilot.pause()
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, RunScreen), "the run")
        for width, height in ((20, 5), (1, 1), (300, 100), (80, 24)):
            await pilot.resize_terminal(width, height)
            await pilot.pause()
        await until(pilot, lambda: "✓ fetch" in screen_text(app), "the graph")
