"""Lines of the run table as strips, with a memory of those last painted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rich.segment import Segment
from rich.style import Style
from textual.cache import LRUCache
from textual.strip import Strip
from textual.widget import Widget

from wfconsole.formatting import NONE, STATUS
from wfconsole.tui.layout.cells import clip, fit, fit_counted
from wfconsole.tui.layout.run_columns import GAP, GUTTER, Column
from wfconsole.tui.widgets.theme_styles import ThemeStyles, under_cursor


class RowLook(NamedTuple):
    """All that the look of a row depends on, besides columns, width and theme. Equal looks, equal strips."""

    run_id: str
    cells: tuple[str, ...]
    state: str
    is_cursor: bool
    is_marked: bool
    focused: bool


class RunPainter:
    """Paints for one widget, in its component styles (`run-table--…`) and its theme's status colours."""

    def __init__(self, widget: Widget) -> None:
        self._widget = widget
        self._colours = ThemeStyles()
        self._strips: LRUCache[RowLook, Strip] = LRUCache(512)
        self._columns: Sequence[Column] = ()
        self._width = 0
        self._signs = "▸◆…"
        self._order = "▼▲"
        self.sorted_by: tuple[str, bool] | None = None
        """The column whose title carries an arrow, and whether it points down; None for the usual order."""

    def lay_out(self, columns: Sequence[Column], width: int, *, ascii_only: bool) -> None:
        """Paint these columns, `width` cells a line, from now on."""
        self._columns, self._width = columns, width
        self._signs = ">*~" if ascii_only else "▸◆…"
        self._order = "v^" if ascii_only else "▼▲"
        self._strips.clear()

    def forget_theme(self) -> None:
        self._colours.forget()
        self._strips.clear()

    def heading(self) -> Strip:
        """The titles of the columns."""
        titles = (fit(self._title(column), column.width, right=column.right) for column in self._columns)
        return self._line(" " * GUTTER + (" " * GAP).join(titles), self._component("header"))

    def _title(self, column: Column) -> str:
        key, down = self.sorted_by or ("", True)
        return f"{column.title}{self._order[0 if down else 1]}" if column.key == key else column.title

    def note(self, text: str) -> Strip:
        """A line of plain words in place of a row."""
        return self._line(" " * GUTTER + clip(text, max(0, self._width - GUTTER)), self._component("dim"))

    def row(self, look: RowLook) -> Strip:
        """The line of a run."""
        strip = self._strips.get(look)
        if strip is None:
            strip = self._strips[look] = self._paint(look)
        return strip

    def _component(self, name: str) -> Style:
        return self._colours.component(self._widget, f"run-table--{name}")

    def _line(self, text: str, style: Style) -> Strip:
        return Strip([Segment(text, style)]).adjust_cell_length(self._width, style)

    def _paint(self, look: RowLook) -> Strip:
        ground = Style()
        if look.is_cursor:
            cursor = self._component("cursor")
            ground = Style(bgcolor=cursor.bgcolor, bold=cursor.bold)
        plain = self._colours.plain(self._widget) + ground
        dim, mark = self._component("dim") + ground, self._component("mark") + ground
        status = plain + self._colours.get(self._widget.app, STATUS[look.state].variable)
        if look.state == "FAILED":
            status += Style(bold=True)
        here, marked, ellipsis = tuple(self._signs)
        segments = [
            Segment(here if look.is_cursor else " ", plain),
            Segment(marked if look.is_marked else " ", mark),
            Segment(" " * (GUTTER - 2), plain),
        ]
        for column, text in zip(self._columns, look.cells, strict=True):
            style = status if column.key == "status" else dim if text == NONE else plain
            if column.key == "stage":
                text = fit_counted(text, column.width, ellipsis=ellipsis)
            segments.append(Segment(fit(text, column.width, right=column.right, ellipsis=ellipsis), style))
            segments.append(Segment(" " * GAP, plain))
        strip = Strip(segments).adjust_cell_length(self._width, plain).simplify()
        return under_cursor(self._widget.app, strip) if look.is_cursor else strip
