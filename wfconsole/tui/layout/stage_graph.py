"""The stage graph of a run as lines of (text, style key): boxes from left to right, or an indented tree.

Every stage of a group leads to every stage of the next one, so an edge needs no route of its own: each gap
between two groups holds one vertical bus, and no edge can cross a box. Style keys are `border`, `edge`,
`name`, `detail`, `focus`, `plain` and the status variables of `wfconsole.formatting`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import groupby
from typing import TYPE_CHECKING, Literal

from rich.cells import cell_len

from wfconsole import formatting
from wfconsole.formatting import STATUS, UNREACHED, StatusMark
from wfconsole.safe_text import safe_text
from wfconsole.tui.layout.cells import clip, fit

if TYPE_CHECKING:
    from engine.inspector.views import PlanStage, RunDetail, StageView

MAX_NODES = 60
LABEL_LIMIT = 200

Span = tuple[str, str]
Box = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class GraphNode:
    """One stage as the graph shows it; `state` is a key of `STATUS` or `UNREACHED`, times in milliseconds."""

    stage_id: str
    name: str
    group: int
    state: str
    attempt: int = 0
    tries: int = 0
    max_attempts: int = 1
    duration_ms: int | None = None
    progress: float | None = None
    cost: Decimal | None = Decimal(0)
    label: str = ""
    """Shown in place of the id: of a folded group."""

    @property
    def mark(self) -> StatusMark:
        return STATUS.get(self.state, UNREACHED)


@dataclass(frozen=True, slots=True)
class GraphLayout:
    """What to paint. `boxes` are (x, y, width, height) in cells, by stage id."""

    lines: list[list[Span]]
    boxes: dict[str, Box]
    kind: Literal["graph", "tree"]

    @property
    def width(self) -> int:
        """Cells of the widest line."""
        return max((sum(cell_len(text) for text, _ in line) for line in self.lines), default=0)


@dataclass(frozen=True, slots=True)
class _Signs:
    box: str
    focused_box: str
    brackets: str
    focused_brackets: str
    bus: str
    """By the sum of up 1, down 2, left 4, right 8."""
    arrow: str
    cursor: str
    ellipsis: str

    @property
    def line(self) -> str:
        return self.bus[12]


_DRAWN = _Signs("┌─┐│└┘", "┏━┓┃┗┛", "[]", "▸◂", " ╵╷│╴┘┐┤╶└┌├─┴┬┼", "▶", "▸", "…")
_ASCII = _Signs("+-+|++", "#=####", "[]", "><", " |||-+++-+++-+++", ">", ">", "~")


@dataclass(frozen=True, slots=True)
class _Detail:
    """How much a box tells; the richest that fits is taken."""

    timing: bool
    name_cells: int
    gap: int


_DETAILS = (
    _Detail(True, 32, 5),
    _Detail(True, 24, 3),
    _Detail(False, 24, 5),
    _Detail(False, 24, 3),
    _Detail(False, 12, 3),
)


def layout(
    stages: Sequence[GraphNode],
    width: int,
    height: int | None = None,
    *,
    focus: str | None = None,
    ascii_only: bool = False,
) -> GraphLayout:
    """Lay `stages` out in `width` cells; the same input gives the same output.

    `height` in rows only chooses between tall and flat boxes: a graph may be higher and is scrolled then. A
    tree is drawn when the boxes don't fit the width or when there are more than 60 stages.
    """
    signs = _ASCII if ascii_only else _DRAWN
    by_group = sorted(stages, key=lambda node: node.group)
    groups = [list(members) for _, members in groupby(by_group, key=lambda node: node.group)]
    if 0 < len(stages) <= MAX_NODES:
        flat = height is not None and 3 * max(map(len, groups)) > height
        for detail in _DETAILS:
            columns = _columns(groups, detail)
            if sum(columns) + detail.gap * (len(groups) - 1) <= width:
                return _graph(groups, columns, detail, focus, signs, flat=flat)
    return _tree(groups, max(width, 1), focus, signs)


def nodes_of(run: RunDetail, now: datetime) -> list[GraphNode]:
    """The stages of a run for the graph: those of its plan, with what is known of the ones reached."""
    reached = {stage.stage_id: stage for stage in run.stages}
    planned = [stage for group in run.plan for stage in group]
    nodes = [_planned_node(stage, reached.pop(stage.stage_id, None), now) for stage in planned]
    nodes.extend(_reached_node(stage, now) for stage in reached.values())
    return nodes


def _planned_node(planned: PlanStage, stage: StageView | None, now: datetime) -> GraphNode:
    if stage is not None:
        return _reached_node(stage, now)
    return GraphNode(planned.stage_id, planned.name, planned.group, UNREACHED.key, max_attempts=planned.max_attempts)


def _reached_node(stage: StageView, now: datetime) -> GraphNode:
    state = formatting.stage_state(stage)
    return GraphNode(
        stage_id=stage.stage_id,
        name=stage.name,
        group=stage.group,
        state=state,
        attempt=stage.attempt,
        tries=stage.tries,
        max_attempts=stage.max_attempts,
        duration_ms=formatting.running_ms(stage.started_at, now) if state == "RUNNING" else stage.duration_ms,
        progress=stage.progress,
        cost=stage.cost,
    )


def _label(node: GraphNode) -> str:
    return safe_text(node.label or node.stage_id, limit=LABEL_LIMIT)


def _timing(node: GraphNode) -> str:
    tries = f"{node.tries}/{node.max_attempts}" if node.max_attempts > 1 and node.tries else ""
    if node.state == "RETRYING" or (node.state == "FAILED" and tries):
        return tries
    if node.state == "RUNNING" and node.progress:
        return f"{node.progress:.0%}"
    if node.state in {"RUNNING", "COMPLETED", "FAILED"}:
        return formatting.duration(node.duration_ms)
    return ""


def _cost(node: GraphNode) -> str:
    return formatting.money(node.cost, zero="")


def _extra_cells(members: Sequence[GraphNode], detail: _Detail) -> int:
    """Room beside the names. A usual time has its place before it is known, so that boxes don't grow."""
    cells = 0
    if detail.timing:
        cells += 1 + max(5, *(len(_timing(node)) for node in members))
    return cells


