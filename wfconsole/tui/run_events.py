"""The whole history of a run, read once and then only its end."""

from __future__ import annotations

from collections.abc import Sequence

from engine.inspector import Delivery, EventView, Inspector, PageRequest

LAST = 200
"""Events read again each time: the new ones, and the last whose delivery may have changed."""
ALL = 2_000
MOST = 20_000
"""Events kept of one run; a longer history is shown from its beginning."""

History = tuple[EventView, ...]


async def read_events(inspector: Inspector, run_id: str, known: History) -> History:
    """The events of the run in order, `known` among them as they are now. Raises `RunNotFound`."""
    if known:
        page = await inspector.events(run_id, PageRequest(limit=LAST, sort="-sequence"))
        joined = joined_events(known, list(reversed(page.items)))
        if joined is not None:
            # The same object while nothing changed: who compares histories need not look into them.
            same = len(joined) == len(known) and list(joined[-LAST:]) == list(known[-LAST:])
            return known if same else joined
    found: list[EventView] = []
    cursor: str | None = None
    while len(found) < MOST:
        page = await inspector.events(run_id, PageRequest(limit=ALL, cursor=cursor, sort="sequence"))
        found += page.items
        cursor = page.next_cursor
        if cursor is None:
            break
    return tuple(found)


def joined_events(known: Sequence[EventView], last: Sequence[EventView]) -> History | None:
    """`known` with its end replaced by `last`; None where they do not meet, or older ones may have changed."""
    if not last or last[0].sequence > known[-1].sequence + 1:
        return None
    kept = [event for event in known if event.sequence < last[0].sequence]
    if any(event.delivery is Delivery.PENDING for event in kept):
        return None
    return (*kept, *last)
