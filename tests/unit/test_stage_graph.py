"""The stage graph's layout, as a pure function."""

from __future__ import annotations

import re
from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from wfconsole.formatting import STATUS, UNREACHED
from wfconsole.tui.layout.folding import fold
from wfconsole.tui.layout.stage_graph import Box, GraphLayout, GraphNode, layout

# No skin tones (Sk) alone: how wide they are depends on what stands before them. Ids of stages are ASCII anyway.
NAMES = st.text(st.characters(exclude_categories=("Sk",)), min_size=1, max_size=20)


@st.composite
def graphs(draw: st.DrawFn) -> list[GraphNode]:
    sizes = draw(st.lists(st.integers(1, 6), min_size=0, max_size=8))
    names = draw(st.lists(NAMES, min_size=sum(sizes), max_size=sum(sizes), unique=True))
    states = st.sampled_from([*STATUS, UNREACHED.key])
    groups = [group for group, size in enumerate(sizes) for _ in range(size)]
    times = st.none() | st.integers(0, 10**9)
    return [
        GraphNode(
            name, name, group, draw(states), tries=draw(st.integers(0, 12)), max_attempts=3,
            duration_ms=draw(times), progress=draw(st.none() | st.floats(0, 1)),
        )
        for name, group in zip(names, groups, strict=True)
    ]  # fmt: skip


def text_of(drawn: GraphLayout) -> list[str]:
    return ["".join(text for text, _ in line) for line in drawn.lines]


def apart(one: Box, other: Box) -> bool:
    return (
        one[0] + one[2] <= other[0]
        or other[0] + other[2] <= one[0]
        or one[1] + one[3] <= other[1]
        or other[1] + other[3] <= one[1]
    )


@settings(max_examples=150)
@given(graphs(), st.integers(1, 220), st.none() | st.integers(1, 40), st.booleans())
def test_layout_keeps_its_promises(nodes: list[GraphNode], width: int, height: int | None, ascii_only: bool) -> None:
    focus = nodes[0].stage_id if nodes else None
    drawn = layout(nodes, width, height, focus=focus, ascii_only=ascii_only)
    assert set(drawn.boxes) == {node.stage_id for node in nodes}
    assert all(apart(one, other) for one, other in combinations(drawn.boxes.values(), 2))
    assert all(cell_len(line) <= width for line in text_of(drawn))
    assert all("\n" not in line and "\x1b" not in line for line in text_of(drawn))
    assert layout(nodes, width, height, focus=focus, ascii_only=ascii_only) == drawn
    for x, y, wide, high in drawn.boxes.values():
        assert x >= 0
        assert x + wide <= max(width, 1)
        assert y + high <= len(drawn.lines)


@settings(max_examples=100)
@given(graphs())
def test_no_edge_runs_through_a_box(nodes: list[GraphNode]) -> None:
    drawn = layout(nodes, 10_000, None)
    for y, line in enumerate(drawn.lines):
        x = 0
        for text, style in line:
            if style == "edge" and drawn.kind == "graph":
                spot = (x, y, cell_len(text), 1)
                assert all(apart(spot, box) for box in drawn.boxes.values())
            x += cell_len(text)


def chain(count: int) -> list[GraphNode]:
    return [GraphNode(f"s{n}", f"S{n}", n, "PENDING") for n in range(count)]


FORK = [
    GraphNode("fetch", "", 0, "COMPLETED", duration_ms=812),
    GraphNode("ocr", "", 1, "COMPLETED", duration_ms=2_100),
    GraphNode("parse", "", 1, "RUNNING", progress=0.5),
    GraphNode("embed", "", 2, "FAILED", tries=3, max_attempts=3),
]


