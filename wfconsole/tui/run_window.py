"""The loaded part of the run list: the newest page always fresh, older ones as the cursor comes near them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from engine.inspector import Page, PageRequest, RunFilter, RunSummary

HEAD = 200
"""Rows asked for anew with every change."""

AROUND = 60
"""Rows on each side of the cursor that are refreshed when it is beyond the head."""

NEWEST = "-created_at"

MOST_SORTED = 2_000
"""Rows kept at most in another order than that of time."""

MOST = 10_000
"""Rows kept at most; whoever wants older ones filters."""


class RunReader(Protocol):
    """What the inspector offers for runs."""

    async def runs(self, filter: RunFilter = ..., page: PageRequest = ...) -> Page[RunSummary]: ...  # noqa: A002


@dataclass(frozen=True, slots=True)
class RunRows:
    """A snapshot of the window, in its order."""

    rows: tuple[RunSummary, ...]
    has_more: bool


class RunWindow:
    """The loaded rows of one filter. `refresh` asks for three pages at most, however many are loaded."""

    def __init__(self, filter_: RunFilter, sort: str = NEWEST) -> None:
        self.filter, self.sort = filter_, sort
        self.want_more = False
        self._rows: list[RunSummary] = []
        self._next: str | None = None
        self._torn = False

    async def refresh(self, reader: RunReader, cursor_id: str | None) -> RunRows:
        """Read the head, the surroundings of the cursor, and the next page if it was wanted."""
        if self.sort != NEWEST:
            return await self._sorted_anew(reader)
        head = await reader.runs(self.filter, PageRequest(limit=HEAD))
        tail = await self._tail(reader, head, cursor_id)
        if not tail:
            self._torn, self._next = False, head.next_cursor
        if self.want_more and self._next is not None and len(tail) < MOST:
            page = await reader.runs(self.filter, PageRequest(limit=HEAD, cursor=self._next))
            known = {row.id for row in (*head.items, *tail)}
            tail += [row for row in page.items if row.id not in known]
            self._next = page.next_cursor
        self.want_more = False
        self._rows = [*head.items, *tail]
        return RunRows(tuple(self._rows), self._next is not None and len(tail) < MOST)

    async def _sorted_anew(self, reader: RunReader) -> RunRows:
        """In another order any row may move: all that is loaded is read again, up to a limit."""
        wanted = len(self._rows) + (HEAD if self.want_more else 0)
        self.want_more = False
        limit = min(max(HEAD, wanted), MOST_SORTED)
        page = await reader.runs(self.filter, PageRequest(limit=limit, sort=self.sort))
        self._rows = list(page.items)
        return RunRows(tuple(self._rows), page.next_cursor is not None and limit < MOST_SORTED)

    async def _tail(self, reader: RunReader, head: Page[RunSummary], cursor_id: str | None) -> list[RunSummary]:
        """What is kept of the loaded rows beyond the head, those about the cursor renewed.

        More runs than the head takes may have come at once. Between it and what is kept is a gap then, which lasts
        until the cursor is in the head: the rows it stands among are not taken from under it.
        """
        known = {row.id for row in head.items}
        if head.next_cursor is None or not known:
            return []
        self._torn = self._torn or (bool(self._rows) and known.isdisjoint(row.id for row in self._rows))
        if cursor_id in known and (self._torn or len(self._rows) <= HEAD):
            return []
        last = head.items[-1].created_at
        tail = [row for row in self._rows if row.created_at <= last and row.id not in known]
        near = _around(tail, cursor_id)
        if not near:
            return tail if len(self._rows) > HEAD and not self._torn else []
        fresh = await self._again(reader, near)
        if self._torn and cursor_id not in fresh:
            return []
        return _renewed(tail, near, fresh)

    async def _again(self, reader: RunReader, near: Sequence[str]) -> dict[str, RunSummary]:
        if self.filter.ids is not None:
            return {}
        again = self.filter.model_copy(update={"ids": tuple(near)})
        page = await reader.runs(again, PageRequest(limit=len(near)))
        return {row.id: row for row in page.items}


def _around(tail: Sequence[RunSummary], cursor_id: str | None) -> list[str]:
    place = next((at for at, row in enumerate(tail) if row.id == cursor_id), None)
    if place is None:
        return []
    return [row.id for row in tail[max(0, place - AROUND) : place + AROUND]]


def _renewed(tail: Sequence[RunSummary], near: Sequence[str], fresh: dict[str, RunSummary]) -> list[RunSummary]:
    """The tail with the rows asked again renewed; one that no longer matches is gone, if any came back."""
    asked = set(near) if fresh else set()
    return [fresh.get(row.id, row) for row in tail if row.id not in asked or row.id in fresh]
