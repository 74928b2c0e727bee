"""The run table: cursor and marks belong to runs, new rows don't shove, only changed lines are painted."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from decimal import Decimal

import pytest
from rich.cells import cell_len
from textual.pilot import Pilot
from view_samples import COLOURS, HOSTILE, NOW, WidgetApp, run_id, screen_text, summaries, summary

from engine.inspector.views import RunSummary
from engine.model.status import RunStatus
from wfconsole.tui.layout import run_columns
from wfconsole.tui.widgets.run_table import RunTable


@asynccontextmanager
async def opened(
    rows: list[RunSummary], *, size: tuple[int, int] = (100, 12), has_more: bool = False
) -> AsyncIterator[tuple[RunTable, Pilot[None], WidgetApp]]:
    table = RunTable(id="runs")
    app = WidgetApp(table)
    async with app.run_test(size=size, message_hook=app.hear) as pilot:
        table.set_rows(rows, now=NOW, has_more=has_more)
        await pilot.pause()
        yield table, pilot, app


def newest_first(first: int, last: int) -> list[RunSummary]:
    return summaries(range(last, first - 1, -1))


def line_of(table: RunTable, wanted: str) -> int:
    return next(y for y, text in enumerate(screen_text(table)) if wanted[:8] in text)


def lines_asked_for(table: RunTable, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The screen lines that the table asks to be painted from now on; -1 for all of it."""
    asked: list[int] = []
    refresh = table.refresh

    def listen(*regions: object, **how: bool) -> RunTable:
        asked.extend(getattr(region, "y", -1) for region in regions or (None,))
        return refresh(*regions, **how)

    monkeypatch.setattr(table, "refresh", listen)
    return asked


async def test_it_shows_what_an_operator_needs() -> None:
    rows = [
        summary("aaaaaaaaaaaa", created_s_ago=240, status=RunStatus.FAILED, duration_ms=72_000, tries=3),
        summary("bbbbbbbbbbbb", created_s_ago=302, total_cost=None, current_stages=["ocr", "parse"]),
        summary(
            "cccccccccccc",
            created_s_ago=7,
            status=RunStatus.PENDING,
            started_at=None,
            current_stages=[],
            tries=0,
            total_cost=Decimal(0),
        ),
    ]
    async with opened(rows, size=(91, 12)) as (table, _, _):
        assert screen_text(table)[:4] == [
            "   ID        WORKFLOW            STATUS       STAGE          TRY     AGE     DUR     COST",
            "▸  aaaaaaaa  document-processor  ✗ failed     extract-text   3/3      4m   1m12s   $0.412",
            "   bbbbbbbb  document-processor  ● running    ocr +1         1/3      5m   5m02s        ?",
            "   cccccccc  document-processor  ◌ queued     -              0/3      7s       -        -",
        ]


async def test_at_80_columns_whole_workflow_names_stand() -> None:
    async with opened(newest_first(1, 30), size=(80, 24)) as (table, _, _):
        text = screen_text(table)
        assert "document-processor" in text[1]
        assert "AGE" in text[0]
        assert all(cell_len(line) <= 79 for line in text)


@pytest.mark.parametrize("width", [20, 40, 55, 63, 71, 79, 80, 100, 200])
@pytest.mark.parametrize("why", [False, True])
def test_columns_fit_any_width(width: int, why: bool) -> None:
    columns = run_columns.fitting(width, why=why)
    taken = run_columns.GUTTER + sum(c.width for c in columns) + run_columns.GAP * (len(columns) - 1)
    assert taken <= max(width, 54 if why else 38)
    assert ("why" in [c.key for c in columns]) == why
    assert [c.key for c in columns][:3] == ["id", "workflow", "status"]


async def test_status_is_painted_in_the_theme_s_colour() -> None:
    async with opened([summary("aaaaaaaa", status=RunStatus.FAILED)]) as (table, _, _):
        segment = next(part for part in table.render_line(1) if "failed" in part.text)
        assert segment.style is not None
        assert segment.style.color is not None
        assert segment.style.color.get_truecolor().hex == COLOURS["status-failed"]


