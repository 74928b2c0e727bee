"""A zone's offsets over the years, so that a database that knows no zones can tell their days."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache

_FIRST = datetime(2000, 1, 1, tzinfo=UTC)
"""No call was made earlier."""
_STEP = timedelta(days=1)
_SECOND = timedelta(seconds=1)

Offsets = tuple[tuple[int, int], ...]
"""(seconds since 1970 from which it holds, seconds east of UTC), in order of time; the first holds before, too."""


def offsets_of(zone: tzinfo, until: datetime) -> Offsets:
    """The offsets of a zone from the year 2000 to `until`, each change to the second."""
    return _offsets(zone, until.astimezone(UTC).date().year + 1)


@lru_cache(maxsize=8)
def _offsets(zone: tzinfo, year: int) -> Offsets:
    end = datetime(year, 1, 2, tzinfo=UTC)
    at, offset = _FIRST, _offset(_FIRST, zone)
    found = [(_FIRST, offset)]
    while at < end:
        later = at + _STEP
        if _offset(later, zone) != offset:
            at, offset = _change(at, later, zone), _offset(later, zone)
            found.append((at, offset))
        at = later
    return tuple((int(start.timestamp()), int(east.total_seconds())) for start, east in found)


def _change(before: datetime, after: datetime, zone: tzinfo) -> datetime:
    """The first second of the other offset, between two instants of which the later has it."""
    was = _offset(before, zone)
    while after - before > _SECOND:
        middle = before + (after - before) // 2
        middle = middle.replace(microsecond=0)
        before, after = (middle, after) if _offset(middle, zone) == was else (before, middle)
    return after


def _offset(at: datetime, zone: tzinfo) -> timedelta:
    return at.astimezone(zone).utcoffset() or timedelta(0)
