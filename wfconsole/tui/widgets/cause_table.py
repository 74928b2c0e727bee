"""Failed runs folded by their cause: how many, since when, where, and what they cost."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from engine.inspector import FailureView
from wfconsole import formatting
from wfconsole.formatting import NONE
from wfconsole.tui.layout.table_columns import Column, Row
from wfconsole.tui.widgets.line_table import LineTable

MOST = 200
"""Causes shown; those with most runs."""

COLUMNS = (
    Column("RUNS", 5, right=True),
    Column("CAUSE", 18, grows=1),
    Column("STAGE", 14),
    Column("WORKFLOW", 18, drop=2),
    Column("FIRST", 5, right=True, drop=3),
    Column("LAST", 4, right=True),
    Column("WASTED", 7, right=True, drop=1),
    Column("EXAMPLE", 20, grows=3, drop=4),
)


def key_of(cause: FailureView) -> str:
    """What tells causes apart: the mark and the cursor belong to it."""
    return "\n".join((cause.fingerprint or "", cause.workflow_id, cause.stage_id or ""))


def row_of(cause: FailureView, now: datetime) -> Row:
    """One cause; the example goes on where the cause has said its beginning."""
    name = cause.code or (cause.example or "").partition(":")[0] or NONE
    cells = (
        (formatting.count(cause.runs), "status-failed"),
        cause.code or cause.example or NONE,
        cause.stage_id or NONE,
        cause.workflow_id,
        formatting.age(cause.first_at, now),
        formatting.age(cause.last_at, now),
        formatting.money(cause.wasted),
        (cause.example or NONE).removeprefix(f"{name}: "),
    )
    return Row(key_of(cause), cells, markable=True)


class CauseTable(LineTable):
    """The cursor and the marks belong to causes, whatever their order."""

    def __init__(self, *, id: str, ascii_only: bool) -> None:
        super().__init__(COLUMNS, id=id, ascii_only=ascii_only)
        self._causes: Sequence[FailureView] = ()

    def tell_causes(self, causes: Sequence[FailureView], now: datetime) -> None:
        self._causes = causes[:MOST]
        self.tell([row_of(cause, now) for cause in self._causes])

    @property
    def cursor_cause(self) -> FailureView | None:
        return next((cause for cause in self._causes if key_of(cause) == self.cursor_key), None)

    @property
    def chosen(self) -> list[FailureView]:
        """The marked causes, else the one under the cursor."""
        marked = [cause for cause in self._causes if key_of(cause) in self.marks]
        here = self.cursor_cause
        return marked or ([] if here is None else [here])

    def clear_marks(self) -> bool:
        """Forget the marks; False when there were none."""
        had, self.marks = bool(self.marks), frozenset()
        return had
