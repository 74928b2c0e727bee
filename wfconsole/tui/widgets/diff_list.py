"""Two things side by side, line by line: what they have in common is quiet, what not is marked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.cells import cell_len

from wfconsole.run_diff import Diff, Row
from wfconsole.safe_text import ELLIPSIS, safe_text
from wfconsole.tui.widgets.line_list import LineList, Span, columns

_MARKS: Mapping[str, tuple[str, str]] = {
    "same": (" ", "quiet"),
    "other": ("*", "mark"),
    "better": ("+", "status-ok"),
    "worse": ("!", "status-failed"),
}
_LABEL = 24
"""Cells of a row's name, at least; a quarter of a wide window."""


@dataclass(frozen=True, slots=True)
class DiffLine:
    """A section's title (`row` is None) or one of its rows."""

    key: str
    title: str
    row: Row | None


def lines_of(diff: Diff, *, all_rows: bool) -> list[DiffLine]:
    """The sections with what differs, or with everything; a section without a difference says so."""
    lines = []
    for section in diff.sections:
        lines.append(DiffLine(section.title, section.title, None))
        rows: Sequence[Row] = [row for row in section.rows if all_rows or row.verdict != "same"]
        if not rows:
            rows = [Row("", "equal", "equal")]
        lines += [DiffLine(f"{section.title}/{at}/{row.label}", section.title, row) for at, row in enumerate(rows)]
    return lines


class DiffList(LineList[DiffLine]):
    """The lines of a diff."""

    def __init__(self, *, id: str, ascii_only: bool = False) -> None:
        super().__init__(id=id, ascii_only=ascii_only)
        self._sides = ("", "")

    def name_sides(self, left: str, right: str) -> None:
        self._sides = (safe_text(left, limit=80), safe_text(right, limit=80))

    def key_of(self, item: DiffLine) -> str:
        return item.key

    def _wide(self, width: int) -> int:
        return max(4, (width - 2 - self._named(width) - 3) // 2)

    def _named(self, width: int) -> int:
        return max(_LABEL, width // 4)

    def _ending(self, label: str, room: int) -> str:
        """Of a long path the end tells more than the beginning."""
        shown = safe_text(label, limit=200)
        over = cell_len(shown) - room
        return shown if over <= 0 else f"{'~' if self.ascii_only else ELLIPSIS}{shown[over + 1 :]}"

    def heading(self, width: int) -> list[Span]:
        wide = self._wide(width)
        cells = [
            ("", 1, "plain"),
            ("", self._named(width), "plain"),
            (self._sides[0], wide, "bold"),
            (self._sides[1], wide, "bold"),
        ]
        return columns(cells, ascii_only=self.ascii_only)

    def spans_of(self, item: DiffLine, width: int) -> list[Span]:
        row, wide = item.row, self._wide(width)
        if row is None:
            return columns([(safe_text(item.title, limit=100), width - 1, "bold")], ascii_only=self.ascii_only)
        mark, style = _MARKS[row.verdict]
        shown = "quiet" if row.verdict == "same" else "label"
        cells = [
            (mark, 1, style),
            (f"  {self._ending(row.label, self._named(width) - 2)}", self._named(width), "quiet"),
            (safe_text(row.left, limit=400), wide, shown),
            (safe_text(row.right, limit=400), wide, shown if row.verdict in ("same", "other") else style),
        ]
        return columns(cells, ascii_only=self.ascii_only)
