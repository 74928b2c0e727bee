"""A list painted line by line under a fixed heading; the cursor belongs to a key and survives every refresh."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Generic, TypeVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.strip import Strip

from wfconsole.safe_text import safe_lines
from wfconsole.tui.layout.cells import fit
from wfconsole.tui.widgets.scrolling import Scrolling
from wfconsole.tui.widgets.theme_styles import ThemeStyles

T = TypeVar("T")
Span = tuple[str, str]
"""Text that is safe already, and a style key: `plain`, `label`, `bold`, `focus` or a theme variable."""

HEADING = 1


class LineList(Scrolling, Generic[T], can_focus=True):
    """Rows of spans. Subclasses say what the key of an item is and how it looks."""

    DEFAULT_CSS = """
    LineList {
        overflow-x: hidden; overflow-y: auto; scrollbar-gutter: stable;
        scrollbar-size-vertical: 1; scrollbar-size-horizontal: 0;
    }
    LineList > .line-list--cursor { background: $boost; }
    LineList:focus > .line-list--cursor { background: $block-cursor-blurred-background; text-style: bold; }
    """
    COMPONENT_CLASSES: ClassVar[set[str]] = {"line-list--cursor"}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j,down", "move(1)", "Down", show=False, id="lines.down"),
        Binding("k,up", "move(-1)", "Up", show=False, id="lines.up"),
        Binding("ctrl+d", "page(0.5)", "Half a page down", show=False, id="lines.half_down"),
        Binding("ctrl+u", "page(-0.5)", "Half a page up", show=False, id="lines.half_up"),
        Binding("pagedown", "page(1)", "Page down", show=False, id="lines.page_down"),
        Binding("pageup", "page(-1)", "Page up", show=False, id="lines.page_up"),
        Binding("g,home", "edge(0)", "First", show=False, id="lines.first"),
        Binding("G,end", "edge(-1)", "Last", show=False, id="lines.last"),
        Binding("enter", "open", "Open", show=False, id="lines.open"),
    ]

    class Moved(Message):
        """The cursor stands on another item; None when there is none."""

        def __init__(self, lines: LineList[Any], key: str | None) -> None:
            super().__init__()
            self.lines, self.key = lines, key

        @property
        def control(self) -> LineList[Any]:
            return self.lines

    class Opened(Message):
        """The item under the cursor was opened."""

        def __init__(self, lines: LineList[Any], key: str) -> None:
            super().__init__()
            self.lines, self.key = lines, key

        @property
        def control(self) -> LineList[Any]:
            return self.lines

    def __init__(self, *, id: str, ascii_only: bool = False) -> None:
        super().__init__(id=id)
        self.ascii_only = ascii_only
        self.empty_text = ""
        """Shown in place of rows: why there are none, and the next key."""
        self.follows_end = False
        """Whether a cursor on the last row goes to a newer last row."""
        self._items: Sequence[T] = ()
        self._cursor: str | None = None
        self._painted: list[tuple[bool, list[Span]]] = []
        self._colours = ThemeStyles()

    # -- what a list is made of ------------------------------------------------------------------

    @abstractmethod
    def key_of(self, item: T) -> str:
        """What tells the item apart from all others, whatever else changes."""

    @abstractmethod
    def spans_of(self, item: T, width: int) -> list[Span]:
        """The item as one line; longer ones are cut at `width` cells."""

    def heading(self, width: int) -> list[Span]:
        """The line above the rows."""
        return []

    # -- what it shows ---------------------------------------------------------------------------

    @property
    def items(self) -> Sequence[T]:
        return self._items

    @property
    def cursor_key(self) -> str | None:
        return self._cursor

    @cursor_key.setter
    def cursor_key(self, key: str | None) -> None:
        place = self._place(key)
        if place is not None:
            self._go(place)

    @property
    def cursor_item(self) -> T | None:
        place = self._place(self._cursor)
        return None if place is None else self._items[place]

    def tell(self, items: Sequence[T]) -> None:
        """Show these; only lines that differ are painted again."""
        place = self._place(self._cursor)
        last = place is not None and place == len(self._items) - 1
        number = len(self._items)
        self._items = items
        if self._place(self._cursor) is None or (last and self.follows_end and number != len(items)):
            kept = len(items) - 1 if self.follows_end else min(place or 0, len(items) - 1)
            self._cursor = self.key_of(items[kept]) if items else None
            self.post_message(self.Moved(self, self._cursor))
            self.call_after_refresh(self._show_cursor)
        self.virtual_size = Size(self.size.width, len(items) + HEADING)
        self.repaint()

    def repaint(self) -> None:
        """Paint the lines that are another than before."""
        before, self._painted = self._painted, self._visible()
        if len(before) != len(self._painted):
            self.refresh()
            return
        for y, (old, new) in enumerate(zip(before, self._painted, strict=True)):
            if old != new:
                self.refresh(Region(0, y, self.size.width, 1))

    def _visible(self) -> list[tuple[bool, list[Span]]]:
        return [self._line(y) for y in range(self.size.height)]

    @property
    def room(self) -> int:
        """Cells of a line, the scrollbar's left out."""
        return self.scrollable_content_region.width

    def _line(self, y: int) -> tuple[bool, list[Span]]:
        width = self.room
        if not self._items:
            notes = safe_lines(self.empty_text)
            return False, [(f" {notes[y]}", "quiet")] if y < len(notes) else []
        if y < HEADING:
            return False, self.heading(width)
        place = y - HEADING + self.scroll_offset.y
        if place >= len(self._items):
            return False, []
        item = self._items[place]
        return self.key_of(item) == self._cursor, self.spans_of(item, width)

    def render_line(self, y: int) -> Strip:
        under_cursor, spans = self._line(y)
        base = self.rich_style
        if under_cursor:
            base += self.get_component_rich_style("line-list--cursor")
        strip = Strip([Segment(text, self._style(base, key)) for text, key in spans])
        return strip.crop_extend(0, self.size.width, base)

    def _style(self, base: Style, key: str) -> Style:
        if key in ("plain", "label"):
            return base
        if key == "bold":
            return base + Style(bold=True)
        if key == "focus":
            return base + self._colours.get(self.app, "primary") + Style(bold=True)
        return base + self._colours.get(self.app, key)

    # -- moving ----------------------------------------------------------------------------------

    def _place(self, key: str | None) -> int | None:
        if key is None:
            return None
        return next((at for at, item in enumerate(self._items) if self.key_of(item) == key), None)

    def _go(self, place: int) -> None:
        if not self._items:
            return
        key = self.key_of(self._items[max(0, min(place, len(self._items) - 1))])
        if key != self._cursor:
            self._cursor = key
            self.post_message(self.Moved(self, key))
            self.refresh()
        self._show_cursor()

    def _show_cursor(self) -> None:
        place, room = self._place(self._cursor), max(1, self.size.height - HEADING)
        if place is None:
            return
        top = self.scroll_offset.y
        wanted = place if place < top else place - room + 1 if place >= top + room else top
        if wanted != top:
            self.scroll_to(y=wanted, animate=False, force=True)
            self.refresh()

    def action_move(self, rows: int) -> None:
        self._go((self._place(self._cursor) or 0) + rows)

    def action_page(self, pages: float) -> None:
        self.action_move(int(pages * max(1, self.size.height - HEADING)) or (1 if pages > 0 else -1))

    def action_edge(self, end: int) -> None:
        self._go(0 if end == 0 else len(self._items) - 1)

    def action_open(self) -> None:
        if self._cursor is not None:
            self.post_message(self.Opened(self, self._cursor))

    def on_click(self, event: events.Click) -> None:
        place = event.y - HEADING + self.scroll_offset.y
        if event.y >= HEADING and place < len(self._items):
            self._go(place)
            if event.chain == 2:
                self.action_open()

    def on_resize(self) -> None:
        self.virtual_size = Size(self.size.width, len(self._items) + HEADING)
        self._painted = []
        self.refresh()
        self._show_cursor()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        self._painted = []
        self.refresh()

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._colours.forget()


def columns(cells: Sequence[tuple[str, int, str]], *, ascii_only: bool = False) -> list[Span]:
    """Safe texts in columns: (text, width in cells, style); a negative width aligns to the right."""
    ellipsis = "~" if ascii_only else "…"
    spans: list[Span] = []
    for text, width, style in cells:
        spans += [(fit(text, abs(width), right=width < 0, ellipsis=ellipsis), style), (" ", "plain")]
    return spans
