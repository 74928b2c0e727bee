"""The frame of every place: which database and profile, how fresh, how much of what, and what goes wrong most."""

from __future__ import annotations

from datetime import timedelta

import pytest
from console_pilot import opened, rows_shown, screen_text, toasts, until
from console_samples import NOON, mixed_runs, summary
from fake_gateway import FakeGateway
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from textual.command import CommandPalette

from engine.inspector import Overview
from engine.inspector.views import CauseView
from engine.model.status import RunStatus
from wfconsole.settings import Profile, Settings
from wfconsole.tui.feed import Link, Pulse
from wfconsole.tui.layout.run_columns import ages_fast
from wfconsole.tui.layout.sparkline import sparkline
from wfconsole.tui.widgets.header_bar import HeaderBar, HeaderFacts, Hot, whole
from wfconsole.tui.widgets.run_table import RunTable
from wfconsole.tui.widgets.status_counts import StatusCounts, state_counts

HOT = CauseView(
    fingerprint="fp1", code="AIRateLimited", stage_id="embed", runs=198, first_at=NOON - timedelta(hours=9, minutes=54)
)


async def test_r22_one_cause_stands_in_the_header_of_every_place() -> None:
    gateway = FakeGateway()
    gateway.inspector.hot = HOT
    async with opened(gateway) as (app, pilot):
        words = "✗ 198 × AIRateLimited embed since 02:10 (v)"
        await until(pilot, lambda: words in app.screen.query_one(HeaderBar).plain, "the cause")
        await pilot.press("5")
        await until(pilot, lambda: words in app.screen.query_one(HeaderBar).plain, "the cause in place 5")


async def test_retrying_and_waiting_are_counted_apart_from_running() -> None:
    gateway = FakeGateway()
    gateway.inspector.ended = [0] * 16 + [1, 2, 3, 5, 7, 5, 3, 2]
    async with opened(gateway, size=(200, 50)) as (app, pilot):
        await rows_shown(app, pilot, 12)
        counts = app.screen.query_one(StatusCounts)
        await until(pilot, lambda: "24h" in counts.plain, "the last day")
        assert "● running 2  ◌ queued 2  ↻ retrying 2  ◫ waiting 2  ✗ failed 2" in counts.plain
        assert counts.plain.rstrip().endswith("▂▃▄▆█▆▄▃ 3.1/s")


async def test_counts_fit_80_columns() -> None:
    async with opened(FakeGateway(mixed_runs(40)), size=(80, 24)) as (app, pilot):
        await rows_shown(app, pilot, 40)
        line = app.screen.query_one(StatusCounts).plain
        assert "● run" in line
        assert "☠ dead 0" in line
        assert cell_len(line) <= 80


async def test_the_profile_and_its_colour_are_unmistakable() -> None:
    settings = Settings(
        db="sqlite:///demo.db", tz="utc", theme="dark", profile="prod", colour="red", profiles={"prod": Profile()}
    )
    async with opened(FakeGateway(), settings=settings) as (app, _):
        header = app.screen.query_one(HeaderBar)
        assert " prod   demo.db  RW" in header.plain
        red, _, blue = header.background_colors[1].rgb
        assert red > blue + 40


async def test_a_colour_that_is_none_is_said() -> None:
    settings = Settings(db="sqlite:///demo.db", tz="utc", theme="dark", colour="rosso")
    async with opened(FakeGateway(), settings=settings) as (app, _):
        assert any("'rosso' is no colour" in text for text in toasts(app))


async def test_a_narrow_header_keeps_what_matters_most() -> None:
    gateway = FakeGateway()
    async with opened(gateway, size=(80, 24)) as (app, pilot):
        await rows_shown(app, pilot, 12)
        header = app.screen.query_one(HeaderBar).plain
        assert "● live" in header
        assert "worker: none" in header
        assert cell_len(header) <= 80


async def test_r15_a_tiny_window_says_so_with_the_counts() -> None:
    async with opened(FakeGateway(), size=(59, 14)) as (app, pilot):
        await until(pilot, lambda: "too small" in screen_text(app), "the message")
        assert "2 running, 2 failed, 2 queued" in screen_text(app)


