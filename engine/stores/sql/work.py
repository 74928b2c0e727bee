"""An open transaction, seen as the ports."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from functools import cached_property
from typing import Any

from sqlalchemy import Connection, Select, exists, func, select

from engine.model.status import JobStatus, RunStatus, StageStatus
from engine.stores.sql.ai_calls import SqlCalls
from engine.stores.sql.blobs import SqlBlobRows
from engine.stores.sql.dialect import Dialect, Prepared
from engine.stores.sql.jobs import SqlJobs
from engine.stores.sql.operations import SqlAudit, SqlPauses
from engine.stores.sql.outbox import SqlOutbox
from engine.stores.sql.registers import SqlDefinitions, SqlKeys, SqlWorkers
from engine.stores.sql.retention import SqlRetention
from engine.stores.sql.rows import constant
from engine.stores.sql.runs import IS_DELAYED, SqlRuns
from engine.stores.sql.said import SqlLogs
from engine.stores.sql.schedules import SqlSchedules
from engine.stores.sql.side_tables import schedules
from engine.stores.sql.stages import SqlStages
from engine.stores.sql.tables import jobs, runs, stages

_due_jobs = select(func.min(jobs.c.due_at)).where(jobs.c.status == constant(JobStatus.SCHEDULED))
_lease_ends = select(func.min(jobs.c.leased_until)).where(jobs.c.status == constant(JobStatus.RUNNING))
_delayed_runs = select(func.min(runs.c.start_at)).where(runs.c.status == constant(RunStatus.PENDING), IS_DELAYED)
_schedules = select(func.min(schedules.c.due_at)).where(schedules.c.due_at.is_not(None))
_deliveries = select(func.min(runs.c.flush_due_at)).where(runs.c.flush_due_at.is_not(None))


def _polls(dialect: Dialect) -> Any:
    return (
        select(stages.c.next_poll_at)
        .where(
            stages.c.status == constant(StageStatus.SUSPENDED),
            stages.c.next_poll_at.is_not(None),
            # Not a join: SQLite would begin with every run of these workflows, finished ones too.
            exists().where(runs.c.id == stages.c.run_id, dialect.member(runs.c.workflow_id, "workflows")),
        )
        .order_by(stages.c.next_poll_at)
        .limit(1)
    )


_prepared = Prepared(polls=_polls)


class SqlWork:
    """`engine.ports.work.UnitOfWork` over one connection with a transaction open."""

    def __init__(self, connection: Connection, dialect: Dialect, now: datetime) -> None:
        self._connection = connection
        self._dialect = dialect
        self.now = now
        self.announced = False

    @cached_property
    def runs(self) -> SqlRuns:
        return SqlRuns(self._connection, self._dialect, self.now)

    @cached_property
    def stages(self) -> SqlStages:
        return SqlStages(self._connection, self._dialect, self.now)

    @cached_property
    def jobs(self) -> SqlJobs:
        return SqlJobs(self._connection, self._dialect, self.now)

    @cached_property
    def outbox(self) -> SqlOutbox:
        return SqlOutbox(self._connection, self._dialect, self.now)

    @cached_property
    def keys(self) -> SqlKeys:
        return SqlKeys(self._connection, self._dialect)

    @cached_property
    def logs(self) -> SqlLogs:
        return SqlLogs(self._connection, self._dialect)

    @cached_property
    def definitions(self) -> SqlDefinitions:
        return SqlDefinitions(self._connection, self._dialect)

    @cached_property
    def workers(self) -> SqlWorkers:
        return SqlWorkers(self._connection, self._dialect)

    @cached_property
    def blobs(self) -> SqlBlobRows:
        return SqlBlobRows(self._connection, self._dialect, self.now)

    @cached_property
    def pauses(self) -> SqlPauses:
        return SqlPauses(self._connection, self._dialect)

    @cached_property
    def audit(self) -> SqlAudit:
        return SqlAudit(self._connection)

    @cached_property
    def ai_calls(self) -> SqlCalls:
        return SqlCalls(self._connection, self._dialect)

    @cached_property
    def retention(self) -> SqlRetention:
        return SqlRetention(self._connection, self._dialect, self.now, self.runs.add_counts)

    @cached_property
    def schedules(self) -> SqlSchedules:
        return SqlSchedules(self._connection, self._dialect, self.now)

    def announce(self) -> None:
        self.announced = True

    def next_claim_due(self) -> datetime | None:
        return self._earliest(_due_jobs, _delayed_runs)

    def next_upkeep_due(self, workflow_ids: list[str], *, events: bool) -> datetime | None:
        polls = _prepared(self._dialect).polls
        awake = [one for one in workflow_ids if one not in self.pauses.paused()]
        poll = self._connection.execute(polls, {"workflows": self._dialect.members(awake)}).scalar()
        other = self._earliest(_lease_ends, _schedules, *((_deliveries,) if events else ()))
        return min((moment for moment in (poll, other) if moment is not None), default=None)

    def _earliest(self, *statements: Select[Any]) -> datetime | None:
        found = (self._connection.execute(statement).scalar() for statement in statements)
        return min((moment for moment in found if moment is not None), default=None)

    @property
    def counts(self) -> Counter[tuple[str, str]]:
        """What this work adds to the number of runs by (workflow id, status); whoever commits writes it."""
        return self.runs.counts if "runs" in self.__dict__ else Counter()