async def test_keys_move_and_messages_name_runs() -> None:
    async with opened(newest_first(1, 100)) as (table, pilot, app):
        await pilot.press("j", "j", "k", "down")
        assert table.cursor_id == run_id(98)
        await pilot.press("G")
        assert table.cursor_id == run_id(1)
        assert line_of(table, run_id(1)) == 11
        await pilot.press("ctrl+u", "pageup", "up")
        assert table.cursor_id == run_id(1 + 5 + 10 + 1)
        await pilot.press("g", "enter")
        assert [message.run_id for message in app.heard(RunTable.Opened)] == [run_id(100)]
        moved = [message.run_id for message in app.heard(RunTable.CursorMoved)]
        assert moved[:3] == [run_id(100), run_id(99), run_id(98)]


async def test_cursor_and_marks_stay_on_their_runs_when_rows_move() -> None:
    rows = newest_first(1, 50)
    async with opened(rows) as (table, pilot, app):
        await pilot.press("j", "j", "space", "space", "j")
        here, line = table.cursor_id, line_of(table, str(table.cursor_id))
        assert table.marks == {run_id(48), run_id(47)}
        table.set_rows(rows[25:] + rows[:25], now=NOW, has_more=False)
        await pilot.pause()
        assert table.cursor_id == here
        assert table.marks == {run_id(48), run_id(47)}
        assert line_of(table, str(here)) == line
        assert app.heard(RunTable.MarksChanged)[-1].marks == {run_id(48), run_id(47)}


async def test_new_rows_are_held_while_the_cursor_is_down_the_list() -> None:
    async with opened(newest_first(1, 50)) as (table, pilot, app):
        await pilot.press("j", "j", "j")
        here, line = table.cursor_id, line_of(table, str(table.cursor_id))
        table.set_rows(newest_first(1, 53), now=NOW, has_more=False)
        await pilot.pause()
        assert (table.held, table.cursor_id, line_of(table, str(here))) == (3, here, line)
        assert run_id(53)[:8] not in "".join(screen_text(table))
        table.take_held()
        await pilot.pause()
        assert (table.held, table.cursor_id) == (0, here)
        assert line_of(table, run_id(53)) == 1
        assert [message.held for message in app.heard(RunTable.HeldChanged)] == [3, 0]


async def test_held_rows_follow_updates_of_the_shown_ones() -> None:
    async with opened(newest_first(1, 20)) as (table, pilot, _):
        await pilot.press("j")
        rows = newest_first(1, 22)
        rows[3] = rows[3].model_copy(update={"status": RunStatus.FAILED, "duration_ms": 5})
        table.set_rows(rows, now=NOW, has_more=False)
        await pilot.pause()
        assert table.held == 2
        assert "failed" in screen_text(table)[line_of(table, rows[3].id)]


async def test_at_the_top_new_rows_come_in_and_the_cursor_keeps_its_run() -> None:
    async with opened(newest_first(1, 20)) as (table, pilot, _):
        table.set_rows(newest_first(1, 22), now=NOW, has_more=False)
        await pilot.pause()
        assert (table.held, table.cursor_id) == (0, run_id(20))
        assert line_of(table, run_id(22)) == 1
        assert line_of(table, run_id(20)) == 3


async def test_a_chosen_run_is_never_pushed_off_the_screen() -> None:
    async with opened(newest_first(1, 20)) as (table, pilot, _):
        await pilot.press("j", "g")
        table.set_rows(newest_first(1, 60), now=NOW, has_more=False)
        await pilot.pause()
        assert (table.held, table.cursor_id) == (40, run_id(20))
        assert line_of(table, run_id(20)) == 1


async def test_an_untouched_table_goes_on_showing_the_newest() -> None:
    async with opened(newest_first(1, 20)) as (table, pilot, _):
        table.set_rows(newest_first(1, 60), now=NOW, has_more=False)
        await pilot.pause()
        assert (table.held, table.cursor_id) == (0, run_id(60))


async def test_a_fresh_question_holds_nothing() -> None:
    async with opened(newest_first(1, 50)) as (table, pilot, _):
        await pilot.press("j", "j")
        table.set_rows(newest_first(40, 90), now=NOW, has_more=False, fresh=True)
        await pilot.pause()
        assert (table.held, table.cursor_id) == (0, run_id(48))
        assert run_id(48)[:8] in "".join(screen_text(table))


async def test_a_run_that_is_gone_gives_the_cursor_to_the_row_in_its_place() -> None:
    async with opened(newest_first(1, 10)) as (table, pilot, app):
        await pilot.press("j")
        table.set_rows([row for row in newest_first(1, 10) if row.id != run_id(9)], now=NOW, has_more=False)
        await pilot.pause()
        assert table.cursor_id == run_id(8)
        table.set_rows([], now=NOW, has_more=False)
        await pilot.pause()
        assert table.cursor_id is None
        assert app.heard(RunTable.CursorMoved)[-1].run_id is None