@given(st.lists(st.integers(0, 10**9), max_size=60), st.integers(0, 60), st.booleans())
def test_a_sparkline_fits_and_its_largest_bar_is_full(values: list[int], width: int, ascii_only: bool) -> None:
    drawn = sparkline(values, width, ascii_only=ascii_only)
    assert cell_len(drawn) <= width
    assert drawn.isascii() or not ascii_only
    if sum(values) and drawn and len(values) <= width:
        assert drawn[values.index(max(values))] in "█@"


def test_a_running_count_is_never_negative() -> None:
    overview = Overview(
        counts={"RUNNING": 1}, rate_per_s=0, fail_rate=0, workers_alive=0, workers_known=0, queue=0, undelivered=0,
        dead_letters=0, cost_today=0, unpriced_today=0, as_of=NOON, retrying=2, waiting=0,
    )  # fmt: skip
    assert state_counts(overview)["RUNNING"] == 0


def test_r04_rows_that_stand_still_are_not_looked_at_every_second() -> None:
    old = summary(60 * 48, RunStatus.COMPLETED)
    assert not ages_fast([old], NOON, "relative")
    assert ages_fast([old, summary(3, RunStatus.COMPLETED)], NOON, "relative")
    assert not ages_fast([summary(3, RunStatus.COMPLETED)], NOON, "utc")
    assert ages_fast([summary(60 * 48)], NOON, "utc"), "what runs counts its seconds"


async def test_key_ctrl_c_copies_a_selection_else_says_how_to_quit_and_twice_quits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SSH_CONNECTION", "1 2 3 4")
    async with opened(FakeGateway()) as (app, pilot):
        await rows_shown(app, pilot, 12)
        monkeypatch.setattr(app.screen, "get_selected_text", lambda: "chosen")
        await pilot.press("ctrl+c")
        await until(pilot, lambda: app.clipboard == "chosen", "the copy")
        monkeypatch.undo()
        await pilot.press("ctrl+c")
        await until(pilot, lambda: "ctrl+c again" in toasts(app)[-1], "how to quit")
        await pilot.press("ctrl+c")
        await until(pilot, lambda: not app.is_running, "the end")


async def test_ctrl_q_takes_the_path_of_q() -> None:
    async with opened(FakeGateway()) as (app, pilot):
        await rows_shown(app, pilot, 12)
        await pilot.press("ctrl+q")
        await until(pilot, lambda: not app.is_running, "the end")


async def test_key_ctrl_p_offers_what_this_place_can_do_with_its_keys() -> None:
    settings = Settings(db="sqlite:///demo.db", tz="utc", theme="dark", keys={"run.retry": "ctrl+y"})
    async with opened(FakeGateway(), settings=settings) as (app, pilot):
        await rows_shown(app, pilot, 12)
        await pilot.press("ctrl+p")
        await until(pilot, lambda: isinstance(app.screen, CommandPalette), "the palette")
        await pilot.press(*"mark all")
        await until(pilot, lambda: "mark all  (*)" in screen_text(app), "the action")
        await pilot.press("enter")
        await until(pilot, lambda: not isinstance(app.screen, CommandPalette), "the way back")
        table = app.screen.query_one("#runs", RunTable)
        await until(pilot, lambda: len(table.marks) == 12, "the marks")
        await pilot.press("ctrl+p")
        await until(pilot, lambda: isinstance(app.screen, CommandPalette), "the palette")
        await pilot.press(*"retry")
        await until(pilot, lambda: "(ctrl+y)" in screen_text(app), "the remapped key")


def test_r15_how_fresh_the_data_is_is_never_cut() -> None:
    pulse, hot = Pulse(Link.LOST, retry_at=104.0), Hot(8, "CRASH_LIMIT", "one", "07:46")
    lost = HeaderFacts("operator@127.0.0.1:42743/storm", "07:46 UTC", pulse=pulse, monotonic=100.0, hot=hot)
    for width in range(80, 200, 10):
        shown = whole(lost, width).plain
        assert "retry in 4s" in shown
        assert "worker:" in shown
        assert len(shown) <= width
    assert "CRASH_LIMIT" in whole(lost, 130).plain


async def test_what_stands_there_is_not_said_again() -> None:
    async with opened(FakeGateway()) as (app, pilot):
        for text in ("the database is away", "something else", "the database is away"):
            app.tell(text)
        await until(pilot, lambda: toasts(app) == ["the database is away", "something else"], "each once")
