"""Rows of a log as strips, with a small memory of those last painted."""

from __future__ import annotations

from rich.segment import Segment
from rich.style import Style
from textual.cache import LRUCache
from textual.selection import Selection
from textual.strip import Strip
from textual.widget import Widget

from wfconsole.tui.layout.log_lines import Span, highlighted
from wfconsole.tui.widgets.theme_styles import ThemeStyles

REMEMBERED = 1024


class LogPainter:
    """Paints for one widget, in its component styles (`log-view--…`) and its theme's level colours."""

    def __init__(self, widget: Widget) -> None:
        self._widget = widget
        self._colours = ThemeStyles()
        self._strips: LRUCache[tuple[str, int], Strip] = LRUCache(REMEMBERED)

    def forget(self) -> None:
        """The rows look different from now on."""
        self._strips.clear()

    def forget_theme(self) -> None:
        self._colours.forget()
        self.forget()

    def remembered(self, line_id: str, row: int) -> Strip | None:
        """The strip painted before for a row of a line."""
        return self._strips.get((line_id, row))

    def paint(self, line_id: str, rows: list[list[Span]], needle: str, *, current: bool) -> None:
        """Paint and remember all rows of a line. `current`: it is the line found."""
        match = "current" if current else "match"
        for at, row in enumerate(rows[: REMEMBERED // 2]):
            self._strips[(line_id, at)] = self.strip(highlighted(row, needle, match) if needle else row)

    @property
    def plain(self) -> Style:
        """The style of what is empty."""
        return self._colours.plain(self._widget)

    def strip(self, row: list[Span]) -> Strip:
        """One row, as wide as it is."""
        return Strip([Segment(text, self._style(key)) for text, key in row])

    def selected(self, strip: Strip, selection: Selection, row: int) -> Strip:
        """The strip with the mouse's selection on it."""
        span = selection.get_span(row)
        if span is None:
            return strip
        width = strip.cell_length
        start, end = span[0], width if span[1] == -1 else min(span[1], width)
        if start >= end:
            return strip
        chosen = self._widget.screen.get_component_rich_style("screen--selection")
        middle = strip.crop(start, end).apply_style(Style(bgcolor=chosen.bgcolor))
        return Strip.join([strip.crop(0, start), middle, strip.crop(end, width)])

    def _style(self, key: str) -> Style:
        if key in {"time", "fields"}:
            return self._colours.component(self._widget, "log-view--dim")
        if key in {"source", "match", "current"}:
            return self._colours.component(self._widget, f"log-view--{key}")
        return self.plain if key == "text" else self.plain + self._colours.get(self._widget.app, key)
