"""The part of the fake inspector that places 2 to 6 ask: costs, leases, sinks, schedules, deploys, dead letters."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from console_samples import NOON, run_id_of

from engine.inspector import (
    AICallView,
    AuditView,
    CostRow,
    DeadLetterGroup,
    Delivery,
    EventView,
    LeaseView,
    Page,
    ScheduleView,
    SinkView,
    UnfinishedView,
)


@dataclass(frozen=True)
class FakeCall:
    """An AI call. `cost` of None has no known price."""

    at: datetime = NOON - timedelta(minutes=1)
    workflow: str = "summarise-docs"
    stage: str = "embed"
    model: str = "openai/small"
    topic: str = "t"
    run: str = "r1"
    cost: Decimal | None = Decimal("0.10")
    tokens: int = 1_000
    error: bool = False
    prompt: str = "Why does it rain?"

    def key(self, name: str) -> str:
        return str(getattr(self, name))


class FakePlaces:
    """Assign what a test wants to be there."""

    letters: list[EventView]
    paid: Sequence[FakeCall] = ()
    held: Sequence[LeaseView] = ()
    outlets: Sequence[SinkView] = ()
    timetable: Sequence[ScheduleView] = ()
    versions: Sequence[UnfinishedView] = ()
    deeds: Sequence[AuditView] = ()
    delivered: Sequence[EventView] = ()
    fate: Delivery = Delivery.DELIVERED
    """What becomes of events that are replayed."""

    async def _answer(self) -> None: ...

    async def costs(
        self, by: str, *, since: datetime | None = None, until: datetime | None = None, **_: Any
    ) -> Page[CostRow]:
        await self._answer()
        groups: dict[tuple[str, ...], list[FakeCall]] = defaultdict(list)
        for call in self.paid:
            if (since is None or call.at >= since) and (until is None or call.at < until):
                groups[tuple(call.key(name) for name in by.split(","))].append(call)
        rows = [_row(key, calls) for key, calls in groups.items()]
        return Page[CostRow](items=sorted(rows, key=lambda row: -row.cost))

    def calls_of_all(self, since: datetime | None = None, until: datetime | None = None, **_: Any) -> Page[AICallView]:
        """Of that time; the console itself has to leave out what its path does not name."""
        calls = [(at, call) for at, call in enumerate(self.paid) if since is None or call.at >= since]
        return Page[AICallView](items=[_call(at, call) for at, call in calls if until is None or call.at < until])

    async def leases(self) -> list[LeaseView]:
        await self._answer()
        return list(self.held)

    async def sinks(self) -> list[SinkView]:
        await self._answer()
        return list(self.outlets)

    async def schedules(self) -> list[ScheduleView]:
        await self._answer()
        return list(self.timetable)

    async def unfinished(self) -> list[UnfinishedView]:
        await self._answer()
        return list(self.versions)

    async def dead_letter_groups(self) -> list[DeadLetterGroup]:
        await self._answer()
        groups: dict[tuple[str | None, str | None], list[EventView]] = defaultdict(list)
        for event in self.letters:
            groups[event.fingerprint, event.sink].append(event)
        return [
            DeadLetterGroup(
                fingerprint=key[0],
                sink=key[1],
                example=events[0].last_error,
                types=sorted({event.type for event in events}),
                events=len(events),
                runs=len({event.run_id for event in events}),
                first_at=min(event.dead_at or NOON for event in events),
                last_at=max(event.dead_at or NOON for event in events),
            )
            for key, events in sorted(groups.items(), key=lambda group: -len(group[1]))
        ]

    async def dead_letters_of(self, run_ids: Sequence[str]) -> dict[str, int]:
        await self._answer()
        return Counter(event.run_id for event in self.letters if event.run_id in set(run_ids))

    async def events_by_id(self, event_ids: Sequence[str]) -> list[EventView]:
        await self._answer()
        return [event for event in [*self.letters, *self.delivered] if event.id in event_ids]

    def settle(self, event_ids: Iterable[str], delivery: Delivery) -> int:
        """These dead letters are replayed or discarded: what became of them, and how many there were."""
        if delivery == Delivery.DEAD:
            return sum(event.id in set(event_ids) for event in self.letters)
        gone = [event for event in self.letters if event.id in set(event_ids)]
        self.letters = [event for event in self.letters if event not in gone]
        self.delivered = [*self.delivered, *(event.model_copy(update={"delivery": delivery}) for event in gone)]
        return len(gone)


def _row(key: tuple[str, ...], calls: list[FakeCall]) -> CostRow:
    return CostRow(
        key=" · ".join(key),
        keys=list(key),
        calls=len(calls),
        runs=len({call.run for call in calls}),
        failed=sum(call.error for call in calls),
        reused=0,
        input_tokens=sum(call.tokens for call in calls),
        output_tokens=0,
        cost=sum((call.cost or Decimal(0) for call in calls), Decimal(0)),
        wasted=sum((call.cost or Decimal(0) for call in calls if call.error), Decimal(0)),
        unpriced=sum(call.cost is None for call in calls),
    )


def _call(at: int, call: FakeCall) -> AICallView:
    return AICallView(
        id=f"a{at}",
        run_id=call.run,
        workflow_id=call.workflow,
        stage_id=call.stage,
        attempt=1,
        topic=call.topic,
        call_type="text",
        model=call.model,
        provider=call.model.split("/", maxsplit=1)[0],
        answered_by=None,
        input_tokens=call.tokens,
        output_tokens=0,
        cached_tokens=0,
        reasoning_tokens=0,
        cost=call.cost,
        latency_ms=812,
        first_token_ms=None,
        status="error" if call.error else "ok",
        finish_reason=None,
        error="AIRateLimited: 429" if call.error else None,
        error_code="AIRateLimited" if call.error else None,
        reused=False,
        batch_id=None,
        prompt=call.prompt,
        response="Because it does.",
        created_at=call.at,
    )


def lease(number: int, **changes: Any) -> LeaseView:
    values: dict[str, Any] = {
        "job_id": f"j{number}",
        "worker_id": "box-1:4242",
        "run_id": run_id_of(number),
        "workflow_id": "summarise-docs",
        "stage_id": "ocr",
        "attempt": 2,
        "since": NOON - timedelta(seconds=42),
        "leased_until": NOON + timedelta(seconds=30),
    }
    return LeaseView(**(values | changes))


def sink(name: str = "hook", **changes: Any) -> SinkView:
    values: dict[str, Any] = {
        "id": name,
        "target": "https://hooks.example/in",
        "ok_at": NOON - timedelta(minutes=5),
        "failing_since": None,
        "last_error": None,
        "pending": 3,
        "dead": 1,
    }
    return SinkView(**(values | changes))


def unfinished(**changes: Any) -> UnfinishedView:
    values: dict[str, Any] = {
        "workflow_id": "summarise-docs",
        "fingerprint": "0ldf00d00000",
        "runs": 7,
        "registered": False,
        "survives": False,
        "problems": ["stage embed is gone"],
        "workers": {"box-1:4242": "0ldf00d00000", "box-2:1": "f00dcafe"},
    }
    return UnfinishedView(**(values | changes))


def schedule(**changes: Any) -> ScheduleView:
    values: dict[str, Any] = {
        "id": "s1",
        "command": "run.create",
        "workflow_id": "summarise-docs",
        "cron": "0 2 * * *",
        "zone": "Europe/Berlin",
        "due_at": NOON + timedelta(hours=13),
        "created_at": NOON - timedelta(days=9),
        "last_fired_at": NOON - timedelta(hours=11),
        "fired": 9,
        "last_error": None,
        "actor": "ann",
    }
    return ScheduleView(**(values | changes))


def hold(**changes: Any) -> AuditView:
    values: dict[str, Any] = {
        "id": "1",
        "created_at": NOON - timedelta(minutes=3),
        "actor": "ann@box",
        "command": "workflow.pause",
        "target": "summarise-docs",
        "run_id": None,
        "reason": "the vendor is down",
        "before": None,
        "after": None,
        "idempotency_key": None,
    }
    return AuditView(**(values | changes))
