"""Reading what goes on: runs in backoff or waiting, the pace of the last hours, a cause that strikes often."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import BigInteger, and_, case, exists, func, literal, not_, or_, select

from engine.model.read_records import HotCause
from engine.model.status import JobStatus, RunStatus, StageStatus
from engine.stores.sql.instants import Elapsed
from engine.stores.sql.reading import Reading
from engine.stores.sql.rows import constant, where
from engine.stores.sql.tables import jobs, runs, stages
from engine.stores.sql.types import UtcDateTime

_HOUR = timedelta(hours=1)
_busy = stages.alias("busy")

# Only a RUNNING run has jobs or stages in these states; both have an index of their own.
_retrying = select(func.count(jobs.c.run_id.distinct())).where(jobs.c.status == constant(JobStatus.SCHEDULED))
_waiting = select(func.count(stages.c.run_id.distinct())).where(
    stages.c.status == constant(StageStatus.SUSPENDED),
    not_(
        exists().where(
            _busy.c.run_id == stages.c.run_id,
            or_(_busy.c.status == constant(StageStatus.PENDING), _busy.c.status == constant(StageStatus.RUNNING)),
        )
    ),
)
_failed = func.sum(case((runs.c.status == constant(RunStatus.FAILED), 1), else_=0))
# The status stands in the sum and not in the condition, or SQLite would walk over all failed runs there are.
_strikes = (
    select(runs.c.error_fingerprint, runs.c.failed_stage, _failed)
    .where(runs.c.completed_at >= where("within"), runs.c.error_fingerprint.is_not(None))
    .group_by(runs.c.error_fingerprint, runs.c.failed_stage)
    .order_by(_failed.desc(), runs.c.error_fingerprint)
    .limit(1)
)


class TrendReads(Reading):
    """The part of `engine.ports.reads.ReadStore` about the course of things."""

    def derived_counts(self) -> tuple[int, int]:
        return self._ask(_retrying).scalar_one(), self._ask(_waiting).scalar_one()

    def ended_by_hour(self, since: datetime, hours: int) -> list[int]:
        passed = Elapsed(literal(since, UtcDateTime), runs.c.completed_at)
        hour = (passed // literal(_HOUR // timedelta(microseconds=1), BigInteger())).label("hour")
        statement = select(hour, func.count()).where(runs.c.completed_at >= since).group_by(hour)
        counts = [0] * hours
        for place, number in self._ask(statement):
            counts[min(int(place), hours - 1)] += number
        return counts

    def hot_cause(self, *, within: datetime, least: int, since: datetime) -> HotCause | None:
        row = self._ask(_strikes, {"b_within": within}).first()
        if row is None or int(row[2]) < least:
            return None
        fingerprint, stage_id = row[0], row[1]
        here = runs.c.failed_stage.is_(None) if stage_id is None else runs.c.failed_stage == stage_id
        same = and_(runs.c.error_fingerprint == fingerprint, here)
        total = select(func.max(runs.c.error_code), func.count(), func.min(runs.c.completed_at)).where(
            runs.c.status == constant(RunStatus.FAILED), runs.c.created_at >= since, same
        )
        code, number, first_at = self._ask(total).one()
        if first_at is None:
            return HotCause(fingerprint, code, stage_id, int(row[2]), within)
        return HotCause(fingerprint, code, stage_id, max(number, int(row[2])), first_at)
