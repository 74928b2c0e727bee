"""JSON as a tree: opened where one looks, so that a large value costs only what is on the screen."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.widgets import Tree
from textual.widgets.tree import TreeNode

from wfconsole import formatting
from wfconsole.safe_text import safe_lines, safe_text
from wfconsole.tui.layout.cells import chunks
from wfconsole.tui.widgets.scrolling import Scrolling

if TYPE_CHECKING:
    from engine.model.json import Json

STRING_LIMIT = 4_096
SHORT_STRING = 100
PREVIEW = 60
"""Characters shown of a longer one."""
LINE_CELLS = 100
CHUNK = 200
KEY_LIMIT = 120

Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class JsonPlace:
    """What a node of the tree stands for. `start`: the first child shown, where a long list goes on."""

    path: Path
    value: Json
    start: int = 0


class JsonView(Tree[JsonPlace], Scrolling):
    """Several named JSON values in one tree. `h` closes or goes up, `l` opens or goes in."""

    DEFAULT_CSS = """
    JsonView { overflow: auto auto; scrollbar-size-vertical: 1; scrollbar-size-horizontal: 0; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "cursor_down", "Down", show=False, id="data.down"),
        Binding("k", "cursor_up", "Up", show=False, id="data.up"),
        Binding("l,right", "open_node", "Open", show=False, id="data.open"),
        Binding("h,left", "close_node", "Close", show=False, id="data.close"),
        Binding("g,home", "edge(0)", "First", show=False, id="data.first"),
        Binding("G,end", "edge(-1)", "Last", show=False, id="data.last"),
        Binding("ctrl+d", "half_page(1)", "Half a page down", show=False, id="data.half_down"),
        Binding("ctrl+u", "half_page(-1)", "Half a page up", show=False, id="data.half_up"),
    ]

    def __init__(
        self,
        *,
        id: str | None = None,
        classes: str | None = None,
        ascii_only: bool = False,
    ) -> None:
        super().__init__(Text(""), id=id, classes=classes)
        if ascii_only:
            self.ICON_NODE, self.ICON_NODE_EXPANDED = "+ ", "- "
            self.LINES = dict.fromkeys(self.LINES, ("  ", "| ", "`-", "|-"))
        self.show_root = False
        self.guide_depth = 2
        self._sections: dict[str, Json] = {}

    def show(self, sections: Mapping[str, Json]) -> None:
        """Show these values under their names, in this order; a name's own node starts open.

        Nodes opened before stay open and the cursor keeps its path, as far as the new values have them.
        """
        if dict(sections) == self._sections and list(sections) == list(self._sections):
            return
        known = set(self._sections)
        nodes = self._nodes_below(self.root)
        opened = {node.data.path for node in nodes if node.is_expanded and node.data}
        cursor = self.cursor_path
        self._sections = dict(sections)
        self.clear()
        self.root.expand()
        for name, value in sections.items():
            node = self._add(self.root, name, JsonPlace((name,), value))
            if name not in known or (name,) in opened:
                self._restore(node, opened)
        if cursor is not None:
            self.call_after_refresh(self._move_to, cursor)
        else:
            self.call_after_refresh(self.action_edge, 0)

    @property
    def cursor_path(self) -> Path | None:
        """Names and list positions down to the cursor's node."""
        node = self.cursor_node
        return None if node is None or node.data is None else node.data.path

    @property
    def cursor_value(self) -> Json:
        """The whole value under the cursor, uncut: what a copy takes. None where there is none."""
        node = self.cursor_node
        return None if node is None or node.data is None else node.data.value

    def go_to(self, path: Path) -> None:
        """Put the cursor on the node of that path, once it is laid out."""
        self.call_after_refresh(self._move_to, path)

    def _nodes_below(self, node: TreeNode[JsonPlace]) -> list[TreeNode[JsonPlace]]:
        found: list[TreeNode[JsonPlace]] = []
        waiting = list(node.children)
        while waiting:
            node = waiting.pop()
            found.append(node)
            waiting.extend(node.children)
        return found

    def _restore(self, node: TreeNode[JsonPlace], opened: set[Path]) -> None:
        if not node.allow_expand:
            return
        node.expand()
        self._fill(node)
        for child in list(node.children):
            if child.data is not None and child.data.path in opened:
                self._restore(child, opened)

    def _move_to(self, path: Path) -> None:
        found = (node for node in self._nodes_below(self.root) if node.data and node.data.path == path)
        node = next(found, None)
        if node is not None:
            self.move_cursor(node)

    def _add(self, parent: TreeNode[JsonPlace], name: str, place: JsonPlace) -> TreeNode[JsonPlace]:
        return parent.add(_label(name, place.value), place, allow_expand=_opens(place.value))

    def _fill(self, node: TreeNode[JsonPlace]) -> None:
        """Add the children of a node, once; a long list in portions, each opened by the one before."""
        place = node.data
        if place is None or node.children:
            return
        if isinstance(place.value, str):
            for line in _string_lines(place.value):
                node.add_leaf(line)
            return
        children = _children(place.value)
        for name, value in children[place.start : place.start + CHUNK]:
            self._add(node, name, JsonPlace((*place.path, name), value))
        left = len(children) - place.start - CHUNK
        if left > 0:
            following = JsonPlace((*place.path, "…"), place.value, place.start + CHUNK)
            node.add(Text(f"… {formatting.count(left)} more", style="dim"), following, allow_expand=True)

    def on_tree_node_expanded(self, event: Tree.NodeExpanded[JsonPlace]) -> None:
        self._fill(event.node)

    def action_open_node(self) -> None:
        """Open the cursor's node; go in when it is open already."""
        node = self.cursor_node
        if node is None or not node.allow_expand:
            return
        if node.is_expanded:
            self.action_cursor_down()
        else:
            node.expand()

    def action_close_node(self) -> None:
        """Close the cursor's node; go up when there is nothing to close."""
        node = self.cursor_node
        if node is None:
            return
        if node.allow_expand and node.is_expanded:
            node.collapse()
        elif node.parent is not None and node.parent is not self.root:
            self.move_cursor(node.parent)

    def action_edge(self, end: int) -> None:
        if self.last_line >= 0:
            self.move_cursor_to_line(0 if end == 0 else self.last_line)

    def action_half_page(self, by: int) -> None:
        line = self.cursor_line + by * max(1, self.size.height // 2)
        if self.last_line >= 0:
            self.move_cursor_to_line(max(0, min(line, self.last_line)))


def _opens(value: Json) -> bool:
    if isinstance(value, str):
        return len(value) > SHORT_STRING or "\n" in value
    return isinstance(value, dict | list) and bool(value)


def _children(value: Json) -> list[tuple[str, Json]]:
    if isinstance(value, dict):
        return [(str(key), item) for key, item in value.items()]
    if isinstance(value, list):
        return [(str(at), item) for at, item in enumerate(value)]
    return []


def _label(name: str, value: Json) -> Text:
    label = Text(no_wrap=True)
    label.append(safe_text(name, limit=KEY_LIMIT), style="bold")
    label.append("  ")
    if isinstance(value, dict):
        label.append(_counted(len(value), "field"), style="dim")
    elif isinstance(value, list):
        label.append(_counted(len(value), "item"), style="dim")
    elif isinstance(value, str) and _opens(value):
        label.append(f"{_quoted(value[:PREVIEW])[:-1]}…")
        label.append(f"  {_size(value)}", style="dim")
    else:
        label.append(scalar(value), style="dim" if value is None else "")
    return label


def scalar(value: Json) -> str:
    """A number, a truth value, null or a short string as JSON writes it; integers exact however long."""
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return formatting.integer(value)
    return safe_text(json.dumps(value, default=str))


def _quoted(text: str) -> str:
    return safe_text(json.dumps(text, ensure_ascii=False))


def _counted(number: int, noun: str) -> str:
    return "empty" if not number else f"{formatting.count(number)} {noun}{'s' if number > 1 else ''}"


def _size(text: str) -> str:
    return formatting.size(len(text.encode("utf-8", "replace")))


def _string_lines(text: str) -> list[Text]:
    """A long string line by line, broken at 100 cells, at most 4 kB of it, then how much there is."""
    pieces = [piece for line in safe_lines(text[:STRING_LIMIT]) for piece in chunks(line, LINE_CELLS)]
    lines = [Text(piece, no_wrap=True) for piece in pieces]
    if len(text) > STRING_LIMIT:
        lines.append(Text(f"… {_size(text)} in all", style="dim"))
    return lines
