"""The job queue, in statements."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, null, select, update

from engine.model.records import JobRecord, Lease
from engine.model.status import ACTIVE_JOB, JobStatus
from engine.stores.sql.dialect import Dialect, Prepared
from engine.stores.sql.rows import Mapping, constant, where
from engine.stores.sql.tables import jobs

JOB = Mapping(JobRecord, jobs, {"status": JobStatus})
_MOVING = [name for name in JOB.names if name not in {"id", "run_id", "workflow_id", "stage_id", "created_at"}]

_is_pending = jobs.c.status == constant(JobStatus.PENDING)
_is_running = jobs.c.status == constant(JobStatus.RUNNING)
_order = (jobs.c.priority.desc(), jobs.c.created_at, jobs.c.id)
_moved: dict[str, Any] = {name: bindparam(name) for name in _MOVING}
_mine = (
    jobs.c.id == where("id"),
    _is_running,
    jobs.c.lease_token == where("token"),
    jobs.c.attempt == where("attempt"),
)

_finish = update(jobs).where(*_mine).values(_moved)
_save = update(jobs).where(jobs.c.id == where("id")).values(_moved)
_renew = update(jobs).where(*_mine).values(leased_until=where("until"), renewed_at=where("now"))
_promote = (
    update(jobs)
    .where(jobs.c.status == constant(JobStatus.SCHEDULED), jobs.c.due_at <= where("now"))
    .values(status=JobStatus.PENDING.value, due_at=null())
)
_active = jobs.c.status.in_([constant(status) for status in sorted(ACTIVE_JOB)])
_of_run = select(*JOB.columns).where(jobs.c.run_id == where("run"), _active).order_by(jobs.c.id)
_due_for = select(*JOB.columns).where(jobs.c.run_id == where("run"), jobs.c.stage_id == where("stage"), _active)
_expired = (
    select(*JOB.columns)
    .where(_is_running, jobs.c.leased_until <= where("now"), jobs.c.renewed_at <= where("before"))
    .order_by(jobs.c.leased_until, jobs.c.id)
    .limit(where("limit"))
    .with_for_update(skip_locked=True)
)


def _claim(dialect: Dialect, *, among: bool) -> object:
    chosen = (_is_pending, dialect.member(jobs.c.body, "bodies"))
    ready = select(jobs.c.id).where(*chosen, *((dialect.member(jobs.c.id, "ids"),) if among else ()))
    taken = ready.order_by(*_order).limit(where("limit")).with_for_update(skip_locked=True).cte("ready")
    return (
        update(jobs)
        .where(jobs.c.id.in_(select(taken.c.id)), _is_pending)
        .values(
            status=JobStatus.RUNNING.value,
            attempt=jobs.c.attempt + 1,
            tries=jobs.c.tries + 1,
            worker_id=where("worker"),
            lease_token=where("token"),
            leased_until=where("until"),
            renewed_at=where("now"),
        )
        .returning(*JOB.columns)
    )


_prepared = Prepared(
    claim=lambda dialect: _claim(dialect, among=False),
    claim_among=lambda dialect: _claim(dialect, among=True),
    priorities=lambda dialect: (
        select(jobs.c.priority)
        .where(_is_pending, dialect.member(jobs.c.body, "bodies"))
        .order_by(*_order)
        .limit(where("limit"))
    ),
    held=lambda dialect: (
        select(jobs.c.id, jobs.c.lease_token, jobs.c.attempt)
        .where(dialect.member(jobs.c.id, "ids"), _is_running)
        .order_by(jobs.c.id)
        .with_for_update()
    ),
)


class SqlJobs:
    """`engine.ports.jobs.JobTransport`."""

    def __init__(self, connection: Connection, dialect: Dialect, now: datetime) -> None:
        self._connection = connection
        self._dialect = dialect
        self._now = now

    def enqueue(self, records: Sequence[JobRecord]) -> None:
        if records:
            self._connection.execute(jobs.insert(), [{**JOB.values(job), "body": job.body} for job in records])

    def promote_due(self) -> int:
        return self._connection.execute(_promote, {"b_now": self._now}).rowcount

    def due_priorities(self, bodies: Sequence[str], limit: int) -> list[int]:
        statement = _prepared(self._dialect).priorities
        found = self._connection.execute(statement, {"bodies": self._dialect.members(list(bodies)), "b_limit": limit})
        return list(found.scalars())

    def claim(
        self,
        bodies: Sequence[str],
        worker_id: str,
        token: str,
        until: datetime,
        limit: int,
        job_ids: Sequence[str] = (),
    ) -> list[JobRecord]:
        values = {
            "bodies": self._dialect.members(list(bodies)),
            "b_limit": limit,
            "b_worker": worker_id,
            "b_token": token,
            "b_until": until,
            "b_now": self._now,
        }
        statement = _prepared(self._dialect).claim
        if job_ids:
            statement = _prepared(self._dialect).claim_among
            values["ids"] = self._dialect.members(list(job_ids))
        claimed = JOB.records(self._connection.execute(statement, values))
        return sorted(claimed, key=lambda job: (-job.priority, job.created_at, job.id))

    def finish(self, outcomes: Sequence[tuple[Lease, JobRecord]]) -> int:
        if not outcomes:
            return 0
        return self._connection.execute(
            _finish,
            [
                {**_moving(job), "b_id": lease.job_id, "b_token": lease.token, "b_attempt": lease.attempt}
                for lease, job in outcomes
            ],
        ).rowcount

    def held(self, leases: Sequence[Lease]) -> set[str]:
        if not leases:
            return set()
        ids = self._dialect.members([lease.job_id for lease in leases])
        rows = self._connection.execute(_prepared(self._dialect).held, {"ids": ids})
        standing = {row[0]: (row[1], row[2]) for row in rows}
        return {lease.job_id for lease in leases if standing.get(lease.job_id) == (lease.token, lease.attempt)}

    def renew(self, leases: Sequence[Lease], until: datetime) -> set[str]:
        held = self.held(leases)
        rows = [
            {
                "b_id": lease.job_id,
                "b_token": lease.token,
                "b_attempt": lease.attempt,
                "b_until": until,
                "b_now": self._now,
            }
            for lease in leases
            if lease.job_id in held
        ]
        if rows:
            self._connection.execute(_renew, rows)
        return held

    def of_run(self, run_id: str) -> list[JobRecord]:
        return JOB.records(self._connection.execute(_of_run, {"b_run": run_id}))

    def due_for(self, run_id: str, stage_id: str) -> JobRecord | None:
        row = self._connection.execute(_due_for, {"b_run": run_id, "b_stage": stage_id}).first()
        return None if row is None else JOB.record(row)

    def save(self, records: Sequence[JobRecord]) -> None:
        if records:
            self._connection.execute(_save, [{**_moving(job), "b_id": job.id} for job in records])

    def expired(self, renewed_before: datetime, limit: int) -> list[JobRecord]:
        values = {"b_now": self._now, "b_before": renewed_before, "b_limit": limit}
        return JOB.records(self._connection.execute(_expired, values))


def _moving(job: JobRecord) -> dict[str, object]:
    values = JOB.values(job)
    return {name: values[name] for name in _MOVING}
