"""The stage graph of a run, with a focus that moves from stage to stage."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.strip import Strip

from wfconsole.safe_text import safe_lines
from wfconsole.tui.layout.folding import fold, large_groups
from wfconsole.tui.layout.stage_graph import GraphLayout, GraphNode, layout, nodes_of
from wfconsole.tui.widgets.scrolling import Scrolling
from wfconsole.tui.widgets.theme_styles import ThemeStyles

if TYPE_CHECKING:
    from engine.inspector.views import RunDetail

_FIRST_LOOKS = ("FAILED", "RETRYING", "RUNNING", "WAITING")


class GraphView(Scrolling, can_focus=True):
    """Paints `stage_graph.layout`. The focus belongs to a stage id and survives every refresh."""

    DEFAULT_CSS = """
    GraphView { overflow: auto auto; scrollbar-size-vertical: 1; scrollbar-size-horizontal: 0; }
    GraphView > .graph-view--border { color: $text-muted; }
    GraphView > .graph-view--edge { color: $text-muted; }
    GraphView > .graph-view--detail { color: $text-muted; }
    GraphView > .graph-view--focus { color: $accent; text-style: bold; }
    """
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "graph-view--border",
        "graph-view--edge",
        "graph-view--detail",
        "graph-view--focus",
    }
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("h,left", "beside(-1)", "Left", show=False, id="graph.left"),
        Binding("l,right", "beside(1)", "Right", show=False, id="graph.right"),
        Binding("j,down", "along(1)", "Down", show=False, id="graph.down"),
        Binding("k,up", "along(-1)", "Up", show=False, id="graph.up"),
        Binding("g,home", "end(0)", "First", show=False, id="graph.first"),
        Binding("G,end", "end(-1)", "Last", show=False, id="graph.last"),
        Binding("enter", "open", "Open", show=False, id="graph.open"),
    ]

    class Focused(Message):
        """The focus stands on another stage."""

        def __init__(self, stage_id: str) -> None:
            self.stage_id = stage_id
            super().__init__()

    class Opened(Message):
        """The focused stage was opened."""

        def __init__(self, stage_id: str) -> None:
            self.stage_id = stage_id
            super().__init__()

    def __init__(
        self,
        *,
        id: str | None = None,
        classes: str | None = None,
        ascii_only: bool = False,
    ) -> None:
        super().__init__(id=id, classes=classes)
        self.ascii_only = ascii_only
        self.empty_text = ""
        """Shown when there are no stages."""
        self._stages: list[GraphNode] = []
        self._drawn_nodes: list[GraphNode] = []
        self._folded: set[int] = set()
        self._opened: set[int] = set()
        self._layout = GraphLayout([], {}, "graph")
        self._focused: str | None = None
        self._colours = ThemeStyles()

    @property
    def focused_stage(self) -> str | None:
        """The stage the focus stands on; None before there are stages."""
        return self._focused

    @focused_stage.setter
    def focused_stage(self, stage_id: str | None) -> None:
        if stage_id is not None and any(node.stage_id == stage_id for node in self._stages):
            self._focus_on(stage_id)

    @property
    def drawn(self) -> GraphLayout:
        """What is painted now."""
        return self._layout

    def rows_in(self, height: int) -> int:
        """Lines it would take with room for `height`."""
        nodes = self._drawn_nodes
        return len(
            layout(nodes, max(self.size.width, 1), height, focus=self._focused, ascii_only=self.ascii_only).lines
        )

    def show(self, run: RunDetail, now: datetime) -> None:
        """Show a run's stages as of `now`; only lines that changed are painted again.

        The focus stays; at first it goes to what failed, else to what is going on, else to the first stage.
        """
        self._stages = nodes_of(run, now)
        self._folded |= large_groups(self._stages) - self._opened
        known = {node.stage_id for node in self._stages}
        if self._focused not in known:
            self._focused = None
        if self._focused is None and self._stages:
            by_interest = sorted(self._stages, key=_interest)
            self._focused = by_interest[0].stage_id
            self.post_message(self.Focused(self._focused))
        self._draw()

    def _draw(self) -> None:
        width, height = self.size
        if not width:
            return
        before = self._layout.lines
        self._drawn_nodes = fold(self._stages, self._folded, focus=self._focused)
        self._layout = layout(self._drawn_nodes, width, height, focus=self._focused, ascii_only=self.ascii_only)
        lines = self._layout.lines
        self.virtual_size = Size(max(width, self._layout.width), len(lines))
        if len(lines) != len(before):
            self.refresh()
            return
        for y, (old, new) in enumerate(zip(before, lines, strict=True)):
            if old != new:
                self.refresh_line(y)

    def _focus_on(self, stage_id: str) -> None:
        if stage_id == self._focused:
            return
        self._focused = stage_id
        self._draw()
        self._show_focus()
        self.post_message(self.Focused(stage_id))

    def _show_focus(self) -> None:
        box = self._layout.boxes.get(self._focused or "")
        if box is not None:
            self.scroll_to_region(Region(*box), animate=False, force=True)

    def _groups(self) -> list[list[str]]:
        groups: dict[int, list[str]] = {}
        for node in self._drawn_nodes:
            groups.setdefault(node.group, []).append(node.stage_id)
        return [groups[number] for number in sorted(groups)]

    def _place(self) -> tuple[list[list[str]], int, int]:
        groups = self._groups()
        for at, group in enumerate(groups):
            if self._focused in group:
                return groups, at, group.index(self._focused)
        return groups, 0, 0

    def action_beside(self, by: int) -> None:
        """To the group before or after, as near to the same line as there is a stage."""
        groups, at, row = self._place()
        if 0 <= at + by < len(groups):
            group = groups[at + by]
            self._focus_on(group[min(row, len(group) - 1)])

    def action_along(self, by: int) -> None:
        """To the stage above or below: of the same group in a graph, of all in a tree."""
        groups, at, row = self._place()
        column = [stage for group in groups for stage in group] if self._layout.kind == "tree" else None
        if column is not None and self._focused in column:
            row = column.index(self._focused)
        elif groups:
            column = groups[at]
        if column and 0 <= row + by < len(column):
            self._focus_on(column[row + by])

    def action_end(self, end: int) -> None:
        groups = self._groups()
        if groups:
            self._focus_on(groups[end][0])

    def toggle_fold(self) -> bool:
        """Fold the focused group of stages side by side, or open it; False where the stage is alone."""
        group = next((node.group for node in self._stages if node.stage_id == self._focused), None)
        if group is None or sum(node.group == group for node in self._stages) < 2:
            return False
        self._opened = self._opened | {group} if group in self._folded else self._opened - {group}
        self._folded ^= {group}
        self._draw()
        self._show_focus()
        return True

    def action_open(self) -> None:
        if self._focused is not None:
            self.post_message(self.Opened(self._focused))

    def on_click(self, event: events.Click) -> None:
        spot = event.offset + self.scroll_offset
        for stage_id, box in self._layout.boxes.items():
            if Region(*box).contains_point(spot):
                self._focus_on(stage_id)
                if event.chain == 2:
                    self.action_open()

    def on_resize(self) -> None:
        self._draw()
        self._show_focus()

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._colours.forget()

    def render_line(self, y: int) -> Strip:
        x, top = self.scroll_offset
        lines = self._layout.lines
        if not self._stages:
            notes = safe_lines(self.empty_text)
            spans = [(f" {notes[y]}" if y < len(notes) else "", "detail")]
        else:
            spans = lines[y + top] if y + top < len(lines) else []
        strip = Strip([Segment(text, self._style(key)) for text, key in spans])
        return strip.crop_extend(x, x + self.size.width, self.rich_style)

    def _style(self, key: str) -> Style:
        if key in {"plain", "name"}:
            return self.rich_style
        if key in {"border", "edge", "detail", "focus"}:
            return self.rich_style + self.get_component_rich_style(f"graph-view--{key}")
        return self.rich_style + self._colours.get(self.app, key)


def _interest(node: GraphNode) -> int:
    return _FIRST_LOOKS.index(node.state) if node.state in _FIRST_LOOKS else len(_FIRST_LOOKS)
