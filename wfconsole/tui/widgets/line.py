"""A widget of one line (or a few) that repaints only when what it shows is really another."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content
from textual.widget import Widget

from wfconsole.tui.layout.cells import Part as Part


def line_of(*parts: Part | str) -> Content:
    """One content out of parts; nothing in them is read as markup."""
    return Content.assemble(*parts)


_PLAIN = ("plain", "label", "name")


def spans_content(spans: Sequence[Part]) -> Content:
    """Spans of a layout, whose styles are keys, as a content."""
    return Content.assemble(*((text, "" if style in _PLAIN else f"${style}") for text, style in spans))


def keys_of(hints: Sequence[tuple[str, str]], room: int) -> list[Part]:
    """Keys and what they do, in at most `room` cells: a hint that has no room is left out whole."""
    parts: list[Part] = []
    for key, does in hints:
        room -= len(key) + len(does) + 1
        if room < 0:
            break
        parts += [(key, "bold $primary"), (f" {does}   ", "$quiet")]
        room -= 3
    return parts


def sides(left: Content, right: Content, width: int) -> Content:
    """`left` and `right` at the two ends of a line; where they collide, the left one is cut."""
    room = width - right.cell_length - 2
    if room < 8:
        return left.truncate(width, ellipsis=True)
    kept = left.truncate(room, ellipsis=True)
    return Content.assemble(kept, " " * (width - kept.cell_length - right.cell_length), right)


class Line(Widget, can_focus=False):
    """Shows one `Content`; setting an equal one costs nothing and writes nothing."""

    DEFAULT_CSS = "Line { height: 1; width: 1fr; }"

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._content = Content("")

    def show(self, content: Content) -> None:
        if content != self._content or content.spans != self._content.spans:
            self._content = content
            self.refresh()

    @property
    def plain(self) -> str:
        """What stands there, without colours."""
        return self._content.plain

    def render(self) -> Content:
        return self._content


class Text(Line):
    """Some lines of text, as high as they are when wrapped; what stands below moves only if their number changes."""

    DEFAULT_CSS = "Text { height: auto; }"

    def show(self, content: Content) -> None:
        width = self.content_size.width
        before = self._content.get_height({}, width) if width else 0
        super().show(content)
        if not width or content.get_height({}, width) != before:
            self.refresh(layout=True)