def _columns(groups: list[list[GraphNode]], detail: _Detail) -> list[int]:
    names = [max(cell_len(_label(node)) for node in group) for group in groups]
    return [
        4 + min(detail.name_cells, cells) + _extra_cells(group, detail)
        for group, cells in zip(groups, names, strict=True)
    ]


@dataclass(slots=True)
class _Canvas:
    """Runs of styled text at (x, y) that never overlap."""

    runs: list[list[tuple[int, str, str]]]

    def put(self, x: int, y: int, text: str, style: str) -> None:
        while len(self.runs) <= y:
            self.runs.append([])
        self.runs[y].append((x, text, style))

    def lines(self) -> list[list[Span]]:
        painted = []
        for row in self.runs:
            spans: list[Span] = []
            at = 0
            for x, text, style in sorted(row):
                if x > at:
                    spans.append((" " * (x - at), "plain"))
                spans.append((text, style))
                at = x + cell_len(text)
            painted.append(spans)
        return painted


def _graph(
    groups: list[list[GraphNode]],
    columns: list[int],
    detail: _Detail,
    focus: str | None,
    signs: _Signs,
    *,
    flat: bool,
) -> GraphLayout:
    canvas, boxes = _Canvas([]), {}
    pitch, port = (1, 0) if flat else (3, 1)
    x = 0
    for at, (group, wide) in enumerate(zip(groups, columns, strict=True)):
        for row, node in enumerate(group):
            box = (x, row * pitch, wide, pitch)
            _box(canvas, box, node, detail, signs, focused=node.stage_id == focus)
            boxes[node.stage_id] = box
        x += wide
        if at + 1 < len(groups):
            ports = [{row * pitch + port for row in range(len(groups[side]))} for side in (at, at + 1)]
            _bus(canvas, x, ports[0], ports[1], detail.gap, signs)
            x += detail.gap
    return GraphLayout(canvas.lines(), boxes, "graph")


