"""What is too long or too much for its place: what goes, and what stays in sight."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from console_pilot import dialog_open, opened, rows_shown, screen_text, until
from console_samples import NOON, mixed_runs
from fake_gateway import FakeGateway
from run_samples import RUN, call, failed_run, told_run
from textual.widgets import OptionList

from engine.inspector import FailureView, WorkflowView
from wfconsole.settings import Settings
from wfconsole.tui.feed import Link, Pulse
from wfconsole.tui.layout.cells import fit_counted, words
from wfconsole.tui.layout.letter_rows import COLUMNS as LETTER_COLUMNS
from wfconsole.tui.layout.stage_graph import layout, nodes_of
from wfconsole.tui.layout.table_columns import Column, fitting
from wfconsole.tui.panes.calls import call_text
from wfconsole.tui.widgets.cause_table import row_of
from wfconsole.tui.widgets.diff_list import DiffList
from wfconsole.tui.widgets.header_bar import HeaderFacts, whole
from wfconsole.tui.widgets.line import keys_of
from wfconsole.tui.widgets.run_title import title_content


@pytest.mark.parametrize(
    ("text", "width", "shown"),
    [
        ("keywords +2", 11, "keywords +2"),
        ("keywords +2", 10, "keywor… +2"),
        ("keywords +12", 6, "k… +12"),
        ("keywords +12", 4, "keywords +12"),
        ("a name +x", 5, "a name +x"),
        ("文書処理 +2", 8, "文書… +2"),
    ],
)
def test_the_number_of_further_stages_outlives_the_cut(text: str, width: int, shown: str) -> None:
    assert fit_counted(text, width) == shown


def test_a_run_s_title_leaves_out_whole_what_has_no_room() -> None:
    now = NOON + timedelta(minutes=3)
    whole = title_content(failed_run(), now, False, 200).plain
    for room in range(30, 200):
        shown = title_content(failed_run(), now, False, room).plain
        assert whole.startswith(shown.split("  key=")[0])
        assert "…" not in shown
        assert shown in whole, "a number is cut"


@pytest.mark.parametrize("size", [(80, 24), (60, 15)])
async def test_what_closes_the_help_is_seen_on_a_low_terminal(size: tuple[int, int]) -> None:
    async with opened(FakeGateway(), size=size) as (app, pilot):
        await pilot.press("question_mark")
        await until(pilot, lambda: "Keys in Runs" in screen_text(app), "the help")
        assert "escape close" in screen_text(app)


async def test_a_run_as_it_was_says_how_to_get_back_at_80_columns() -> None:
    async with opened(told_run(), size=(80, 24), run=RUN, tab="events") as (app, pilot):
        await until(pilot, lambda: "workflow:" in screen_text(app), "the events")
        await pilot.press("[")
        await until(pilot, lambda: "as of event" in screen_text(app), "the past")
        assert "escape now" in screen_text(app)


async def test_only_the_table_with_the_focus_has_a_cursor() -> None:
    async with opened(FakeGateway(), place="workers") as (app, _):
        grounds = {
            name: app.screen.query_one(f"#{name}").get_component_styles("line-table--cursor").background.hex
            for name in ("workers", "queue", "sinks")
        }
    assert grounds["workers"] != grounds["queue"] == grounds["sinks"]


async def test_without_ai_calls_no_empty_frame_stands() -> None:
    gateway = told_run()
    gateway.inspector.ai = []
    async with opened(gateway, run=RUN, tab="ai") as (app, pilot):
        await until(pilot, lambda: "No AI calls" in screen_text(app), "the hint")
        assert not app.screen.query_one("#ai-call").display


def test_the_rules_over_prompt_and_answer_end_together() -> None:
    text = call_text(call(1, first_token_ms=None), ascii_only=True)
    rules = [line for line in text.splitlines() if line.startswith("--- ")]
    assert len(rules) == 2
    assert len({len(line) for line in rules}) == 1
    assert "first token" not in text


def test_an_example_goes_on_where_its_cause_ended() -> None:
    named = FailureView(
        fingerprint="f", workflow_id="w", code=None, example="Bad rows: three of 120", stage_id="s", runs=2,
        first_at=NOON, last_at=NOON, wasted=Decimal(0),
    )  # fmt: skip
    cells = row_of(named, NOON).cells
    assert cells[1] == named.example
    assert cells[-1] == "three of 120"


def test_at_80_columns_a_dead_letter_still_names_its_run() -> None:
    assert "RUNS" in [one.column.title for one in fitting(LETTER_COLUMNS, 80)]


def test_of_a_long_path_the_end_is_shown() -> None:
    assert DiffList(id="diff")._ending("validate-rows.fail_times", 12) == "….fail_times"


async def test_the_workflow_a_new_run_is_of_stands_in_sight(monkeypatch: pytest.MonkeyPatch) -> None:
    gateway = FakeGateway()
    one = (await gateway.inspector.workflows())[0]
    many = [one.model_copy(update={"id": f"flow-{number:02}"}) for number in range(12)]

    async def workflows() -> list[WorkflowView]:
        return many

    monkeypatch.setattr(gateway.inspector, "workflows", workflows)
    async with opened(gateway, size=(80, 24), place="workflows") as (app, pilot):
        await until(pilot, lambda: "flow-00" in screen_text(app), "the workflows")
        await pilot.press("G", "o")
        dialog = await dialog_open(app, pilot)
        choice = dialog.query_one("#workflow-choice", OptionList)
        await until(pilot, lambda: choice.highlighted == 11, "the choice")
        await until(pilot, lambda: choice.scroll_offset.y + choice.size.height == 12, "the choice in sight")


async def test_on_the_sixteen_colours_the_cursor_s_line_has_one_ink() -> None:
    gateway = FakeGateway(mixed_runs(4))
    settings = Settings(db="sqlite:///demo.db", tz="utc", theme="sixteen")
    async with opened(gateway, settings=settings) as (app, pilot):
        table = await rows_shown(app, pilot, 4)
        inks = [{segment.style.color.name for segment in table.render_line(y) if segment.style} for y in (1, 2)]
    assert inks[0] == {"bright_white"}
    assert len(inks[1]) > 1


def test_a_hint_without_room_is_left_out_whole() -> None:
    hints = (("enter", "read"), ("e", "save"))
    assert [text for text, _ in keys_of(hints, 19)] == ["enter", " read   ", "e", " save   "]
    assert [text for text, _ in keys_of(hints, 18)] == ["enter", " read   "]
    assert keys_of(hints, 9) == []


async def test_nothing_in_the_header_moves_when_a_sum_gets_shorter() -> None:
    seen = await FakeGateway().inspector.overview()
    cells: dict[str, int] = {}
    shown = [
        whole(HeaderFacts("demo.db", "12:04 UTC", pulse=Pulse(Link.LIVE), overview=one), 120, cells).plain
        for one in (
            seen.model_copy(update={"cost_today": Decimal("0.0004"), "queue": 12}),
            seen.model_copy(update={"cost_today": Decimal("0.01"), "queue": 9}),
        )
    ]
    for word in ("worker:", "workers", "queue", "today"):
        assert shown[0].index(word) == shown[1].index(word), word


def test_a_stage_s_cost_is_left_out_whole_in_a_narrow_tree() -> None:
    nodes = nodes_of(failed_run(), NOON)
    lines = ["".join(text for text, _ in line) for line in layout(nodes, 26, focus=None, ascii_only=False).lines]
    whole_lines = ["".join(text for text, _ in line) for line in layout(nodes, 40, focus=None, ascii_only=False).lines]
    assert any("$" in line for line in whole_lines)
    assert not any("$" in line for line in lines)


def test_a_name_grows_no_further_than_its_numbers_can_follow() -> None:
    columns = (Column("NAME", 10, grows=1, most=14), Column("TEXT", 10, grows=1), Column("N", 4, right=True))
    for width in range(30, 120):
        placed = fitting(columns, width)
        assert placed[0].column.width <= 14
        assert sum(one.column.width for one in placed) + 9 in (width, width - 1) or width < 33
    assert [one.column.width for one in fitting(columns[:1], 200)] == [14]


def test_a_column_that_does_not_grow_keeps_its_width() -> None:
    for width in range(60, 200):
        placed = fitting((Column("A", 2), Column("B", 10, grows=1, most=12), Column("", 3)), width)
        assert [one.column.width for one in placed] == [2, 12, 3]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("first token of it", ["first", "token of", "it"]),
        ("first   of", ["first  ", "of"]),
        ("unbreakable", ["unbreaka", "ble"]),
        ("12345678 9", ["12345678", "9"]),
        ("grüße an alle", ["grüße an", "alle"]),
        ("文書処理 の", ["文書処理", " の"]),
        ("", [""]),
    ],
)
def test_a_text_to_read_is_broken_between_words(text: str, lines: list[str]) -> None:
    assert words(text, 8) == lines
