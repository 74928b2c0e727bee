"""Reading the whole: counts, the queue, definitions, costs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Integer,
    Select,
    and_,
    case,
    cast,
    exists,
    func,
    literal,
    not_,
    or_,
    select,
    union,
)

from engine.errors import InvalidInput, Problem
from engine.model.criteria import RunFilter
from engine.model.read_records import Activity, CostSum, DefinitionRef, FailureSum, QueueCount, RunCount
from engine.model.status import JobStatus, RunStatus, StageStatus
from engine.model.zones import Offsets, offsets_of
from engine.stores.sql.ai_tables import ai_calls
from engine.stores.sql.instants import LocalDay
from engine.stores.sql.reading import AnyRow, Reading
from engine.stores.sql.reads_ai import unknown_price
from engine.stores.sql.rows import constant, where
from engine.stores.sql.run_conditions import aware, conditions_of
from engine.stores.sql.tables import attempts, definitions, events, jobs, run_stats, runs, stages, workers
from engine.stores.sql.types import Money

_EPOCH = date(1970, 1, 1)
_DAY = "day"


def _count(*conditions: ColumnElement[bool]) -> Any:
    return select(func.count()).where(*conditions).scalar_subquery()


_counts = (
    select(run_stats.c.workflow_id, run_stats.c.status, cast(func.sum(run_stats.c.count), BigInteger))
    .group_by(run_stats.c.workflow_id, run_stats.c.status)
    .order_by(run_stats.c.workflow_id, run_stats.c.status)
)
# Without GROUP BY: it would tempt the planner to walk the index on status, all runs of it.
_ended = select(
    func.count(),
    func.sum(case((runs.c.status == constant(RunStatus.FAILED), 1), else_=0)),
    func.sum(case((runs.c.completed_at >= where("short"), 1), else_=0)),
).where(runs.c.completed_at >= where("long"))
_OPEN_JOBS = (JobStatus.PENDING, JobStatus.SCHEDULED, JobStatus.RUNNING)
_job_is_due = jobs.c.status == constant(JobStatus.PENDING)
_job_comes_due = and_(jobs.c.status == constant(JobStatus.SCHEDULED), jobs.c.due_at <= where("now"))
_open = (events.c.published_at.is_(None), events.c.dead_at.is_(None), events.c.discarded_at.is_(None))
_dead = (events.c.dead_at.is_not(None), events.c.discarded_at.is_(None))
_totals = select(
    _count(_job_is_due),
    _count(_job_comes_due),
    _count(*_open),
    _count(*_dead),
    _count(workers.c.alive_until >= where("now")),
    _count(workers.c.id.is_not(None)),
)
_spent = select(func.sum(ai_calls.c.cost)).where(ai_calls.c.created_at >= where("day"))
_unpriced = select(func.count()).where(ai_calls.c.created_at >= where("day"), unknown_price())
_job_states = (
    select(
        jobs.c.workflow_id,
        _job_comes_due.label("came_due"),
        jobs.c.status,
        func.count(),
        func.min(jobs.c.created_at),
    )
    .where(or_(*(jobs.c.status == constant(one) for one in _OPEN_JOBS)))
    .group_by(jobs.c.workflow_id, _job_comes_due, jobs.c.status)
)
_oldest_runs = (
    select(runs.c.workflow_id, func.min(runs.c.created_at))
    .where(runs.c.status == constant(RunStatus.PENDING), not_(runs.c.delayed))
    .group_by(runs.c.workflow_id)
)
_newest = select(definitions.c.workflow_id, definitions.c.fingerprint, definitions.c.created_at).order_by(
    definitions.c.workflow_id, definitions.c.created_at, definitions.c.fingerprint
)

# An attempt's money is wasted when nothing came of it: it failed, was cancelled, or another one followed or is queued.
# No stage of a completed run has failed, and few were tried again: only the calls of the other runs are looked at.
_bad = (StageStatus.FAILED, StageStatus.CANCELLED, StageStatus.PENDING)
_good = tuple(stages.c.status != constant(status) for status in _bad)
_not_completed = or_(
    *(runs.c.status == constant(one) for one in (RunStatus.FAILED, RunStatus.CANCELLED, RunStatus.RUNNING))
)
_losing_runs = union(select(runs.c.id).where(_not_completed), select(attempts.c.run_id))
_came_to_nothing = and_(
    ai_calls.c.stage_id.is_not(None),
    ai_calls.c.run_id.in_(_losing_runs),
    ~exists().where(
        stages.c.run_id == ai_calls.c.run_id,
        stages.c.stage_id == ai_calls.c.stage_id,
        stages.c.attempt == ai_calls.c.attempt,
        *_good,
    ),
)
_COST_KEYS: dict[str, ColumnElement[Any]] = {
    "model": ai_calls.c.model,
    "provider": ai_calls.c.provider,
    "workflow": ai_calls.c.workflow_id,
    "stage": ai_calls.c.stage_id,
    "topic": ai_calls.c.topic,
    "run": ai_calls.c.run_id,
}


def _how_many(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.sum(case((condition, 1), else_=0))


def _dollars(amount: ColumnElement[Any]) -> ColumnElement[Decimal]:
    return func.coalesce(func.sum(amount), literal(Decimal(0), Money))


def _cost_keys(by: Sequence[str], offsets: Offsets) -> list[Any]:
    known = {**_COST_KEYS, _DAY: LocalDay(ai_calls.c.created_at, offsets)}
    return [known[name].label(f"key_{index}") for index, name in enumerate(by)]


def _cost_sums(by: Sequence[str], offsets: Offsets, conditions: Sequence[ColumnElement[bool]]) -> Select[Any]:
    """Summed by run first: to count distinct runs any other way, every group would be sorted."""
    keys = _cost_keys(by, offsets)
    of_run = (
        select(
            *keys,
            ai_calls.c.run_id.label("run"),
            func.count().label("calls"),
            _how_many(or_(ai_calls.c.error.is_not(None), ai_calls.c.status == constant("interrupted"))).label("failed"),
            func.sum(cast(ai_calls.c.reused, Integer)).label("reused"),
            func.sum(ai_calls.c.input_tokens).label("input_tokens"),
            func.sum(ai_calls.c.output_tokens).label("output_tokens"),
            _dollars(ai_calls.c.cost).label("cost"),
            _how_many(unknown_price()).label("unpriced"),
        )
        .where(*conditions)
        .group_by(*keys, ai_calls.c.run_id)
        .subquery()
    )
    named = [of_run.c[key.name] for key in keys]
    cost = _dollars(of_run.c.cost).label("cost")
    sums = (func.sum(of_run.c[name]) for name in ("failed", "reused", "input_tokens", "output_tokens"))
    return (
        select(
            *named,
            func.sum(of_run.c.calls),
            func.count(of_run.c.run),
            *sums,
            cost,
            func.sum(of_run.c.unpriced),
        )
        .group_by(*named)
        .order_by(cost.desc(), *named)
    )


def _wasted_sums(by: Sequence[str], offsets: Offsets, conditions: Sequence[ColumnElement[bool]]) -> Select[Any]:
    keys = _cost_keys(by, offsets)
    return select(*keys, _dollars(ai_calls.c.cost)).where(_came_to_nothing, *conditions).group_by(*keys)


def _key_text(name: str, value: Any) -> str | None:
    if value is None:
        return None
    return (_EPOCH + timedelta(days=int(value))).isoformat() if name == _DAY else str(value)


def _cost_sum(by: Sequence[str], row: AnyRow, wasted: Decimal) -> CostSum:
    key = tuple(_key_text(name, value) for name, value in zip(by, row, strict=False))
    calls, runs_, failed, reused, tokens_in, tokens_out, cost, unpriced = row[len(by) :]
    counted = (int(calls), runs_, int(failed), int(reused), int(tokens_in), int(tokens_out))
    return CostSum(key, *counted, Decimal(cost), wasted, int(unpriced))


class TotalReads(Reading):
    """The part of `engine.ports.reads.ReadStore` about sums."""

    def counts(self) -> list[RunCount]:
        return [RunCount(row[0], RunStatus(row[1]), row[2]) for row in self._ask(_counts)]

    def activity(self, *, long_window: datetime, short_window: datetime, day: datetime) -> Activity:
        ended, failed, lately = self._ask(_ended, {"b_long": long_window, "b_short": short_window}).one()
        due, came_due, undelivered, dead, alive, known = self._ask(_totals, {"b_now": self.now}).one()
        cost = self._ask(_spent, {"b_day": day}).scalar_one()
        unpriced = self._ask(_unpriced, {"b_day": day}).scalar_one()
        return Activity(
            ended=ended,
            ended_failed=int(failed or 0),
            ended_lately=int(lately or 0),
            due_jobs=due + came_due,
            undelivered=undelivered,
            dead_letters=dead,
            workers_alive=alive,
            workers_known=known,
            cost=cost or Decimal(0),
            unpriced=unpriced,
        )

    def failures(self, criteria: RunFilter, limit: int) -> list[FailureSum]:
        found = conditions_of(criteria, self.now, self._dialect)
        keys = (runs.c.error_fingerprint, runs.c.error_code, runs.c.workflow_id, runs.c.failed_stage)
        fingerprint, code, workflow_id, stage_id = keys
        how_many = func.count()
        statement = (
            select(
                fingerprint,
                code,
                func.max(runs.c.error),
                workflow_id,
                stage_id,
                how_many,
                func.min(runs.c.completed_at),
                func.max(runs.c.completed_at),
                func.sum(runs.c.total_cost),
            )
            .where(runs.c.status == constant(RunStatus.FAILED), *found.clauses)
            .group_by(*keys)
            .order_by(how_many.desc(), workflow_id, fingerprint)
            .limit(limit)
        )
        return [FailureSum._make(row) for row in self._ask(statement, found.values)]

    def queue(self) -> list[QueueCount]:
        counts: dict[str, dict[JobStatus, int]] = defaultdict(lambda: defaultdict(int))
        oldest: dict[str, list[datetime]] = defaultdict(list)
        for workflow_id, came_due, status, count, since in self._ask(_job_states, {"b_now": self.now}):
            state = JobStatus.PENDING if came_due else JobStatus(status)
            counts[workflow_id][state] += count
            if state == JobStatus.PENDING:
                oldest[workflow_id].append(since)
        for workflow_id, since in self._ask(_oldest_runs):
            oldest[workflow_id].append(since)
        return [
            QueueCount(
                workflow_id,
                counts[workflow_id][JobStatus.PENDING],
                counts[workflow_id][JobStatus.SCHEDULED],
                counts[workflow_id][JobStatus.RUNNING],
                min(oldest[workflow_id], default=None),
            )
            for workflow_id in sorted({*counts, *oldest})
        ]

    def definitions(self) -> list[DefinitionRef]:
        newest = {row[0]: DefinitionRef(row[0], row[1], row[2]) for row in self._ask(_newest)}
        return list(newest.values())

    def costs(
        self,
        by: Sequence[str],
        *,
        since: datetime | None,
        until: datetime | None,
        criteria: RunFilter | None,
        limit: int,
        zone: tzinfo = UTC,
    ) -> list[CostSum]:
        names = (*_COST_KEYS, _DAY)
        unknown = [name for name in by if name not in names]
        if unknown or not by:
            wrong = ", ".join(unknown) or "nothing"
            raise InvalidInput([Problem("by", f"can't sum by {wrong}; there are: {', '.join(names)}")])
        conditions: list[ColumnElement[bool]] = []
        if since is not None:
            conditions.append(ai_calls.c.created_at >= aware(since, "since"))
        if until is not None:
            conditions.append(ai_calls.c.created_at < aware(until, "until"))
        values: dict[str, Any] = {}
        if criteria is not None and criteria != RunFilter():
            found = conditions_of(criteria, self.now, self._dialect)
            values = found.values
            conditions.append(ai_calls.c.run_id.in_(select(runs.c.id).where(*found.clauses)))
        offsets = offsets_of(zone, self.now)
        sums = self._ask(_cost_sums(by, offsets, conditions).limit(limit), values).all()
        lost = self._ask(_wasted_sums(by, offsets, conditions), values)
        wasted = {tuple(row[: len(by)]): Decimal(row[-1]) for row in lost}
        return [_cost_sum(by, row, wasted.get(tuple(row[: len(by)]), Decimal(0))) for row in sums]
