"""Reading who holds what, which definitions unfinished runs have, and what dead letters have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Text, and_, case, cast, distinct, func, not_, or_, select
from sqlalchemy.sql.functions import aggregate_strings

from engine.model.read_records import LeaseRow, LetterGroup, OpenStage, UnfinishedCount
from engine.model.records import EventRecord
from engine.model.status import JobStatus, RunStatus, StageStatus
from engine.stores.sql.dialect import Prepared
from engine.stores.sql.outbox import EVENT
from engine.stores.sql.reading import Reading
from engine.stores.sql.rows import constant, where
from engine.stores.sql.tables import events, jobs, runs, stages

_leases = (
    select(
        jobs.c.id,
        jobs.c.worker_id,
        jobs.c.run_id,
        jobs.c.workflow_id,
        jobs.c.stage_id,
        jobs.c.attempt,
        stages.c.started_at,
        jobs.c.leased_until,
    )
    .select_from(jobs.outerjoin(stages, stages.c.id == jobs.c.stage_ref))
    .where(jobs.c.status == constant(JobStatus.RUNNING))
    .order_by(jobs.c.worker_id, stages.c.started_at, jobs.c.id)
    .limit(where("limit"))
)
_is_running = runs.c.status == constant(RunStatus.RUNNING)
_keys = (runs.c.workflow_id, runs.c.definition)
_unfinished = (
    select(*_keys, runs.c.group_no, func.count())
    .where(or_(runs.c.status == constant(RunStatus.PENDING), _is_running))
    .group_by(*_keys, runs.c.group_no)
    .order_by(*_keys, runs.c.group_no)
)
_waits = stages.c.status == constant(StageStatus.SUSPENDED)
_open_stages = (
    select(*_keys, stages.c.stage_id, func.max(case((_waits, 1), else_=0)))
    .select_from(runs.join(stages, and_(stages.c.run_id == runs.c.id, stages.c.group_no == runs.c.group_no)))
    .where(
        _is_running,
        not_(
            or_(
                *(stages.c.status == constant(status) for status in (StageStatus.COMPLETED, StageStatus.SKIPPED)),
            )
        ),
    )
    .group_by(*_keys, stages.c.stage_id)
    .order_by(*_keys, stages.c.stage_id)
)
_is_dead = (events.c.dead_at.is_not(None), events.c.discarded_at.is_(None))
_of_type = (
    select(
        events.c.fingerprint,
        events.c.sink,
        events.c.type,
        func.max(events.c.last_error).label("example"),
        func.count().label("events"),
        func.min(events.c.dead_at).label("first_at"),
        func.max(events.c.dead_at).label("last_at"),
    )
    .where(*_is_dead)
    .group_by(events.c.fingerprint, events.c.sink, events.c.type)
    .subquery()
)
_runs_of = (
    select(events.c.fingerprint, events.c.sink, func.count(distinct(events.c.run_id)).label("runs"))
    .where(*_is_dead)
    .group_by(events.c.fingerprint, events.c.sink)
    .subquery()
)


def _same(one: Any, other: Any) -> Any:
    return func.coalesce(one, "") == func.coalesce(other, "")


_groups = (
    select(
        _of_type.c.fingerprint,
        _of_type.c.sink,
        func.max(_of_type.c.example),
        aggregate_strings(cast(_of_type.c.type, Text), ","),
        func.sum(_of_type.c.events),
        func.max(_runs_of.c.runs),
        func.min(_of_type.c.first_at),
        func.max(_of_type.c.last_at),
    )
    .select_from(
        _of_type.join(
            _runs_of,
            and_(_same(_of_type.c.fingerprint, _runs_of.c.fingerprint), _same(_of_type.c.sink, _runs_of.c.sink)),
        )
    )
    .group_by(_of_type.c.fingerprint, _of_type.c.sink)
    .order_by(func.sum(_of_type.c.events).desc(), _of_type.c.fingerprint, _of_type.c.sink)
    .limit(where("limit"))
)
_prepared = Prepared(
    by_id=lambda dialect: select(*EVENT.columns).where(dialect.member(events.c.id, "ids")).order_by(events.c.id),
    dead_of=lambda dialect: (
        select(events.c.run_id, func.count())
        .where(dialect.member(events.c.run_id, "runs"), *_is_dead)
        .group_by(events.c.run_id)
    ),
)


class FleetReads(Reading):
    """The part of `engine.ports.reads.ReadStore` about leases, deploys and groups of dead letters."""

    def leases(self, limit: int) -> list[LeaseRow]:
        return [LeaseRow._make(row) for row in self._ask(_leases, {"b_limit": limit})]

    def unfinished(self) -> list[UnfinishedCount]:
        return [UnfinishedCount._make(row) for row in self._ask(_unfinished)]

    def open_stages(self) -> list[OpenStage]:
        return [OpenStage(row[0], row[1], row[2], bool(row[3])) for row in self._ask(_open_stages)]

    def dead_letter_groups(self, limit: int) -> list[LetterGroup]:
        found = [LetterGroup._make(row) for row in self._ask(_groups, {"b_limit": limit})]
        return [group._replace(events=int(group.events), runs=int(group.runs)) for group in found]

    def dead_letters_of(self, run_ids: Sequence[str]) -> dict[str, int]:
        if not run_ids:
            return {}
        found = self._ask(_prepared(self._dialect).dead_of, {"runs": self._listed(run_ids)})
        return {run_id: number for run_id, number in found}  # noqa: C416

    def events_by_id(self, event_ids: Sequence[str]) -> list[EventRecord]:
        return EVENT.records(self._ask(_prepared(self._dialect).by_id, {"ids": self._listed(event_ids)}))
