"""The rows of the run table as a model: order, cursor, marks, and the new rows held back. No Textual in here.

Cursor and marks belong to run ids. Rows may move under them; a row number is only ever asked for to paint.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import takewhile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.inspector.views import RunSummary


class RunList:
    """Loaded runs in the order shown."""

    def __init__(self) -> None:
        self._rows: list[RunSummary] = []
        self._places: dict[str, int] = {}
        self._latest: list[RunSummary] = []
        self.held = 0
        """Newer rows than the first shown one that wait to be taken in."""
        self.cursor_id: str | None = None
        self.marks: set[str] = set()

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, place: int) -> RunSummary:
        return self._rows[place]

    def place_of(self, run_id: str | None) -> int | None:
        """The place of a run among the loaded ones, from 0."""
        return None if run_id is None else self._places.get(run_id)

    @property
    def cursor(self) -> int | None:
        return self.place_of(self.cursor_id)

    def replace(self, rows: Sequence[RunSummary], *, hold: bool) -> None:
        """Show `rows`; with `hold` unknown ones before the first known one wait. The cursor stays on its run.

        When the cursor's run is gone the cursor takes the row now in its place, or the last one.
        """
        before = self.cursor
        self._latest = list(rows)
        unknown = len(list(takewhile(lambda row: row.id not in self._places, self._latest)))
        self.held = unknown if hold and unknown < len(self._latest) else 0
        self._show(before)

    def take_held(self) -> None:
        """Show the rows that waited."""
        before = self.cursor
        self.held = 0
        self._show(before)

    def _show(self, cursor_before: int | None) -> None:
        self._rows = self._latest[self.held :]
        self._places = {row.id: place for place, row in enumerate(self._rows)}
        if self.cursor_id not in self._places:
            place = min(cursor_before or 0, len(self._rows) - 1)
            self.cursor_id = self._rows[place].id if self._rows else None

    def move_to(self, place: int) -> bool:
        """Put the cursor on the row at `place`, kept within the list; True when it moved."""
        if not self._rows:
            return False
        run_id = self._rows[max(0, min(place, len(self._rows) - 1))].id
        moved = run_id != self.cursor_id
        self.cursor_id = run_id
        return moved

    def toggle(self, run_id: str) -> None:
        """Mark or unmark one run."""
        self.marks ^= {run_id}

    def invert(self) -> None:
        """Mark the loaded runs that are not marked, and unmark those that are."""
        self.marks ^= self._places.keys()

    def mark(self, run_ids: Iterable[str]) -> None:
        """Add to the marks."""
        self.marks.update(run_ids)

    def between(self, one: str, other: str) -> list[str]:
        """Ids of the rows from one run to the other, both included; empty when one is not loaded."""
        ends = self.place_of(one), self.place_of(other)
        if ends[0] is None or ends[1] is None:
            return []
        first, last = min(ends[0], ends[1]), max(ends[0], ends[1])
        return [row.id for row in self._rows[first : last + 1]]
