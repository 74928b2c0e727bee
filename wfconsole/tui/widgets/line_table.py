"""A table of rows with keys, painted line by line: cursor and marks belong to the keys, only changed lines repaint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.strip import Strip

from wfconsole.formatting import NONE
from wfconsole.safe_text import safe_lines, safe_text
from wfconsole.tui.layout.cells import clip, fit
from wfconsole.tui.layout.table_columns import CELL_LIMIT, GAP, GUTTER, Column, Placed, fitting
from wfconsole.tui.layout.table_columns import Cell as Cell
from wfconsole.tui.layout.table_columns import Row as Row
from wfconsole.tui.widgets.scrolling import Scrolling
from wfconsole.tui.widgets.theme_styles import ThemeStyles

HEADER = 1


@dataclass(frozen=True, slots=True)
class _Look:
    row: Row
    cursor: bool
    marked: bool
    focused: bool


class LineTable(Scrolling, can_focus=True):
    """`tell` it rows; the cursor stays on its key, and near its place when the key is gone."""

    DEFAULT_CSS = """
    LineTable { overflow-x: hidden; overflow-y: auto; scrollbar-size-vertical: 1; }
    LineTable > .line-table--header { color: $text-muted; }
    LineTable > .line-table--cursor { background: $boost; }
    LineTable:focus > .line-table--cursor { background: $block-cursor-blurred-background; text-style: bold; }
    LineTable > .line-table--mark { color: $accent; text-style: bold; }
    LineTable > .line-table--dim { color: $text-muted; }
    """
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "line-table--header",
        "line-table--cursor",
        "line-table--mark",
        "line-table--dim",
    }
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j,down", "move(1)", show=False),
        Binding("k,up", "move(-1)", show=False),
        Binding("ctrl+d", "half_page(1)", show=False),
        Binding("ctrl+u", "half_page(-1)", show=False),
        Binding("pagedown", "page(1)", show=False),
        Binding("pageup", "page(-1)", show=False),
        Binding("g,home", "end(0)", show=False),
        Binding("G,end", "end(-1)", show=False),
        Binding("enter", "open", show=False),
    ]

    class CursorMoved(Message):
        """The cursor stands on another key."""

        def __init__(self, table: LineTable) -> None:
            super().__init__()
            self.table = table

        @property
        def control(self) -> LineTable:
            return self.table

    class Opened(CursorMoved):
        """The row under the cursor was opened."""

    def __init__(self, columns: Sequence[Column], *, id: str, ascii_only: bool = False, empty: str = "") -> None:
        super().__init__(id=id)
        self._empty_text = empty
        self._columns, self._ascii = tuple(columns), ascii_only
        self._placed: tuple[Placed, ...] = ()
        self._rows: tuple[Row, ...] = ()
        self._places: dict[str, int] = {}
        self._cursor = 0
        self._marks: frozenset[str] = frozenset()
        self._painted: dict[int, _Look | None] = {}
        self._colours = ThemeStyles()

    # -- what it shows ---------------------------------------------------------------------------

    @property
    def empty_text(self) -> str:
        """Shown in place of rows when there are none: why, and the next key."""
        return self._empty_text

    @empty_text.setter
    def empty_text(self, text: str) -> None:
        if text != self._empty_text:
            self._empty_text = text
            self.refresh()

    @property
    def rows(self) -> tuple[Row, ...]:
        return self._rows

    @property
    def cursor_key(self) -> str | None:
        return self._rows[self._cursor].key if self._rows else None

    @property
    def marks(self) -> frozenset[str]:
        """The marked keys that are there."""
        return self._marks

    @marks.setter
    def marks(self, keys: frozenset[str]) -> None:
        self._marks = frozenset(row.key for row in self._rows if row.markable and row.key in keys)
        self._repaint_changed()

    def tell(self, rows: Sequence[Row]) -> None:
        """Show these rows; only lines that look different are painted again."""
        shown = tuple(rows)
        if shown == self._rows and self._painted:
            return
        before, kept, line = self.cursor_key, self._cursor, self._cursor - self.scroll_offset.y
        self._rows = shown
        self._places = {row.key: place for place, row in enumerate(shown)}
        self._cursor = self._places.get(before or "", min(kept, max(len(shown) - 1, 0)))
        self._marks &= self._places.keys()
        self.virtual_size = Size(self.size.width, len(shown) + HEADER)
        if self._cursor != kept and self.is_attached:
            # Rows came or went above: what is looked at stays on its line.
            self.scroll_to(y=max(0, self._cursor - line), animate=False, force=True)
        self._repaint_changed()
        if self.cursor_key != before:
            self.post_message(self.CursorMoved(self))

    def recolumn(self, columns: Sequence[Column]) -> None:
        """Other columns, for rows that come with the next `tell`."""
        if tuple(columns) != self._columns:
            self._columns, self._rows, self._places, self._cursor = tuple(columns), (), {}, 0
            self._lay_out()

    def go_to(self, key: str) -> None:
        """Put the cursor on a row, if it is there."""
        if key in self._places:
            self.move_cursor(self._places[key])

    # -- moving ----------------------------------------------------------------------------------

    def move_cursor(self, place: int) -> None:
        before = self.cursor_key
        self._cursor = max(0, min(place, len(self._rows) - 1))
        self._show_cursor()
        self._repaint_changed()
        if self.cursor_key != before:
            self.post_message(self.CursorMoved(self))

    def action_move(self, by: int) -> None:
        self.move_cursor(self._cursor + by)

    def action_half_page(self, by: int) -> None:
        self.action_move(by * max(1, self._visible // 2))

    def action_page(self, by: int) -> None:
        self.action_move(by * max(1, self._visible - 1))

    def action_end(self, end: int) -> None:
        self.move_cursor(0 if end == 0 else len(self._rows) - 1)

    def action_open(self) -> None:
        if self._rows:
            self.post_message(self.Opened(self))

    def toggle_mark(self) -> None:
        """Mark or unmark the cursor's row and go on to the next."""
        if self._rows and self._rows[self._cursor].markable:
            self.marks = self._marks ^ {self._rows[self._cursor].key}
        self.action_move(1)

    def on_click(self, event: events.Click) -> None:
        place = event.y - HEADER + self.scroll_offset.y
        if event.y >= HEADER and place < len(self._rows):
            self.move_cursor(place)
            if event.chain == 2:
                self.action_open()

    # -- keeping the screen in step --------------------------------------------------------------

    @property
    def _visible(self) -> int:
        return max(0, self.size.height - HEADER)

    def _show_cursor(self) -> None:
        top = self.scroll_offset.y
        if not self._visible:
            return
        if self._cursor < top:
            self.scroll_to(y=self._cursor, animate=False, force=True)
        elif self._cursor >= top + self._visible:
            self.scroll_to(y=self._cursor - self._visible + 1, animate=False, force=True)

    def _repaint_changed(self) -> None:
        for line in range(HEADER, self.size.height):
            if line in self._painted and self._painted[line] != self._look(line):
                self.refresh(Region(0, line, self.size.width, 1))

    def _lay_out(self) -> None:
        self._placed = fitting(self._columns, self.size.width)
        self._painted.clear()
        self.refresh()

    def on_resize(self) -> None:
        self._lay_out()
        self.virtual_size = Size(self.size.width, len(self._rows) + HEADER)
        self._show_cursor()

    def on_focus(self) -> None:
        self._repaint_changed()

    def on_blur(self) -> None:
        self._repaint_changed()

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._colours.forget()

    # -- painting --------------------------------------------------------------------------------

    def _look(self, line: int) -> _Look | None:
        place = line - HEADER + self.scroll_offset.y
        if place >= len(self._rows):
            return None
        return self._look_of(self._rows[place])

    def _look_of(self, row: Row) -> _Look:
        return _Look(row, row.key == self.cursor_key, row.key in self._marks, self.has_focus)

    def render_line(self, y: int) -> Strip:
        if y < HEADER:
            titles = (fit(one.column.title, one.column.width, right=one.column.right) for one in self._placed)
            return self._line(" " * GUTTER + (" " * GAP).join(titles), self._component("header"))
        look = self._painted[y] = self._look(y)
        return self._note(y) if look is None else self._paint(look)

    def _note(self, y: int) -> Strip:
        lines = safe_lines(self.empty_text) if self.empty_text and not self._rows else []
        at = y - HEADER - 1
        text = lines[at] if 0 <= at < len(lines) else ""
        return self._line(" " * GUTTER + clip(text, max(0, self.size.width - GUTTER)), self._component("dim"))

    def _line(self, text: str, style: Style) -> Strip:
        return Strip([Segment(text, style)]).adjust_cell_length(self.size.width, style)

    def _component(self, name: str) -> Style:
        return self.rich_style + self.get_component_rich_style(f"line-table--{name}")

    def _paint(self, look: _Look) -> Strip:
        ground = Style()
        if look.cursor:
            cursor = self._component("cursor")
            ground = Style(bgcolor=cursor.bgcolor, bold=cursor.bold)
        plain = self.rich_style + ground
        dim = self._component("dim") + ground
        here, marked, ellipsis = (">", "*", "~") if self._ascii else ("▸", "◆", "…")
        segments = [
            Segment(here if look.cursor and look.focused else " ", plain),
            Segment(marked if look.marked else " ", self._component("mark") + ground),
            Segment(" " * (GUTTER - 2), plain),
        ]
        for one in self._placed:
            text, style = self._cell(look.row, one.index, dim if look.row.quiet else plain, dim)
            width = one.column.width
            segments.append(Segment(fit(text, width, right=one.column.right, ellipsis=ellipsis), style))
            segments.append(Segment(" " * GAP, plain))
        return Strip(segments).adjust_cell_length(self.size.width, plain)

    def _cell(self, row: Row, index: int, usual: Style, dim: Style) -> tuple[str, Style]:
        if index >= len(row.cells):
            return "", usual
        cell = row.cells[index]
        text, variable = (cell, "") if isinstance(cell, str) else cell
        text = safe_text(text, limit=CELL_LIMIT)
        if variable:
            return text, usual + self._colours.get(self.app, variable)
        return text, dim if text == NONE else usual
