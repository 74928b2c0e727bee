"""Runs, in statements."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from collections.abc import Mapping as ReadOnlyMapping
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, bindparam, case, exists, func, literal_column, not_, select, update

from engine.model.records import RunRecord
from engine.model.status import JobStatus, RunStatus, StageStatus
from engine.stores.sql.dialect import Dialect, Prepared
from engine.stores.sql.rows import Mapping, constant, where
from engine.stores.sql.tables import jobs, runs, stages
from engine.stores.sql.types import UtcDateTime

RUN = Mapping(RunRecord, runs, {"status": RunStatus})
_IDENTITY = {"id", "workflow_id", "workflow_name", "created_at", "version", "total_cost", "total_tokens"}
_MOVING = [name for name in RUN.names if name not in _IDENTITY]

_get = select(*RUN.columns).where(runs.c.id == where("id"))
_insert = runs.insert()
_save = (
    update(runs)
    .where(runs.c.id == where("id"), runs.c.version == where("version"))
    .values(
        {
            **{name: bindparam(name) for name in _MOVING},
            "version": runs.c.version + 1,
            # A run that gets new events is due for delivery, if it isn't already.
            "flush_due_at": case(
                (
                    runs.c.last_sequence < bindparam("last_sequence"),
                    func.coalesce(runs.c.flush_due_at, bindparam("b_now", type_=UtcDateTime)),
                ),
                else_=runs.c.flush_due_at,
            ),
        }
    )
)
_pending = runs.c.status == constant(RunStatus.PENDING)
# Word for word as in the partial indexes: SQLAlchemy would write `delayed = 1`, which SQLite does not match with them.
IS_DELAYED: ColumnElement[bool] = literal_column("workflow_runs.delayed")
NOT_DELAYED: ColumnElement[bool] = literal_column("NOT workflow_runs.delayed")
_promote = (
    update(runs)
    .where(_pending, IS_DELAYED, runs.c.start_at <= where("now"))
    .values(delayed=False, version=runs.c.version + 1)
)
_active = [JobStatus.PENDING, JobStatus.SCHEDULED]
_stuck = (
    select(runs.c.id)
    .where(
        runs.c.status == constant(RunStatus.RUNNING),
        runs.c.updated_at <= where("since"),
        not_(exists().where(jobs.c.run_id == runs.c.id, jobs.c.status.in_([constant(status) for status in _active]))),
        not_(
            exists().where(
                jobs.c.run_id == runs.c.id,
                jobs.c.status == constant(JobStatus.RUNNING),
                jobs.c.leased_until > where("now"),
            )
        ),
        not_(
            exists().where(
                stages.c.run_id == runs.c.id,
                stages.c.status == constant(StageStatus.SUSPENDED),
                stages.c.next_poll_at.is_not(None),
            )
        ),
    )
    .order_by(runs.c.updated_at)
    .limit(where("limit"))
)


_order = (runs.c.priority.desc(), runs.c.created_at, runs.c.id)


def _due(dialect: Dialect) -> tuple[ColumnElement[bool], ...]:
    return (_pending, NOT_DELAYED, dialect.member(runs.c.workflow_id, "workflows"))


_prepared = Prepared(
    lock=lambda dialect: (
        select(*RUN.columns).where(dialect.member(runs.c.id, "ids")).order_by(runs.c.id).with_for_update()
    ),
    inputs=lambda dialect: select(runs.c.id, runs.c.input).where(dialect.member(runs.c.id, "ids")),
    priorities=lambda dialect: select(runs.c.priority).where(*_due(dialect)).order_by(*_order).limit(where("limit")),
    claim=lambda dialect: (
        select(*RUN.columns)
        .where(*_due(dialect))
        .order_by(*_order)
        .limit(where("limit"))
        .with_for_update(skip_locked=True)
    ),
)


class SqlRuns:
    """`engine.ports.runs.RunStore`."""

    def __init__(self, connection: Connection, dialect: Dialect, now: datetime) -> None:
        self._connection = connection
        self._dialect = dialect
        self._now = now
        self.counts: Counter[tuple[str, str]] = Counter()
        """What is to be added to the number of runs by (workflow id, status)."""

    def insert(self, run: RunRecord, input_text: str) -> None:
        self._connection.execute(_insert, {**RUN.values(run), "input": input_text, "flush_due_at": self._now})

    def get(self, run_id: str) -> RunRecord | None:
        row = self._connection.execute(_get, {"b_id": run_id}).first()
        return None if row is None else RUN.record(row)

    def lock(self, run_ids: Iterable[str]) -> dict[str, RunRecord]:
        wanted = sorted(set(run_ids))
        statement = _prepared(self._dialect).lock
        rows = self._connection.execute(statement, {"ids": self._dialect.members(wanted)})
        return {run.id: run for run in RUN.records(rows)}

    def inputs(self, run_ids: Iterable[str]) -> dict[str, str]:
        ids = self._dialect.members(sorted(set(run_ids)))
        return {row[0]: row[1] for row in self._connection.execute(_prepared(self._dialect).inputs, {"ids": ids})}

    def save(self, runs_: Sequence[RunRecord]) -> None:
        if not runs_:
            return
        rows = [
            {
                **{name: values[name] for name in _MOVING},
                "b_id": values["id"],
                "b_version": values["version"],
                "b_now": self._now,
            }
            for values in map(RUN.values, runs_)
        ]
        if self._connection.execute(_save, rows).rowcount != len(rows):
            raise RuntimeError("a run changed since it was locked")

    def pending_priorities(self, workflow_ids: Sequence[str], limit: int) -> list[int]:
        statement = _prepared(self._dialect).priorities
        found = self._connection.execute(
            statement, {"workflows": self._dialect.members(list(workflow_ids)), "b_limit": limit}
        )
        return list(found.scalars())

    def claim_pending(self, workflow_ids: Sequence[str], limit: int) -> list[RunRecord]:
        statement = _prepared(self._dialect).claim
        rows = self._connection.execute(
            statement, {"workflows": self._dialect.members(list(workflow_ids)), "b_limit": limit}
        )
        return RUN.records(rows)

    def promote_delayed(self) -> int:
        return self._connection.execute(_promote, {"b_now": self._now}).rowcount

    def stuck(self, idle_since: datetime, limit: int) -> list[str]:
        rows = self._connection.execute(_stuck, {"b_since": idle_since, "b_now": self._now, "b_limit": limit})
        return list(rows.scalars())

    def add_counts(self, deltas: ReadOnlyMapping[tuple[str, str], int]) -> None:
        for key, delta in deltas.items():
            self.counts[key] += delta
