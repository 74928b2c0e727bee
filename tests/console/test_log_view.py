"""The log tail: follows its end, pauses when read, stays bounded, filters, searches, wraps."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from textual.geometry import Offset
from textual.pilot import Pilot
from textual.selection import Selection
from view_samples import COLOURS, HOSTILE, WidgetApp, log_line, screen_text

from engine.model.status import LogLevel
from wfconsole.tui.widgets.log_view import LogView


@asynccontextmanager
async def opened(
    lines: int = 0, *, size: tuple[int, int] = (80, 10), max_lines: int = 50_000
) -> AsyncIterator[tuple[LogView, Pilot[None], WidgetApp]]:
    view = LogView(id="logs", max_lines=max_lines)
    app = WidgetApp(view)
    async with app.run_test(size=size, message_hook=app.hear) as pilot:
        view.set_time("utc", None)
        view.append([log_line(number) for number in range(lines)])
        await pilot.pause()
        yield view, pilot, app


async def test_a_line_tells_time_level_source_message_and_fields() -> None:
    async with opened() as (view, _, _):
        view.append(
            [
                log_line(120, "limited", level=LogLevel.ERROR, fields={"status": 429, "why": "too fast"}),
                log_line(121, "run began", stage_id=None, attempt=None),
            ]
        )
        assert screen_text(view)[:2] == [
            '12:00:00.120 ERROR embed#3 limited  status=429 why="too fast"',
            "12:00:00.121 INFO          run began",
        ]


async def test_levels_have_the_theme_s_colours() -> None:
    async with opened() as (view, _, _):
        view.append([log_line(1, "boom", level=LogLevel.ERROR)])
        segment = next(part for part in view.render_line(0) if "boom" in part.text)
        assert segment.style is not None
        assert segment.style.color is not None
        assert segment.style.color.get_truecolor().hex == COLOURS["level-error"]


async def test_it_opens_at_the_end_and_follows() -> None:
    async with opened(100) as (view, pilot, app):
        assert screen_text(view)[-1].endswith("line 99")
        view.append([log_line(number) for number in range(100, 130)])
        await pilot.pause()
        assert screen_text(view)[-1].endswith("line 129")
        assert (view.following, view.pending_below) == (True, 0)
        assert app.heard(LogView.FollowChanged) == []


async def test_scrolling_up_pauses_and_the_end_goes_on() -> None:
    async with opened(100) as (view, pilot, app):
        await pilot.press("k")
        assert not view.following
        before = screen_text(view)
        view.append([log_line(number) for number in range(100, 412)])
        await pilot.pause()
        assert screen_text(view) == before
        assert view.pending_below == 312
        told = [(message.following, message.pending_below) for message in app.heard(LogView.FollowChanged)]
        assert told == [(False, 0), (False, 312)]
        await pilot.press("G")
        assert (view.following, view.pending_below) == (True, 0)
        assert screen_text(view)[-1].endswith("line 411")


async def test_scrolling_down_to_the_end_follows_again() -> None:
    async with opened(100) as (view, pilot, _):
        await pilot.press("pageup")
        assert not view.following
        await pilot.press("pagedown")
        assert view.following


async def test_pending_counts_shown_lines_only() -> None:
    async with opened(100) as (view, pilot, _):
        view.min_level = LogLevel.INFO
        await pilot.press("pageup")
        view.append([log_line(200, level=LogLevel.DEBUG), log_line(201)])
        assert view.pending_below == 1


async def test_the_ring_is_bounded_and_what_is_read_stays_in_place() -> None:
    async with opened(1_000, max_lines=1_000) as (view, pilot, _):
        view.scroll_to_row(900)
        view.pause()
        await pilot.pause()
        before = screen_text(view)
        view.append([log_line(number) for number in range(1_000, 1_500)])
        await pilot.pause()
        assert (view.kept, view.line_count) == (1_000, 1_000)
        assert screen_text(view) == before
        assert view.shown_lines()[0].message == "line 500"


async def test_a_full_ring_that_follows_shows_the_newest() -> None:
    async with opened(100, max_lines=100) as (view, pilot, _):
        view.append([log_line(number) for number in range(100, 9_000)])
        await pilot.pause()
        assert view.kept == 100
        assert screen_text(view)[0].endswith("line 8990")
        assert screen_text(view)[-1].endswith("line 8999")


async def test_bytes_are_bounded_too() -> None:
    view = LogView(max_bytes=1_000_000)
    async with WidgetApp(view).run_test():
        view.append([log_line(number, "x" * 100_000) for number in range(50)])
        assert view.kept == 9


async def test_older_lines_come_in_above_what_is_read() -> None:
    async with opened(100) as (view, pilot, _):
        view.scroll_to_row(40)
        await pilot.pause()
        before = screen_text(view)
        view.prepend([log_line(-number, f"older {number}") for number in range(30, 0, -1)])
        await pilot.pause()
        assert screen_text(view) == before
        await pilot.press("g")
        assert screen_text(view)[0].endswith("older 30")


async def test_filters_hide_and_show_again() -> None:
    async with opened() as (view, pilot, _):
        levels = list(LogLevel)
        stages = ["embed", "ocr"]
        view.append([log_line(n, level=levels[n % 4], stage_id=stages[n % 2]) for n in range(40)])
        view.min_level = LogLevel.WARN
        assert {line.level for line in view.shown_lines()} == {LogLevel.WARN, LogLevel.ERROR}
        view.stage = "ocr"
        assert {line.level for line in view.shown_lines()} == {LogLevel.ERROR}
        await pilot.pause()
        assert screen_text(view)[-1].endswith("line 39")
        view.stage, view.min_level = None, LogLevel.DEBUG
        assert view.line_count == 40


async def test_search_goes_round_and_marks_what_it_found() -> None:
    async with opened(100) as (view, pilot, _):
        view.follow()
        view.search = "LINE 5"
        found = []
        for _ in range(12):
            assert view.next_match()
            assert view.current_line is not None
            found.append(view.current_line.message)
        assert found == ["line 5", *(f"line {n}" for n in range(50, 60)), "line 5"]
        await pilot.press("N")
        assert view.current_line is not None
        assert view.current_line.message == "line 59"
        assert not view.following
        row = next(y for y, text in enumerate(screen_text(view)) if text.endswith("line 59"))
        marked = next(part for part in view.render_line(row) if part.text == "line 5")
        assert marked.style is not None
        assert marked.style.bgcolor is not None
        view.search = "not there"
        assert not view.next_match()


async def test_only_matching_lines_as_they_come() -> None:
    async with opened(100) as (view, _, _):
        view.search, view.only_matching = "line 7", True
        assert view.line_count == 11
        view.append([log_line(700), log_line(800)])
        assert view.line_count == 12
        view.search = "line 8"
        assert view.line_count == 12
        view.only_matching = False
        assert view.line_count == 102


async def test_fields_are_searched() -> None:
    async with opened(5) as (view, _, _):
        view.append([log_line(9, "x", fields={"batch": "b-77"})])
        view.search = "batch=b-77"
        assert view.next_match()


async def test_a_message_of_several_lines_takes_several_rows() -> None:
    async with opened() as (view, pilot, _):
        view.append([log_line(0, "first\nsecond\n\tthird\n"), log_line(1, "next")])
        await pilot.pause()
        indent = " " * len("12:00:00.000 INFO  embed#3 ")
        assert screen_text(view)[:4] == [
            "12:00:00.000 INFO  embed#3 first",
            f"{indent}second",
            f"{indent}    third",
            "12:00:00.001 INFO  embed#3 next",
        ]


async def test_a_line_that_goes_on_beyond_the_edge_says_so() -> None:
    async with opened(size=(60, 6)) as (view, pilot, _):
        view.append([log_line(1, "x" * 90 + "end"), log_line(2, "short")])
        await pilot.pause()
        first, second = screen_text(view)[:2]
        assert (first[-2:], len(first)) == ("x…", 60)
        assert second.endswith("short")
        await pilot.press(*"lllllll")
        assert screen_text(view)[0].rstrip().endswith("end")


async def test_it_says_so_beside_the_scrollbar_and_not_below_it() -> None:
    async with opened(size=(60, 6)) as (view, pilot, app):
        view.append([log_line(number, "x" * 90) for number in range(20)])
        await pilot.pause()
        assert view.show_vertical_scrollbar
        lines = ["".join(segment.text for segment in strip) for strip in app.screen._compositor.render_strips()]
        assert [line[58] for line in lines] == ["…"] * 6


async def test_wrapping_loses_nothing_and_undoes() -> None:
    async with opened(size=(60, 10)) as (view, pilot, _):
        text = "".join(chr(ord("a") + n % 26) for n in range(100))
        view.append([log_line(0, text), log_line(1, "after")])
        await pilot.press("w")
        rows = screen_text(view)
        indent = len("12:00:00.000 INFO  embed#3 ")
        assert "".join(row[indent:] for row in rows[:4]) == text
        assert rows[4].endswith("after")
        await pilot.resize_terminal(90, 10)
        assert screen_text(view)[2].endswith("after")
        await pilot.press("w")
        assert screen_text(view)[1].endswith("after")


async def test_long_rows_scroll_aside() -> None:
    async with opened(size=(60, 10)) as (view, pilot, _):
        view.append([log_line(0, "x" * 60 + "END")])
        await pilot.pause()
        assert "END" not in screen_text(view)[0]
        await pilot.press("l", "l")
        assert screen_text(view)[0].endswith("END")
        await pilot.press("h", "h")
        assert screen_text(view)[0].startswith("12:00")


async def test_hostile_text_is_shown_and_never_sent() -> None:
    async with opened(size=(200, 10)) as (view, _, _):
        fields = {HOSTILE: HOSTILE, "deep": {"a": HOSTILE}, "huge": 10**5000, "in": [10**5000]}
        view.append([log_line(0, HOSTILE, stage_id=HOSTILE, fields=fields)])
        for wrap in (False, True):
            view.wrap = wrap
            text = "".join(screen_text(view))
            assert r"\x1b]52" in text
            assert "[/b]" in text
            assert text.isprintable()


async def test_a_huge_message_is_cut_and_its_size_told() -> None:
    async with opened() as (view, _, _):
        view.append([log_line(0, "y" * 1_000_000)])
        view.wrap = True
        assert screen_text(view)[-1].endswith("… (1.0 MB in all)")


async def test_the_mouse_s_selection_gives_the_text() -> None:
    async with opened(5) as (view, _, _):
        first = view.get_selection(Selection(Offset(13, 0), Offset(17, 1)))
        assert first == ("INFO  embed#3 line 0\n12:00:00.001 INFO", "\n")


async def test_clear_forgets_and_follows() -> None:
    async with opened(100) as (view, pilot, _):
        await pilot.press("g")
        view.clear()
        view.empty_text = "No log lines yet"
        await pilot.pause()
        assert (view.kept, view.following) == (0, True)
        assert screen_text(view)[0] == " No log lines yet"


@pytest.mark.parametrize("wrap", [False, True])
async def test_a_batch_is_taken_in_quickly_and_only_the_screen_is_rendered(
    wrap: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened() as (view, pilot, _):
        view.wrap = wrap
        batch = [log_line(number, "word " * 20) for number in range(2_000)]
        took = []
        for _ in range(5):
            start = time.process_time()
            view.append(batch)
            took.append(time.process_time() - start)
        await pilot.pause()
        # The promise is 20 ms a batch; four times that still tells a line-by-line render from a tail.
        assert min(took) < 0.08
        assert len(view._painter._strips) < 100
