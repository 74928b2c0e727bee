"""The clock that decides everything two processes must agree on."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """`now()` is an aware UTC instant. Durations inside a process come from the monotonic clock, not from here."""

    def now(self) -> datetime: ...
