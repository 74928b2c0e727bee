"""Stand-ins for the ports that touch the world."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime, timedelta

from engine.errors import BudgetExceeded
from engine.events import Event
from engine.model.ids import new_id
from engine.model.json import Json
from engine.model.records import AICallRecord
from engine.ports.ai_calls import ReuseScope


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


class CollectingAICallLog:
    """Keeps the rows of AI calls, in the order they were opened: a logger for `create_ai_helper` in tests.

    `refuse_with` an error, and no call gets through.
    """

    def __init__(self) -> None:
        self.by_id: dict[str, AICallRecord] = {}
        self.refuse_with: BudgetExceeded | None = None

    @property
    def rows(self) -> list[AICallRecord]:
        return list(self.by_id.values())

    async def open(self, call: AICallRecord) -> None:
        if self.refuse_with is not None:
            raise self.refuse_with
        self.by_id[call.id] = call

    async def afford(self) -> None:
        if self.refuse_with is not None:
            raise self.refuse_with

    async def close(self, *calls: AICallRecord) -> None:
        self.by_id.update({call.id: call for call in calls})

    async def recall(self, request_key: str, scope: ReuseScope) -> AICallRecord | None:
        answered = (row for row in self.rows if row.status == "ok" and row.answer and not row.reused)
        return next((row for row in answered if row.request_key == request_key), None)

    async def recorded(self, batch_id: str) -> Collection[str]:
        return [row.id for row in self.rows if row.batch_id == batch_id]
