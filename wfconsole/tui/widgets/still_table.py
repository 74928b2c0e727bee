"""A small table of safe strings for places that change little: workers, queue, workflows."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text
from textual.widgets import DataTable

from wfconsole.safe_text import safe_text

Row = tuple[str, Sequence[str]]
"""A key and its cells."""


class StillTable(DataTable[Text]):
    """Rewritten only when a cell differs; the cursor stays on its key."""

    def __init__(self, columns: Sequence[tuple[str, int]], *, id: str) -> None:
        super().__init__(id=id, cursor_type="row", cell_padding=1)
        self._titles = columns
        self._shown: tuple[Row, ...] = ()

    def on_mount(self) -> None:
        for title, width in self._titles:
            self.add_column(Text(title), width=width, key=title)

    @property
    def cursor_key(self) -> str | None:
        return self._shown[self.cursor_row][0] if 0 <= self.cursor_row < len(self._shown) else None

    def tell(self, rows: Sequence[Row]) -> None:
        shown = tuple((key, tuple(cells)) for key, cells in rows)
        if shown == self._shown:
            return
        kept, self._shown = self.cursor_key, shown
        self.clear()
        for key, cells in shown:
            self.add_row(*(Text(safe_text(cell, limit=200), no_wrap=True) for cell in cells), key=key)
        self.move_cursor(row=next((at for at, (key, _) in enumerate(shown) if key == kept), 0))
