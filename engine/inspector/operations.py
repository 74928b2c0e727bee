"""Questions about what operators did, and what failed for one cause."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

from engine.errors import RunNotFound
from engine.inspector.views import CauseView, TrendView, View
from engine.model.criteria import Page, PageRequest, RunFilter
from engine.model.json import loads
from engine.model.read_records import FailureSum
from engine.model.records import AuditRecord, ScheduleRecord
from engine.model.text import storable
from engine.ports.persistence import Persistence
from engine.ports.reads import ReadStore

R = TypeVar("R")
FIRST_PAGE = PageRequest()
EVERY_RUN = RunFilter()
MOST_CAUSES = 1_000
_HOURS = 24
_HOT_WINDOW = timedelta(minutes=10)
_HOT = 6
"""Failures of one cause within the window that make it stand out."""


class AuditView(View):
    """One operator command that changed something."""

    id: str
    created_at: datetime
    actor: str
    command: str
    target: str
    """A run, `run/stage`, workflow or event id."""
    run_id: str | None
    reason: str | None
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    idempotency_key: str | None


class FailureView(View):
    """FAILED runs with one cause."""

    fingerprint: str | None
    code: str | None
    example: str | None
    workflow_id: str
    stage_id: str | None
    runs: int
    first_at: datetime | None
    last_at: datetime | None
    wasted: Decimal


class ScheduleView(View):
    """A command put off, or a recurring one; `due_at` is None once it fires no more."""

    id: str
    command: str
    workflow_id: str | None
    cron: str | None
    zone: str | None
    due_at: datetime | None
    created_at: datetime
    last_fired_at: datetime | None
    fired: int
    last_error: str | None
    actor: str


class SinkView(View):
    """Where events go; `failing_since` is None while it takes them."""

    id: str
    target: str
    ok_at: datetime | None
    failing_since: datetime | None
    last_error: str | None
    pending: int
    dead: int


class OperationsInspector:
    """The part of the inspector about operators and failures."""

    _persistence: Persistence

    async def audit(
        self,
        run_id: str | None = None,
        *,
        actor: str | None = None,
        command: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        page: PageRequest = FIRST_PAGE,
    ) -> Page[AuditView]:
        """What operators did, the newest first. Raises `RunNotFound` for a run that left no trace either."""

        def read(reads: ReadStore) -> Page[AuditView]:
            found = reads.audit(page, run_id=run_id, actor=actor, command=command, since=since, until=until)
            if not found.items and run_id is not None and not reads.exists(run_id):
                raise RunNotFound(run_id)
            return Page[AuditView](items=list(map(_audit_view, found.items)), next_cursor=found.next_cursor)

        return await self._read_of(run_id, read)

    async def failures(self, filter: RunFilter = EVERY_RUN) -> Page[FailureView]:  # noqa: A002
        """The FAILED runs that match, by cause; those with most runs first, at most 1,000 causes."""

        def read(reads: ReadStore) -> Page[FailureView]:
            return Page[FailureView](items=list(map(_failure_view, reads.failures(filter, MOST_CAUSES))))

        return await self._persistence.read(read)

    async def trends(self) -> TrendView:
        """The pace of the last 24 hours, and the cause that strikes again and again, if one does."""

        def read(reads: ReadStore) -> TrendView:
            hour = reads.now.replace(minute=0, second=0, microsecond=0)
            day = hour - timedelta(hours=_HOURS - 1)
            within = reads.now - _HOT_WINDOW
            hot = reads.hot_cause(within=within, least=_HOT, since=reads.now - timedelta(hours=_HOURS))
            return TrendView(
                ended=reads.ended_by_hour(day, _HOURS),
                hot=None if hot is None else CauseView(**hot._asdict()),
                as_of=reads.now,
            )

        return await self._persistence.read(read)

    async def schedules(self) -> list[ScheduleView]:
        """The next to fire first, those that fire no more last; at most 1,000."""
        return await self._persistence.read(lambda reads: list(map(_schedule_view, reads.schedules())))

    async def sinks(self) -> list[SinkView]:
        """The sinks that ever delivered or failed to, by id."""

        def read(reads: ReadStore) -> list[SinkView]:
            return [SinkView(**one.sink._asdict(), pending=one.pending, dead=one.dead) for one in reads.sinks()]

        return await self._persistence.read(read)

    async def _read_of(self, run_id: str | None, fn: Callable[[ReadStore], R]) -> R:
        """A read about a run, or about all."""
        if run_id is not None and not storable(run_id):
            raise RunNotFound(run_id)
        return await self._persistence.read(fn)


def _audit_view(record: AuditRecord) -> AuditView:
    return AuditView(
        id=str(record.seq),
        created_at=record.created_at,
        actor=record.actor,
        command=record.command,
        target=record.target,
        run_id=record.run_id,
        reason=record.reason,
        before=None if record.before is None else loads(record.before),
        after=None if record.after is None else loads(record.after),
        idempotency_key=record.idempotency_key,
    )


def _schedule_view(record: ScheduleRecord) -> ScheduleView:
    command = loads(record.command)
    return ScheduleView(
        id=record.id,
        command=command["type"],
        workflow_id=command.get("workflow_id"),
        cron=record.cron,
        zone=record.zone,
        due_at=record.due_at,
        created_at=record.created_at,
        last_fired_at=record.last_fired_at,
        fired=record.fired,
        last_error=record.last_error,
        actor=record.actor,
    )


def _failure_view(found: FailureSum) -> FailureView:
    return FailureView(
        fingerprint=found.fingerprint,
        code=found.code,
        example=found.example,
        workflow_id=found.workflow_id,
        stage_id=found.stage_id,
        runs=found.runs,
        first_at=found.first_at,
        last_at=found.last_at,
        wasted=found.wasted or Decimal(0),
    )
