"""Long text to read: split into lines only where one looks, so that megabytes open at once."""

from __future__ import annotations

import asyncio
from typing import ClassVar

from rich.segment import Segment
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.strip import Strip

from wfconsole.safe_text import safe_lines
from wfconsole.tui.layout.cells import chunks
from wfconsole.tui.widgets.scrolling import Scrolling
from wfconsole.tui.widgets.theme_styles import ThemeStyles

LONGEST = 4_096
"""Characters of one line of the text that are wrapped as one; longer ones are broken first."""

AT_ONCE = 256 * 1024
"""Characters that are wrapped while one waits."""


def wrapped(text: str, width: int) -> list[str]:
    """The text as lines of at most `width` cells, safe to show."""
    parts = (part[at : at + LONGEST] for part in text.split("\n") for at in range(0, len(part) or 1, LONGEST))
    return [piece for part in parts for line in safe_lines(part) for piece in chunks(line, width)]


class TextPager(Scrolling, can_focus=True):
    """Shows one text, wrapped; `search` marks the lines that hold it."""

    DEFAULT_CSS = """
    TextPager {
        overflow-x: hidden; overflow-y: auto; scrollbar-gutter: stable;
        scrollbar-size-vertical: 1; scrollbar-size-horizontal: 0;
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j,down", "line(1)", "Down", show=False, id="text.down"),
        Binding("k,up", "line(-1)", "Up", show=False, id="text.up"),
        Binding("ctrl+d", "page(0.5)", "Half a page down", show=False, id="text.half_down"),
        Binding("ctrl+u", "page(-0.5)", "Half a page up", show=False, id="text.half_up"),
        Binding("pagedown,space", "page(1)", "Page down", show=False, id="text.page_down"),
        Binding("pageup", "page(-1)", "Page up", show=False, id="text.page_up"),
        Binding("g,home", "edge(0)", "First line", show=False, id="text.first"),
        Binding("G,end", "edge(-1)", "Last line", show=False, id="text.last"),
        Binding("n", "found(1)", "Next match", show=False, id="text.next"),
        Binding("N", "found(-1)", "Previous match", show=False, id="text.previous"),
    ]

    class Wrapped(Message):
        """There are more lines to see."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._text = ""
        self._lines: list[str] = []
        self._wrapped_at = 0
        self._search = ""
        self._colours = ThemeStyles()

    @property
    def text(self) -> str:
        return self._text

    @property
    def search(self) -> str:
        return self._search

    @property
    def place(self) -> tuple[int, int]:
        """The first line shown, from 1, and how many there are."""
        return self.scroll_offset.y + 1, len(self._lines)

    def show(self, text: str) -> None:
        """Show this from its beginning; an equal text changes nothing."""
        if text == self._text and self._lines:
            return
        self._text = text
        self._wrap()
        self.scroll_to(y=0, animate=False, force=True)

    def find(self, text: str) -> bool:
        """Search from here on, in any case; False when nothing holds it."""
        self._search = text.casefold()
        self.refresh()
        return not text or self.action_found(0)

    def _wrap(self) -> None:
        """A long text shows its beginning at once; the rest is wrapped beside the loop."""
        self._wrapped_at = width = max(2, self.scrollable_content_region.width - 1)
        self._take(wrapped(self._text[:AT_ONCE], width))
        if len(self._text) > AT_ONCE:
            self.run_worker(self._wrap_rest(self._text, width), group="wrap", exclusive=True)

    async def _wrap_rest(self, text: str, width: int) -> None:
        lines = await asyncio.to_thread(wrapped, text, width)
        if text is self._text and width == self._wrapped_at:
            self._take(lines)

    def _take(self, lines: list[str]) -> None:
        self._lines = lines
        self.virtual_size = Size(self.size.width, len(lines))
        self.refresh()
        self.post_message(self.Wrapped())

    def on_resize(self) -> None:
        if max(2, self.scrollable_content_region.width - 1) != self._wrapped_at:
            self._wrap()

    def render_line(self, y: int) -> Strip:
        place = y + self.scroll_offset.y
        line = self._lines[place] if place < len(self._lines) else ""
        style = self.rich_style
        if self._search and self._search in line.casefold():
            style += self._colours.get(self.app, "mark")
        return Strip([Segment(f" {line}", style)]).crop_extend(0, self.size.width, self.rich_style)

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._colours.forget()

    def action_line(self, by: int) -> None:
        self.scroll_to(y=self.scroll_offset.y + by, animate=False)

    def action_page(self, pages: float) -> None:
        self.action_line(int(pages * max(1, self.size.height)))

    def action_edge(self, end: int) -> None:
        self.scroll_to(y=0 if end == 0 else len(self._lines), animate=False)

    def action_found(self, by: int) -> bool:
        """To the next line (-1: the one before, 0: from this one on) that holds the search, round the end."""
        if not self._search:
            return False
        number, start = len(self._lines), self.scroll_offset.y
        steps = range(number) if by == 0 else range(1, number + 1)
        for step in steps:
            place = (start + (step if by >= 0 else -step)) % number
            if self._search in self._lines[place].casefold():
                self.scroll_to(y=place, animate=False)
                return True
        return False
