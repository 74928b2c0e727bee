"""The newest lines of a log, bounded, filtered, and addressed by row. No Textual in here."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.inspector.views import LogLine

MAX_LINES = 50_000
MAX_BYTES = 32_000_000
_LINE_OVERHEAD = 200
_COMPACT_AT = 4_096


class LogRing:
    """Lines in order, the oldest leaving first. `wanted` filters what is shown, `height` gives a line's rows.

    A row number counts from the oldest shown line and so changes when lines leave.
    """

    def __init__(
        self,
        wanted: Callable[[LogLine], bool],
        height: Callable[[LogLine], int],
        *,
        max_lines: int = MAX_LINES,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        self._wanted, self._height = wanted, height
        self._max_lines, self._max_bytes = max_lines, max_bytes
        self._all: deque[tuple[LogLine, int]] = deque()
        self._bytes = 0
        self._shown: list[LogLine] = []
        self._tops: list[int] = []
        self._end = 0
        # Shown lines before this index have left; they are cut off in bulk, which makes leaving cheap.
        self._first = 0

    def __len__(self) -> int:
        """Lines kept, shown or not."""
        return len(self._all)

    @property
    def shown(self) -> int:
        """Lines kept that pass the filter."""
        return len(self._shown) - self._first

    @property
    def rows(self) -> int:
        """Rows of all shown lines."""
        return self._end - self._base

    @property
    def _base(self) -> int:
        return self._tops[self._first] if self._first < len(self._tops) else self._end

    @property
    def bytes(self) -> int:
        """A close upper estimate of the text kept."""
        return self._bytes

    def extend(self, lines: Iterable[LogLine]) -> tuple[int, int]:
        """Add newer lines: (lines that are shown of them, rows that left at the front)."""
        base, before = self._base, len(self._shown)
        for line in lines:
            size = _size(line)
            self._all.append((line, size))
            self._bytes += size
            self._show(line)
        added = len(self._shown) - before
        while self._all and (len(self._all) > self._max_lines or self._bytes > self._max_bytes):
            self._drop_oldest()
        left = self._base - base
        self._compact()
        return added, left

    def prepend(self, lines: Sequence[LogLine]) -> int:
        """Add older lines (in order), as many as there is room for; gives the rows that came in front."""
        before = self.rows
        taken = 0
        for line in reversed(lines):
            size = _size(line)
            if len(self._all) >= self._max_lines or self._bytes + size > self._max_bytes:
                break
            self._all.appendleft((line, size))
            self._bytes += size
            taken += 1
        if taken:
            self.rebuild()
        return self.rows - before

    def clear(self) -> None:
        self._all.clear()
        self._bytes = 0
        self.rebuild()

    def rebuild(self) -> None:
        """Filter and measure every line again."""
        self._shown, self._tops, self._end, self._first = [], [], 0, 0
        for line, _ in self._all:
            self._show(line)

    def at(self, row: int) -> tuple[int, int]:
        """Which shown line (from 0) a row belongs to, and its row within it; `row` below `rows`."""
        index = bisect_right(self._tops, row + self._base) - 1
        return index - self._first, row + self._base - self._tops[index]

    def line(self, index: int) -> LogLine:
        """A shown line."""
        return self._shown[self._first + index]

    def top(self, index: int) -> int:
        """The first row of a shown line."""
        return self._tops[self._first + index] - self._base

    def index_of(self, line_id: str) -> int | None:
        """Where a line stands among the shown ones."""
        found = (at for at, line in enumerate(self.lines()) if line.id == line_id)
        return next(found, None)

    def lines(self) -> Iterator[LogLine]:
        """The shown lines, oldest first."""
        return islice(self._shown, self._first, None)

    def _show(self, line: LogLine) -> None:
        if self._wanted(line):
            self._shown.append(line)
            self._tops.append(self._end)
            self._end += self._height(line)

    def _drop_oldest(self) -> None:
        line, size = self._all.popleft()
        self._bytes -= size
        if self._first < len(self._shown) and self._shown[self._first] is line:
            self._first += 1

    def _compact(self) -> None:
        if self._first > _COMPACT_AT:
            del self._shown[: self._first]
            del self._tops[: self._first]
            self._first = 0


def _size(line: LogLine) -> int:
    fields = sum(len(value) if isinstance(value, str) else 32 for value in line.fields.values())
    return _LINE_OVERHEAD + len(line.message) + fields
