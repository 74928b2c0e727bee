"""The clock of a store that has none of its own."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class SystemClock:
    """`engine.ports.clock.Clock` of this machine: all processes on one SQLite file share it."""

    def now(self) -> datetime:
        return _EPOCH + timedelta(microseconds=time.time_ns() // 1000)
