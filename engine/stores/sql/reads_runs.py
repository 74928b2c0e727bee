"""Reading runs: the list, one whole, and all it takes to explain one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Select, and_, bindparam, func, not_, or_, select, tuple_

from engine.model.criteria import PageRequest, RunFilter
from engine.model.read_records import AttemptRow, RunRow, RunWhole, Situation, Slice, StageRow
from engine.model.records import ArtifactRecord, JobRecord, PauseRecord, StageRecord, WorkerRecord
from engine.model.status import TERMINAL_JOB, JobStatus, RunStatus, StageStatus
from engine.stores.sql.ai_tables import ai_calls
from engine.stores.sql.dialect import Prepared
from engine.stores.sql.jobs import JOB
from engine.stores.sql.keyset import INSTANT, INTEGER, MONEY, TEXT, Key, order_of
from engine.stores.sql.operations import PAUSE
from engine.stores.sql.reads_ai import AIReads, unknown_price
from engine.stores.sql.registers import WORKER
from engine.stores.sql.rows import Mapping, constant, where
from engine.stores.sql.run_conditions import conditions_of, duration_until, prefix_range
from engine.stores.sql.side_tables import paused_workflows
from engine.stores.sql.stages import ARTIFACT, STAGE
from engine.stores.sql.tables import artifacts, attempts, definitions, jobs, runs, stages, workers
from engine.stores.sql.types import UtcDateTime

ROW = Mapping(RunRow, runs, {"status": RunStatus})
ATTEMPT_ROW = Mapping(AttemptRow, attempts, {"status": StageStatus})
STAGE_ROW = Mapping(StageRow, stages, {"status": StageStatus})

_TIE = Key(runs.c.id, TEXT)
_KEYS = {
    "created_at": Key(runs.c.created_at, INSTANT),
    "updated_at": Key(runs.c.updated_at, INSTANT),
    "started_at": Key(runs.c.started_at, INSTANT, nullable=True),
    "completed_at": Key(runs.c.completed_at, INSTANT, nullable=True),
    "priority": Key(runs.c.priority, INTEGER),
    "total_cost": Key(runs.c.total_cost, MONEY, nullable=True),
    "total_tokens": Key(runs.c.total_tokens, INTEGER),
    "workflow_id": Key(runs.c.workflow_id, TEXT),
    "status": Key(runs.c.status, TEXT),
    "error_code": Key(runs.c.error_code, TEXT, nullable=True),
}


def _keys(as_of: datetime) -> dict[str, Key]:
    return {**_KEYS, "duration_ms": Key(duration_until(as_of), INTEGER, nullable=True)}


_whole = select(*ROW.columns, runs.c.input, runs.c.config, runs.c.metadata, runs.c.output).where(
    runs.c.id == where("id")
)
_row = select(*ROW.columns).where(runs.c.id == where("id"))
_pause = select(*PAUSE.columns).where(paused_workflows.c.workflow_id == where("workflow"))
_exists = select(runs.c.id).where(runs.c.id == where("id"))
_stages = (
    select(*STAGE.columns, stages.c.input)
    .where(stages.c.run_id == where("run"))
    .order_by(stages.c.group_no, stages.c.number)
)
_attempts = (
    select(*ATTEMPT_ROW.columns)
    .where(attempts.c.run_id == where("run"))
    .order_by(attempts.c.stage_id, attempts.c.attempt)
)
_artifacts = (
    select(*ARTIFACT.columns)
    .where(artifacts.c.run_id == where("run"))
    .order_by(artifacts.c.stage_id, artifacts.c.attempt, artifacts.c.name)
)
_unpriced_attempts = (
    select(ai_calls.c.stage_id, ai_calls.c.attempt)
    .where(ai_calls.c.run_id == where("run"), unknown_price(), ai_calls.c.stage_id.is_not(None))
    .distinct()
)
_jobs = select(*JOB.columns).where(
    jobs.c.run_id == where("run"),
    not_(or_(*(jobs.c.status == constant(status) for status in sorted(TERMINAL_JOB)))),
)
_workers = select(*WORKER.columns).order_by(workers.c.id)


def _before(priority: ColumnElement[int], *place: ColumnElement[object]) -> ColumnElement[bool]:
    """Goes before the one bound: a higher priority, or the same and older."""
    bound = bindparam("b_priority", type_=BigInteger())
    theirs = tuple_(bindparam("b_created", type_=UtcDateTime), bindparam("b_id"))
    return or_(priority > bound, and_(priority == bound, tuple_(*place) < theirs))


_jobs_ahead = select(func.count()).where(
    jobs.c.status == constant(JobStatus.PENDING), _before(jobs.c.priority, jobs.c.created_at, jobs.c.id)
)
_runs_ahead = select(func.count()).where(
    runs.c.status == constant(RunStatus.PENDING),
    not_(runs.c.delayed),
    _before(runs.c.priority, runs.c.created_at, runs.c.id),
)
_prepared = Prepared(
    reached=lambda dialect: (
        select(*STAGE_ROW.columns)
        .join(runs, and_(runs.c.id == stages.c.run_id, runs.c.group_no == stages.c.group_no))
        .where(dialect.member(stages.c.run_id, "runs"))
        .order_by(stages.c.run_id, stages.c.number)
    ),
    unpriced=lambda dialect: (
        select(ai_calls.c.run_id).where(dialect.member(ai_calls.c.run_id, "runs"), unknown_price()).distinct()
    ),
    plans=lambda dialect: select(definitions.c.workflow_id, definitions.c.fingerprint, definitions.c.plan).where(
        dialect.member(definitions.c.workflow_id, "workflows"),
        dialect.member(definitions.c.fingerprint, "fingerprints"),
    ),
)


class RunReads(AIReads):
    """The part of `engine.ports.reads.ReadStore` about runs."""

    def runs(self, criteria: RunFilter, page: PageRequest) -> Slice[RunRow]:
        order = order_of(page, _keys(self.now), _TIE, "-created_at")
        mark = order.mark(page.cursor) if page.cursor else None
        if mark:
            order = order_of(page, _keys(mark.as_of), _TIE, "-created_at")
        found = conditions_of(criteria, self.now, self._dialect)
        narrow = select(order.key.column.label("sort_value"), runs.c.id.label("tie")).where(*found.clauses)

        def whole(cut: Select[Any]) -> Select[Any]:
            chosen = cut.subquery("chosen")
            rows = select(*ROW.columns, *chosen.c).join(chosen, chosen.c.tie == runs.c.id)
            return order.again(rows, chosen.c.sort_value, chosen.c.tie)

        return self._turn(narrow, order, page, ROW.record, mark=mark, values=found.values, widen=whole)

    def run(self, run_id: str) -> RunWhole | None:
        row = self._ask(_whole, {"b_id": run_id}).first()
        return None if row is None else RunWhole(ROW.record(row), row[-4], row[-3], row[-2], row[-1])

    def exists(self, run_id: str) -> bool:
        return self._ask(_exists, {"b_id": run_id}).first() is not None

    def resolve(self, prefix: str, limit: int) -> list[str]:
        statement = select(runs.c.id).where(prefix_range(prefix)).order_by(runs.c.id).limit(limit)
        return list(self._ask(statement).scalars())

    def reached(self, run_ids: Sequence[str]) -> list[StageRow]:
        if not run_ids:
            return []
        return STAGE_ROW.records(self._ask(_prepared(self._dialect).reached, {"runs": self._listed(run_ids)}))

    def unpriced_runs(self, run_ids: Sequence[str]) -> set[str]:
        if not run_ids:
            return set()
        rows = self._ask(_prepared(self._dialect).unpriced, {"runs": self._listed(run_ids)})
        return set(rows.scalars())

    def plans(self, definitions: Iterable[tuple[str, str]]) -> dict[tuple[str, str], str]:
        wanted = set(definitions)
        if not wanted:
            return {}
        values = {
            "workflows": self._listed({workflow_id for workflow_id, _ in wanted}),
            "fingerprints": self._listed({fingerprint for _, fingerprint in wanted}),
        }
        rows = self._ask(_prepared(self._dialect).plans, values)
        return {(row[0], row[1]): row[2] for row in rows if (row[0], row[1]) in wanted}

    def stages(self, run_id: str) -> list[tuple[StageRecord, str | None]]:
        return [(STAGE.record(row), row[-1]) for row in self._ask(_stages, {"b_run": run_id})]

    def attempts(self, run_id: str) -> list[AttemptRow]:
        return ATTEMPT_ROW.records(self._ask(_attempts, {"b_run": run_id}))

    def artifacts(self, run_id: str) -> list[ArtifactRecord]:
        return ARTIFACT.records(self._ask(_artifacts, {"b_run": run_id}))

    def unpriced_attempts(self, run_id: str) -> set[tuple[str, int]]:
        return {(row[0], row[1]) for row in self._ask(_unpriced_attempts, {"b_run": run_id})}

    def workers(self) -> list[WorkerRecord]:
        return WORKER.records(self._ask(_workers))

    def situation(self, run_id: str) -> Situation | None:
        row = self._ask(_row, {"b_id": run_id}).first()
        if row is None:
            return None
        run = ROW.record(row)
        active = JOB.records(self._ask(_jobs, {"b_run": run_id}))
        return Situation(
            run,
            self.reached([run_id]),
            active,
            self._ahead(run, active),
            self.workers(),
            self._pause(run.workflow_id),
            self.open_calls(run_id) if run.status == RunStatus.RUNNING else [],
            self.limits(run_id),
        )

    def _pause(self, workflow_id: str) -> PauseRecord | None:
        row = self._ask(_pause, {"b_workflow": workflow_id}).first()
        return None if row is None else PAUSE.record(row)

    def _ahead(self, run: RunRow, active: Sequence[JobRecord]) -> dict[str, int]:
        found: dict[str, int] = {}
        if run.status == RunStatus.PENDING:
            place = {"b_priority": run.priority, "b_created": run.created_at, "b_id": run.id}
            found[run.id] = self._ask(_runs_ahead, place).scalar_one()
        for job in active:
            if job.status == JobStatus.PENDING:
                place = {"b_priority": job.priority, "b_created": job.created_at, "b_id": job.id}
                found[job.id] = self._ask(_jobs_ahead, place).scalar_one()
        return found
