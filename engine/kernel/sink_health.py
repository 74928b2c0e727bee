"""How the sinks of this process do, told to the store now and then."""

from __future__ import annotations

import time
from datetime import datetime

from engine.kernel.delivering import AtSink
from engine.model.records import SinkRecord

TELL_SECONDS = 1.0


class SinkHealth:
    """Gathers what deliveries tell; a sink that begins or ceases to fail is told at once."""

    def __init__(self) -> None:
        self._known: dict[str, SinkRecord] = {}
        self._told: dict[str, float] = {}

    def news(self, happened: list[AtSink], now: datetime) -> list[SinkRecord]:
        """The rows to write."""
        return [found for at in happened if at.tried and (found := self._note(at, now)) is not None]

    def _note(self, at: AtSink, now: datetime) -> SinkRecord | None:
        before = self._known.get(at.sink) or SinkRecord(at.sink, at.target)
        if at.error is None:
            found = before._replace(target=at.target, ok_at=now, failing_since=None, last_error=None)
        else:
            since = before.failing_since or now
            found = before._replace(target=at.target, failing_since=since, last_error=at.error)
        turned = at.sink not in self._known or (before.failing_since is None) != (found.failing_since is None)
        self._known[at.sink] = found
        if not turned and time.monotonic() < self._told.get(at.sink, 0.0) + TELL_SECONDS:
            return None
        self._told[at.sink] = time.monotonic()
        return found
