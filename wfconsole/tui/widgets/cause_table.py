"""Failed runs folded by their cause: how many, since when, where, and what they cost."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import DataTable

from engine.inspector import FailureView
from wfconsole import formatting
from wfconsole.tui.widgets.still_table import StillTable

MOST = 200
"""Causes shown; those with most runs."""

COLUMNS = (
    ("", 2), ("RUNS", 6), ("CAUSE", 18), ("STAGE", 14), ("WORKFLOW", 18),
    ("FIRST", 5), ("LAST", 5), ("WASTED", 7), ("EXAMPLE", 60),
)  # fmt: skip


def key_of(cause: FailureView) -> str:
    """What tells causes apart: the mark and the cursor belong to it."""
    return "\n".join((cause.fingerprint or "", cause.workflow_id, cause.stage_id or ""))


class CauseTable(StillTable):
    """The cursor and the marks belong to causes, whatever their order."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "cursor_down", show=False),
        Binding("k", "cursor_up", show=False),
        Binding("g", "scroll_top", show=False),
        Binding("G", "scroll_bottom", show=False),
        Binding("ctrl+d", "page_down", show=False),
        Binding("ctrl+u", "page_up", show=False),
    ]

    class Opened(Message):
        """The runs of this cause are wanted."""

        def __init__(self, cause: FailureView) -> None:
            super().__init__()
            self.cause = cause

    def __init__(self, *, id: str, ascii_only: bool) -> None:
        super().__init__(COLUMNS, id=id)
        self._sign = "*" if ascii_only else "◆"
        self._here = ">" if ascii_only else "▸"
        self._pointed: str | None = None
        self._causes: Sequence[FailureView] = ()
        self._marks: set[str] = set()
        self._now: datetime | None = None

    def tell_causes(self, causes: Sequence[FailureView], now: datetime) -> None:
        self._causes, self._now = causes[:MOST], now
        self.tell([(key_of(cause), self._cells(cause, now)) for cause in self._causes])

    def _cells(self, cause: FailureView, now: datetime) -> tuple[str, ...]:
        return (
            self._signs(key_of(cause)),
            formatting.count(cause.runs),
            cause.code or (cause.example or "").partition(":")[0] or "-",
            cause.stage_id or "-",
            cause.workflow_id,
            formatting.age(cause.first_at, now),
            formatting.age(cause.last_at, now),
            formatting.money(cause.wasted),
            cause.example or "",
        )

    def _signs(self, key: str) -> str:
        return f"{self._here if key == self._pointed else ' '}{self._sign if key in self._marks else ''}"

    def on_data_table_row_highlighted(self, event: DataTable.RowHighlighted) -> None:
        """The cursor has a shape too, as in the other tables."""
        event.stop()
        left, self._pointed = self._pointed, self.cursor_key
        for key in {left, self._pointed} - {None}:
            if key in self.rows:
                self.update_cell(str(key), "", Text(self._signs(str(key))))

    @property
    def cursor_cause(self) -> FailureView | None:
        return next((cause for cause in self._causes if key_of(cause) == self.cursor_key), None)

    @property
    def chosen(self) -> list[FailureView]:
        """The marked causes, else the one under the cursor."""
        marked = [cause for cause in self._causes if key_of(cause) in self._marks]
        here = self.cursor_cause
        return marked or ([] if here is None else [here])

    def toggle_mark(self) -> None:
        key = self.cursor_key
        if key is not None and self._now is not None:
            self._marks ^= {key}
            self.tell_causes(self._causes, self._now)
            self.action_cursor_down()

    def clear_marks(self) -> bool:
        """Forget the marks; False when there were none."""
        had, self._marks = bool(self._marks), set()
        if had and self._now is not None:
            self.tell_causes(self._causes, self._now)
        return had

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        event.stop()
        if self.cursor_cause is not None:
            self.post_message(self.Opened(self.cursor_cause))
