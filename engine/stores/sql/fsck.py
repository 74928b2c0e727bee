"""What must always hold in a database of ours, as queries for what breaks it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import ColumnElement, Select, String, and_, case, cast, exists, func, literal, or_, select, union_all

from engine.model.read_records import Inconsistency
from engine.model.status import ACTIVE_JOB, ACTIVE_STAGE, TERMINAL_RUN, JobStatus, RunStatus, StageStatus
from engine.stores.sql.ai_tables import ai_calls
from engine.stores.sql.reading import Reading
from engine.stores.sql.rows import constant
from engine.stores.sql.tables import artifacts, attempts, definitions, events, jobs, run_stats, runs, stages

EXAMPLES = 20

_MARK = "@"


def _among(column: ColumnElement[str], statuses: frozenset[Any]) -> ColumnElement[bool]:
    return column.in_([constant(status) for status in sorted(statuses)])


def _sum(*conditions: ColumnElement[bool]) -> ColumnElement[int]:
    return func.coalesce(func.sum(case((and_(*conditions), 1), else_=0)), 0)


_run_is_over = _among(runs.c.status, TERMINAL_RUN)
_running = runs.c.status == constant(RunStatus.RUNNING)
_active_stage = _among(stages.c.status, ACTIVE_STAGE)
_active_job = _among(jobs.c.status, ACTIVE_JOB)
_executing = jobs.c.status == constant(JobStatus.RUNNING)
_ends = [f"workflow:{word}" for word in ("completed", "failed", "cancelled")]
_stage = stages.c.run_id + literal("/") + stages.c.stage_id
_job = jobs.c.run_id + literal("/") + jobs.c.stage_id

_histories = (
    select(
        events.c.run_id,
        func.count().label("many"),
        func.min(events.c.sequence).label("first"),
        func.max(events.c.sequence).label("last"),
        _sum(events.c.type == "workflow:started").label("starts"),
        _sum(events.c.type.in_(_ends)).label("ends"),
    )
    .group_by(events.c.run_id)
    .subquery()
)
_too_many_ends = or_(
    and_(_run_is_over, ~(_histories.c.ends - _histories.c.starts).in_([0, 1])),
    and_(_running, ~(_histories.c.ends - _histories.c.starts).in_([-1, 0])),
    and_(runs.c.status == constant(RunStatus.PENDING), _histories.c.ends + _histories.c.starts != 0),
)
_last_end = (
    select(events.c.run_id, func.max(events.c.sequence).label("sequence"))
    .where(events.c.type.in_(_ends))
    .group_by(events.c.run_id)
    .subquery()
)
_open = (
    select(func.count())
    .where(stages.c.run_id == runs.c.id, stages.c.group_no == runs.c.group_no, _active_stage)
    .scalar_subquery()
)
_spent = (
    select(
        ai_calls.c.run_id,
        func.sum(ai_calls.c.cost).label("cost"),
        func.sum(ai_calls.c.input_tokens + ai_calls.c.output_tokens).label("tokens"),
    )
    .where(ai_calls.c.run_id.is_not(None))
    .group_by(ai_calls.c.run_id)
    .subquery()
)
_earlier = stages.alias("earlier")
_counted = (
    select(runs.c.workflow_id, runs.c.status, func.count().label("many"))
    .group_by(runs.c.workflow_id, runs.c.status)
    .subquery()
)
_rolled_up = (
    select(run_stats.c.workflow_id, run_stats.c.status, func.sum(run_stats.c.count).label("many"))
    .group_by(run_stats.c.workflow_id, run_stats.c.status)
    .subquery()
)
_same_count = and_(
    _counted.c.workflow_id == _rolled_up.c.workflow_id,
    _counted.c.status == _rolled_up.c.status,
)

RULES: dict[str, Select[Any]] = {
    "events are numbered 1..n": select(_histories.c.run_id).where(
        or_(_histories.c.first != 1, _histories.c.last != _histories.c.many)
    ),
    "a run knows its last event": select(runs.c.id)
    .outerjoin(_histories, _histories.c.run_id == runs.c.id)
    .where(runs.c.last_sequence != func.coalesce(_histories.c.last, 0)),
    "every life of a run ends once": select(runs.c.id)
    .join(_histories, _histories.c.run_id == runs.c.id)
    .where(_too_many_ends),
    "the last event tells the end": select(runs.c.id)
    .join(_last_end, _last_end.c.run_id == runs.c.id)
    .join(events, and_(events.c.run_id == runs.c.id, events.c.sequence == _last_end.c.sequence))
    .where(_run_is_over, events.c.type != literal("workflow:") + func.lower(runs.c.status)),
    "a run that is over has no open stage": select(_stage)
    .join(runs, runs.c.id == stages.c.run_id)
    .where(_run_is_over, _active_stage),
    "a run that is over has no open job": select(_job)
    .join(runs, runs.c.id == jobs.c.run_id)
    .where(_run_is_over, _active_job),
    "a run that goes on has an open stage": select(runs.c.id).where(
        _running, ~exists().where(stages.c.run_id == runs.c.id, _active_stage)
    ),
    "a run counts its open stages": select(runs.c.id).where(_running, runs.c.open_stages != _open),
    "a group starts after the one before is complete": select(_stage)
    .join(_earlier, and_(_earlier.c.run_id == stages.c.run_id, _earlier.c.group_no < stages.c.group_no))
    .where(_earlier.c.status != constant(StageStatus.COMPLETED)),
    "a completed stage has its output": select(_stage).where(
        stages.c.status == constant(StageStatus.COMPLETED), stages.c.output.is_(None)
    ),
    "an open stage has one open job": select(_stage).where(
        _active_stage,
        select(func.count()).where(jobs.c.stage_ref == stages.c.id, _active_job).scalar_subquery() != 1,
    ),
    "an executing job has an executing stage": select(_job).where(
        _executing,
        ~exists().where(stages.c.id == jobs.c.stage_ref, stages.c.status == constant(StageStatus.RUNNING)),
    ),
    "an executing stage has an executing job": select(_stage).where(
        stages.c.status == constant(StageStatus.RUNNING),
        ~exists().where(jobs.c.stage_ref == stages.c.id, _executing),
    ),
    "a lease is held while a job executes": select(_job).where(
        or_(and_(_executing, jobs.c.lease_token.is_(None)), and_(~_executing, jobs.c.lease_token.is_not(None)))
    ),
    "no stage is tried more often than it may": select(_stage).where(stages.c.tries > stages.c.max_attempts),
    "attempts that are over come before the current": select(attempts.c.run_id + literal("/") + attempts.c.stage_id)
    .join(stages, and_(stages.c.run_id == attempts.c.run_id, stages.c.stage_id == attempts.c.stage_id))
    .where(attempts.c.attempt > stages.c.attempt),
    "every run has its definition": select(runs.c.id).where(
        ~exists().where(definitions.c.workflow_id == runs.c.workflow_id, definitions.c.fingerprint == runs.c.definition)
    ),
    "a run's money is that of its AI calls": select(runs.c.id)
    .outerjoin(_spent, _spent.c.run_id == runs.c.id)
    .where(
        or_(
            func.coalesce(runs.c.total_cost, 0) != func.coalesce(_spent.c.cost, 0),
            runs.c.total_tokens != func.coalesce(_spent.c.tokens, 0),
        )
    ),
    "runs are counted right": select(_counted.c.workflow_id + literal(" ") + _counted.c.status)
    .outerjoin(_rolled_up, _same_count)
    .where(_counted.c.many != func.coalesce(_rolled_up.c.many, 0)),
    "no run is counted that isn't there": select(_rolled_up.c.workflow_id + literal(" ") + _rolled_up.c.status)
    .outerjoin(_counted, _same_count)
    .where(_counted.c.many.is_(None), _rolled_up.c.many != 0),
}

_pointers = union_all(
    select(runs.c.output).where(runs.c.output.startswith(_MARK)),
    select(stages.c.output).where(stages.c.output.startswith(_MARK)),
    select(attempts.c.output).where(attempts.c.output.startswith(_MARK)),
)
_artifacts = select(artifacts.c.blob_key, artifacts.c.digest)


class FsckReads(Reading):
    """The part of `engine.ports.reads.ReadStore` that looks for what can't be."""

    def inconsistencies(self) -> list[Inconsistency]:
        found = [Inconsistency("the database is whole", len(broken), broken[:EXAMPLES]) for broken in self._broken()]
        for rule, query in RULES.items():
            wrong = query.subquery()
            many = self._ask(select(func.count()).select_from(wrong)).scalar_one()
            if many:
                first = select(cast(wrong.c[0], String)).limit(EXAMPLES)
                found.append(Inconsistency(rule, many, list(self._ask(first).scalars())))
        return found

    def _broken(self) -> Iterator[list[str]]:
        for statement in self._dialect.integrity:
            rows = [" ".join(map(str, row)) for row in self._connection.exec_driver_sql(statement)]
            wrong = [row for row in rows if row != "ok"]
            if wrong:
                yield wrong

    def pointers(self) -> list[str]:
        return list(self._ask(_pointers).scalars())

    def artifact_blobs(self) -> list[tuple[str, str]]:
        return [(row[0], row[1]) for row in self._ask(_artifacts)]