def test_a_fork_and_a_join_are_drawn() -> None:
    assert text_of(layout(FORK, 100)) == [
        "┌─────────────┐     ┌─────────────┐     ┌─────────────┐",
        "│✓ fetch 812ms│──┬─▶│✓ ocr    2.1s│──┬─▶│✗ embed   3/3│",
        "└─────────────┘  │  └─────────────┘  │  └─────────────┘",
        "                 │  ┌─────────────┐  │",
        "                 └─▶│● parse   50%│──┘",
        "                    └─────────────┘",
    ]


def test_the_focus_shows_without_colour() -> None:
    assert text_of(layout(FORK[3:], 40, focus="embed")) == [
        "┏━━━━━━━━━━━━━┓",
        "┃✗ embed   3/3┃",
        "┗━━━━━━━━━━━━━┛",
    ]


def test_a_low_place_gets_flat_boxes() -> None:
    assert text_of(layout(FORK, 100, 3)) == [
        "[✓ fetch 812ms]──┬─▶[✓ ocr    2.1s]──┬─▶[✗ embed   3/3]",
        "                 └─▶[● parse   50%]──┘",
    ]


def test_ascii_only_means_it() -> None:
    for width in (100, 30):
        for focus in (None, "parse"):
            drawn = layout(FORK, width, focus=focus, ascii_only=True)
            assert all(line.isascii() for line in text_of(drawn))


def test_a_narrow_place_gets_a_tree() -> None:
    drawn = layout(FORK, 32, focus="embed")
    assert drawn.kind == "tree"
    assert text_of(drawn) == [
        " 1 ─ ✓ fetch  812ms",
        " 2 ┬ ✓ ocr    2.1s",
        "   └ ● parse  50%",
        "▸3 ─ ✗ embed  3/3",
    ]


def test_more_than_sixty_stages_are_a_tree() -> None:
    assert layout(chain(60), 10_000).kind == "graph"
    assert layout(chain(61), 10_000).kind == "tree"


def test_boxes_stay_where_they_are_as_time_passes() -> None:
    def at(ms: int) -> GraphLayout:
        return layout([GraphNode("a", "", 0, "RUNNING", duration_ms=ms), *chain(3)[1:]], 80)

    assert at(5).boxes == at(4_000).boxes == at(72_000).boxes


def test_no_stages_no_lines() -> None:
    assert layout([], 80).lines == []


@settings(max_examples=100)
@given(graphs(), st.integers(40, 220), st.booleans())
def test_r07_no_edge_goes_through_a_box(nodes: list[GraphNode], width: int, ascii_only: bool) -> None:
    drawn = layout(nodes, width, ascii_only=ascii_only)
    if drawn.kind == "tree":
        return
    inside = {
        (column, row)
        for x, y, wide, high in drawn.boxes.values()
        for column in range(x, x + wide)
        for row in range(y, y + high)
    }
    for y, line in enumerate(drawn.lines):
        x = 0
        for text, style in line:
            cells = cell_len(text)
            if style == "edge" and text.strip():
                assert not inside & {(column, y) for column in range(x, x + cells)}
            x += cells


@settings(max_examples=100)
@given(graphs(), st.sets(st.integers(0, 8)), st.integers(0, 50))
def test_r07_folding_keeps_every_stage_counted(nodes: list[GraphNode], folded: set[int], place: int) -> None:
    focus = nodes[place % len(nodes)].stage_id if nodes else None
    shown = fold(nodes, folded, focus=focus)
    assert fold(nodes, folded, focus=focus) == shown
    assert [node.group for node in shown] == sorted(node.group for node in shown)
    for node in shown:
        members = [one for one in nodes if one.group == node.group]
        if node.label:
            assert node.group in folded
            assert len(members) > 1, "one stage is nothing to fold"
            assert f" x{len(members)} (" in node.label
            assert node.stage_id in {one.stage_id for one in members}
            assert sum(map(int, re.findall(r"(\d+) ", node.label.rpartition("(")[2]))) == len(members)
        else:
            assert node in members
    if focus is not None:
        assert any(node.stage_id == focus for node in shown)