def _box(canvas: _Canvas, box: Box, node: GraphNode, detail: _Detail, signs: _Signs, *, focused: bool) -> None:
    x, y, wide, high = box
    style = "focus" if focused else "border"
    left = right = ""
    if high == 1:
        left, right = tuple(signs.focused_brackets if focused else signs.brackets)
    else:
        tl, level, tr, upright, bl, br = tuple(signs.focused_box if focused else signs.box)
        canvas.put(x, y, tl + level * (wide - 2) + tr, style)
        # What it cost stands in the frame: there it moves nothing when it comes.
        cost = f" {_cost(node)} " if _cost(node) else ""
        cost = cost if len(cost) + 3 <= wide else ""
        canvas.put(x, y + 2, bl + level * (wide - 3 - len(cost)), style)
        canvas.put(x + wide - 2 - len(cost), y + 2, cost, "detail")
        canvas.put(x + wide - 2, y + 2, level + br, style)
        left = right = upright
        y += 1
    extra = _timing(node) if detail.timing else ""
    room = wide - 4 - _extra_cells([node], detail) if extra else wide - 4
    name = clip(_label(node), min(detail.name_cells, room), ellipsis=signs.ellipsis)
    canvas.put(x, y, left, style)
    canvas.put(x + 1, y, node.mark.sign(signs is _ASCII), node.mark.variable)
    canvas.put(x + 3, y, name, "focus" if focused else "name")
    padded = " " * (wide - 4 - cell_len(name) - len(extra)) + extra
    canvas.put(x + 2, y, " ", "plain")
    canvas.put(x + 3 + cell_len(name), y, padded, "detail")
    canvas.put(x + wide - 1, y, right, style)


def _bus(canvas: _Canvas, x: int, left: set[int], right: set[int], gap: int, signs: _Signs) -> None:
    stub = gap // 2
    first, last = min(left | right), max(left | right)
    for y in range(first, last + 1):
        come, go = y in left, y in right
        joint = signs.bus[(y > first) + 2 * (y < last) + 4 * come + 8 * go]
        before = (signs.line if come else " ") * stub
        after = (signs.line * (gap - stub - 2) + signs.arrow) if go else ""
        canvas.put(x, y, before + joint + after, "edge")


def _tree(groups: list[list[GraphNode]], width: int, focus: str | None, signs: _Signs) -> GraphLayout:
    lines: list[list[Span]] = []
    boxes: dict[str, Box] = {}
    digits = len(str(len(groups)))
    names = max((cell_len(_label(node)) for group in groups for node in group), default=0)
    name_cells = max(4, min(names, width - digits - 20))
    for number, group in enumerate(groups, start=1):
        for row, node in enumerate(group):
            # A lone stage has a plain line, several branch: first down, the middle through, last up.
            joint = signs.bus[12 if len(group) == 1 else 14 if row == 0 else 9 if node is group[-1] else 11]
            focused = node.stage_id == focus
            spans = [
                (signs.cursor if focused else " ", "focus"),
                (f"{number if row == 0 else '':>{digits}} {joint} ", "edge"),
                (node.mark.sign(signs is _ASCII), node.mark.variable),
                (" ", "plain"),
                (fit(_label(node), name_cells, ellipsis=signs.ellipsis), "focus" if focused else "name"),
            ]
            # A sum that is cut would be another sum.
            left = width - sum(cell_len(text) for text, _ in spans)
            detail = f"  {_timing(node):<6} {_cost(node)}".rstrip()
            spans.append((detail if cell_len(detail) <= left else f"  {_timing(node)}", "detail"))
            cut = _cut(spans, width)
            boxes[node.stage_id] = (0, len(lines), max(1, sum(cell_len(text) for text, _ in cut)), 1)
            lines.append(cut)
    return GraphLayout(lines, boxes, "tree")


def _cut(spans: list[Span], width: int) -> list[Span]:
    cut: list[Span] = []
    for text, style in spans:
        used = cell_len(text)
        shown = text if used <= width else fit(text, width, ellipsis="")
        if shown:
            cut.append((shown, style))
        width -= cell_len(shown)
        if width <= 0:
            break
    return cut
