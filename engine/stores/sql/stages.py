"""Stages, their earlier attempts and artifacts, in statements."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import Connection, bindparam, case, exists, func, select, update

from engine.model.records import ArtifactRecord, StageRecord
from engine.model.status import RunStatus, StageStatus
from engine.stores.sql.dialect import Dialect, Prepared
from engine.stores.sql.rows import Mapping, constant, where
from engine.stores.sql.tables import artifacts, attempts, runs, stages

STAGE = Mapping(StageRecord, stages, {"status": StageStatus})
ARTIFACT = Mapping(ArtifactRecord, artifacts)
# Cost and tokens are counted where the calls are recorded, by other transactions than the ones that save a stage.
_MOVING = [name for name in STAGE.names if name not in {"id", "run_id", "stage_id", "cost", "tokens"}]

_of_run = select(*STAGE.columns).where(stages.c.run_id == where("run")).order_by(stages.c.group_no, stages.c.number)
# A new attempt begins without cost; that of the one before is archived.
_same = stages.c.attempt == bindparam("attempt")
_save = (
    update(stages)
    .where(stages.c.id == where("id"))
    .values(
        {
            **{name: bindparam(name) for name in _MOVING},
            "cost": case((_same, stages.c.cost), else_=None),
            "tokens": case((_same, stages.c.tokens), else_=0),
        }
    )
)
_delete = stages.delete().where(stages.c.id == where("id"))
_last = (
    select(attempts.c.stage_id, func.max(attempts.c.attempt))
    .where(attempts.c.run_id == where("run"))
    .group_by(attempts.c.stage_id)
)
_take_poll = (
    update(stages).where(stages.c.id == where("id")).values(poll_token=where("token"), next_poll_at=where("until"))
)

_ARCHIVED = [column.name for column in attempts.c]
_FINAL = ["status", "completed_at", "output", "error", "error_code"]


def _archive(dialect: Dialect) -> object:
    final = [
        bindparam(f"b_{name}", type_=attempts.c[name].type).label(name) if name in _FINAL else stages.c[name]
        for name in _ARCHIVED
    ]
    row = select(*final).where(stages.c.id == where("id"))
    return dialect.insert(attempts).from_select(_ARCHIVED, row).on_conflict_do_nothing()


_prepared = Prepared(
    get=lambda dialect: select(*STAGE.columns).where(dialect.member(stages.c.id, "ids")),
    inputs=lambda dialect: select(stages.c.id, stages.c.input).where(dialect.member(stages.c.id, "ids")),
    outputs=lambda dialect: select(stages.c.run_id, stages.c.stage_id, stages.c.group_no, stages.c.output).where(
        dialect.member(stages.c.run_id, "runs"), stages.c.status == constant(StageStatus.COMPLETED)
    ),
    archive=_archive,
    artifact=lambda dialect: dialect.insert(artifacts).on_conflict_do_nothing(),
    due_polls=lambda dialect: (
        select(*STAGE.columns)
        .where(
            stages.c.status == constant(StageStatus.SUSPENDED),
            stages.c.next_poll_at <= where("now"),
            # Not a join: SQLite would begin with every run of these workflows, finished ones too.
            exists().where(
                runs.c.id == stages.c.run_id,
                runs.c.status == constant(RunStatus.RUNNING),
                dialect.member(runs.c.workflow_id, "workflows"),
            ),
        )
        .order_by(stages.c.next_poll_at, stages.c.id)
        .limit(where("limit"))
        .with_for_update(skip_locked=True, of=stages)
    ),
)


class SqlStages:
    """`engine.ports.stages.StageStore`."""

    def __init__(self, connection: Connection, dialect: Dialect, now: datetime) -> None:
        self._connection = connection
        self._dialect = dialect
        self._now = now

    def insert(self, records: Sequence[tuple[StageRecord, str | None]]) -> None:
        if records:
            self._connection.execute(
                stages.insert(), [{**STAGE.values(record), "input": text} for record, text in records]
            )

    def of_run(self, run_id: str) -> list[StageRecord]:
        return STAGE.records(self._connection.execute(_of_run, {"b_run": run_id}))

    def get(self, ids: Iterable[str]) -> dict[str, StageRecord]:
        rows = self._connection.execute(_prepared(self._dialect).get, {"ids": self._dialect.members(list(ids))})
        return {record.id: record for record in STAGE.records(rows)}

    def inputs(self, ids: Iterable[str]) -> dict[str, str | None]:
        rows = self._connection.execute(_prepared(self._dialect).inputs, {"ids": self._dialect.members(list(ids))})
        return {row[0]: row[1] for row in rows}

    def outputs(self, run_ids: Sequence[str]) -> list[tuple[str, str, int, str]]:
        rows = self._connection.execute(
            _prepared(self._dialect).outputs, {"runs": self._dialect.members(list(run_ids))}
        )
        return [(row[0], row[1], row[2], row[3]) for row in rows]

    def save(self, records: Sequence[StageRecord]) -> None:
        if not records:
            return
        rows = []
        for record in records:
            values = STAGE.values(record)
            rows.append({**{name: values[name] for name in _MOVING}, "b_id": record.id})
        self._connection.execute(_save, rows)

    def delete(self, ids: Sequence[str]) -> None:
        if ids:
            self._connection.execute(_delete, [{"b_id": row_id} for row_id in ids])

    def archive(self, records: Sequence[StageRecord]) -> None:
        if records:
            rows = [
                {**{f"b_{name}": getattr(record, name) for name in _FINAL}, "b_id": record.id} for record in records
            ]
            self._connection.execute(_prepared(self._dialect).archive, rows)

    def last_attempts(self, run_id: str) -> dict[str, int]:
        return {row[0]: row[1] for row in self._connection.execute(_last, {"b_run": run_id})}

    def add_artifacts(self, records: Sequence[ArtifactRecord]) -> None:
        if records:
            self._connection.execute(_prepared(self._dialect).artifact, [ARTIFACT.values(record) for record in records])

    def claim_polls(self, workflow_ids: Sequence[str], token: str, until: datetime, limit: int) -> list[StageRecord]:
        rows = self._connection.execute(
            _prepared(self._dialect).due_polls,
            {"b_now": self._now, "workflows": self._dialect.members(list(workflow_ids)), "b_limit": limit},
        )
        due = STAGE.records(rows)
        if due:
            self._connection.execute(
                _take_poll, [{"b_id": stage.id, "b_token": token, "b_until": until} for stage in due]
            )
        return due
