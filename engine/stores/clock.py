"""Clocks: this machine's, and the database's, which all machines share."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class SystemClock:
    """`engine.ports.clock.Clock` of this machine: all processes on one SQLite file share it."""

    def now(self) -> datetime:
        return _EPOCH + timedelta(microseconds=time.time_ns() // 1000)


class DatabaseClock:
    """`engine.ports.clock.Clock` of a Postgres: sampled by every transaction, carried on by the monotonic clock.

    Until the first sample it is this machine's.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._base: datetime | None = None
        self._at = 0.0

    def now(self) -> datetime:
        with self._lock:
            if self._base is None:
                return SystemClock().now()
            return self._base + timedelta(seconds=time.monotonic() - self._at)

    def sample(self, instant: datetime, asked: float, answered: float) -> None:
        """The database said `instant` somewhere between two monotonic seconds."""
        with self._lock:
            self._base, self._at = instant, (asked + answered) / 2
