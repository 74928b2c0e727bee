"""Stand-ins for the ports that touch the world."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from engine.events import Event
from engine.model.ids import new_id
from engine.model.json import Json


class FakeClock:
    """A clock that stands still until it is told to `advance`.

    It moves only instants written to and compared in the store; heartbeats, body timeouts and waits run on real time.
    """

    def __init__(self, start: datetime | None = None) -> None:
        self._now = start or datetime(2025, 1, 1, tzinfo=UTC)
        if self._now.tzinfo is None:
            raise ValueError("FakeClock needs an aware datetime")

    def now(self) -> datetime:
        return self._now

    def advance(self, by: timedelta) -> None:
        self._now += by

    def set(self, moment: datetime) -> None:
        self._now = moment


class CollectingEventSink:
    """Keeps what it is given, in order. `fail` events first: each of the next deliveries raises one of them."""

    id = "collecting"

    def __init__(self, max_retries: int = 3) -> None:
        self.max_retries = max_retries
        self.events: list[Event] = []
        self.failures: list[Exception] = []

    async def emit(self, event: Event) -> None:
        if self.failures:
            raise self.failures.pop(0)
        self.events.append(event)

    @property
    def types(self) -> list[str]:
        return [event.type for event in self.events]


class NoopScheduler:
    """Takes every deferred command and never dispatches one."""

    def __init__(self) -> None:
        self.scheduled: dict[str, tuple[dict[str, Json], datetime]] = {}

    async def schedule(self, command: dict[str, Json], at: datetime) -> str:
        schedule_id = new_id()
        self.scheduled[schedule_id] = (command, at)
        return schedule_id

    async def cancel(self, schedule_id: str) -> bool:
        return self.scheduled.pop(schedule_id, None) is not None
