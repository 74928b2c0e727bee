"""Removing what is old, in statements."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime

from sqlalchemy import Connection, and_, exists, func, select

from engine.model.status import TERMINAL_RUN, RunStatus
from engine.stores.sql.dialect import Dialect, Prepared
from engine.stores.sql.reading import Reading
from engine.stores.sql.rows import constant, where
from engine.stores.sql.side_tables import audit_log, blob_garbage, schedules
from engine.stores.sql.tables import definitions, events, jobs, runs, stages, workers

_OVER = runs.c.status.in_([constant(status) for status in sorted(TERMINAL_RUN)])
_undelivered = (events.c.published_at.is_(None), events.c.dead_at.is_(None), events.c.discarded_at.is_(None))
_expired = (
    select(runs.c.id)
    .where(runs.c.completed_at.is_not(None), runs.c.completed_at < where("before"), _OVER)
    .order_by(runs.c.completed_at, runs.c.id)
    .limit(where("limit"))
    .with_for_update(skip_locked=True)
)
_expired_but_failed = _expired.where(runs.c.status != constant(RunStatus.FAILED))

_prepared = Prepared(
    statuses=lambda dialect: (
        select(runs.c.workflow_id, runs.c.status, func.count())
        .where(dialect.member(runs.c.id, "ids"))
        .group_by(runs.c.workflow_id, runs.c.status)
    ),
    undelivered=lambda dialect: select(func.count()).where(dialect.member(events.c.run_id, "ids"), *_undelivered),
    delete=lambda dialect: runs.delete().where(dialect.member(runs.c.id, "ids")),
    leave=lambda dialect: dialect.insert(blob_garbage).on_conflict_do_nothing(),
    collected=lambda dialect: blob_garbage.delete().where(dialect.member(blob_garbage.c.prefix, "prefixes")),
)
_garbage = select(blob_garbage.c.prefix).order_by(blob_garbage.c.since, blob_garbage.c.prefix).limit(where("limit"))
_rest = {
    "definitions": definitions.delete().where(
        definitions.c.created_at < where("before"),
        ~exists().where(
            runs.c.workflow_id == definitions.c.workflow_id, runs.c.definition == definitions.c.fingerprint
        ),
        ~exists().where(workers.c.workflows.contains(definitions.c.fingerprint)),
    ),
    "workers": workers.delete().where(workers.c.alive_until < where("before")),
    "schedules": schedules.delete().where(schedules.c.due_at.is_(None), schedules.c.created_at < where("before")),
    "audit": audit_log.delete().where(audit_log.c.created_at < where("audit_before")),
}
_leases = select(jobs.c.lease_token).where(jobs.c.lease_token.is_not(None))
_polls = select(stages.c.poll_token).where(and_(stages.c.poll_token.is_not(None)))


class SqlRetention:
    """`engine.ports.retention.RetentionStore`."""

    def __init__(
        self,
        connection: Connection,
        dialect: Dialect,
        now: datetime,
        add_counts: Callable[[dict[tuple[str, str], int]], None],
    ) -> None:
        self._connection = connection
        self._dialect = dialect
        self._now = now
        self._add_counts = add_counts

    def expired_runs(self, before: datetime, limit: int, *, keep_failed: bool) -> list[str]:
        statement = _expired_but_failed if keep_failed else _expired
        return list(self._connection.execute(statement, {"b_before": before, "b_limit": limit}).scalars())

    def delete_runs(self, run_ids: Sequence[str]) -> Counter[str]:
        if not run_ids:
            return Counter()
        prepared = _prepared(self._dialect)
        ids = {"ids": self._dialect.members(list(run_ids))}
        self._add_counts({(row[0], row[1]): -row[2] for row in self._connection.execute(prepared.statuses, ids)})
        undelivered = self._connection.execute(prepared.undelivered, ids).scalar_one()
        rows = [{"prefix": f"runs/{run_id}/", "since": self._now} for run_id in run_ids]
        self._connection.execute(prepared.leave, rows)
        deleted = self._connection.execute(prepared.delete, ids).rowcount
        return Counter(runs=deleted, undelivered=undelivered)

    def delete_rest(self, before: datetime, audit_before: datetime) -> Counter[str]:
        moments = {"b_before": before, "b_audit_before": audit_before}
        gone: Counter[str] = Counter()
        for kind, statement in _rest.items():
            wanted = {name: moments[name] for name in statement.compile().params}
            gone[kind] = self._connection.execute(statement, wanted).rowcount
        return gone

    def garbage(self, limit: int) -> list[str]:
        return list(self._connection.execute(_garbage, {"b_limit": limit}).scalars())

    def collected(self, prefixes: Sequence[str]) -> None:
        values = {"prefixes": self._dialect.members(list(prefixes))}
        self._connection.execute(_prepared(self._dialect).collected, values)


class RetentionReads(Reading):
    """The part of `engine.ports.reads.ReadStore` about what may be removed."""

    def tokens(self) -> set[str]:
        return {*self._ask(_leases).scalars(), *self._ask(_polls).scalars()}

    def existing(self, run_ids: Sequence[str]) -> set[str]:
        statement = select(runs.c.id).where(self._dialect.member(runs.c.id, "ids"))
        return set(self._ask(statement, {"ids": self._listed(run_ids)}).scalars())

    def expired(self, before: datetime, *, keep_failed: bool) -> int:
        conditions = [runs.c.completed_at < before, _OVER]
        if keep_failed:
            conditions.append(runs.c.status != constant(RunStatus.FAILED))
        return int(self._ask(select(func.count()).select_from(runs).where(*conditions)).scalar_one())