async def test_only_the_line_that_changed_is_painted(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = newest_first(1, 50)
    async with opened(rows) as (table, pilot, _):
        asked = lines_asked_for(table, monkeypatch)
        table.set_rows(list(rows), now=NOW, has_more=False)
        assert asked == []
        changed = rows[4].model_copy(update={"current_stages": ["report"]})
        off_screen = rows[40].model_copy(update={"current_stages": ["report"]})
        table.set_rows([*rows[:4], changed, *rows[5:40], off_screen, *rows[41:]], now=NOW, has_more=False)
        assert asked == [5]
        await pilot.pause()
        assert "report" in screen_text(table)[5]


async def test_a_tick_paints_only_what_reads_differently(monkeypatch: pytest.MonkeyPatch) -> None:
    done = {"status": RunStatus.COMPLETED, "duration_ms": 5_000}
    rows = [summary("aaaaaaaa", created_s_ago=30), summary("bbbbbbbb", created_s_ago=7_200, **done)]
    async with opened(rows) as (table, _, _):
        asked = lines_asked_for(table, monkeypatch)
        table.tick(NOW + timedelta(seconds=1))
        assert asked == [1]


async def test_more_is_asked_for_near_the_end() -> None:
    async with opened(newest_first(1, 200), has_more=True) as (table, pilot, app):
        assert app.heard(RunTable.NearEnd) == []
        table.cursor_id = run_id(52)
        await pilot.pause()
        assert app.heard(RunTable.NearEnd) == []
        await pilot.press("pagedown")
        assert len(app.heard(RunTable.NearEnd)) == 1


async def test_a_click_moves_and_a_double_click_opens() -> None:
    async with opened(newest_first(1, 50)) as (table, pilot, app):
        await pilot.click("#runs", offset=(20, 4))
        assert table.cursor_id == run_id(47)
        await pilot.click("#runs", offset=(20, 0))
        assert table.cursor_id == run_id(47)
        await pilot.double_click("#runs", offset=(20, 6))
        assert [message.run_id for message in app.heard(RunTable.Opened)] == [run_id(45)]


async def test_wheel_scrolling_keeps_the_rows_in_sight() -> None:
    async with opened(newest_first(1, 50)) as (table, pilot, _):
        table.scroll_to(y=20, animate=False)
        await pilot.pause()
        first = screen_text(table)[1]
        table.set_rows(newest_first(1, 55), now=NOW, has_more=False)
        await pilot.pause()
        assert table.held == 5
        assert screen_text(table)[1] == first


async def test_resizing_keeps_the_cursor_in_sight() -> None:
    async with opened(newest_first(1, 50), size=(100, 30)) as (table, pilot, _):
        table.move_cursor(25)
        await pilot.resize_terminal(80, 10)
        assert line_of(table, run_id(25)) <= 9


async def test_hostile_text_is_shown_and_never_sent() -> None:
    rows = [summary("aaaaaaaa", workflow_id=HOSTILE, current_stages=[HOSTILE], workflow_name=HOSTILE)]
    async with opened(rows, size=(200, 12)) as (table, _, _):
        text = "".join(screen_text(table))
        assert r"\x1b]52" in text
        assert "[/b]" in text
        assert text.isprintable()


async def test_ascii_only_means_it() -> None:
    rows = [summary("aaaaaaaa", workflow_id="w" * 70)]
    async with opened(rows) as (table, pilot, _):
        table.ascii_only = True
        table.set_time("relative", None)
        table.marks = {"aaaaaaaa"}
        await pilot.pause()
        assert all(line.isascii() for line in screen_text(table))
        assert screen_text(table)[1].startswith(">* ")


async def test_times_of_day_have_a_column_wide_enough() -> None:
    async with opened([summary("aaaaaaaa")]) as (table, pilot, _):
        table.set_time("utc", None)
        await pilot.pause()
        assert "CREATED" in screen_text(table)[0]
        assert "11:59:00" in screen_text(table)[1]


async def test_an_empty_table_says_why() -> None:
    async with opened([]) as (table, _, _):
        table.empty_text = "No runs match: escape clears the filter"
        assert screen_text(table)[2] == "   No runs match: escape clears the filter"
