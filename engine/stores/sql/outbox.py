"""Events on their way to the sink, in statements. What is undelivered is claimed by run: `flush_due_at` of the run."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, bindparam, null, select, update

from engine.model.records import EventRecord
from engine.stores.sql.dialect import Dialect, Prepared
from engine.stores.sql.rows import Mapping, where
from engine.stores.sql.sink_rows import SqlSinkRows
from engine.stores.sql.tables import events, runs

EVENT = Mapping(EventRecord, events)
_DELIVERY = [
    "published_at",
    "retry_count",
    "next_attempt_at",
    "dead_at",
    "discarded_at",
    "last_error",
    "sink",
    "fingerprint",
]

_is_undelivered = (
    events.c.published_at.is_(None),
    events.c.dead_at.is_(None),
    events.c.discarded_at.is_(None),
)
_is_dead = (events.c.dead_at.is_not(None), events.c.discarded_at.is_(None))
_undelivered = (
    select(*EVENT.columns)
    .where(events.c.run_id == where("run"), *_is_undelivered)
    .order_by(events.c.sequence)
    .limit(where("limit"))
)
_any_left = select(events.c.id).where(events.c.run_id == where("run"), *_is_undelivered).limit(1)
_due_runs = (
    select(runs.c.id)
    .where(runs.c.flush_due_at <= where("now"))
    .order_by(runs.c.flush_due_at, runs.c.id)
    .limit(where("limit"))
    .with_for_update(skip_locked=True)
)
_take = update(runs).where(runs.c.id == where("id")).values(flush_token=where("token"), flush_due_at=where("until"))
_release = (
    update(runs)
    .where(runs.c.id == where("id"), runs.c.flush_token == where("token"))
    .values(flush_token=null(), flush_due_at=where("due"))
)
_held = select(runs.c.id).where(runs.c.id == where("id"), runs.c.flush_token == where("token")).with_for_update()
_save = update(events).where(events.c.id == where("id")).values({name: bindparam(name) for name in _DELIVERY})
_oldest = (events.c.dead_at, events.c.run_id, events.c.sequence)

_prepared = Prepared(
    wake=lambda dialect: (
        update(runs)
        .where(dialect.member(runs.c.id, "ids"), runs.c.flush_token.is_(None))
        .values(flush_due_at=where("now"))
    ),
    close=lambda dialect: (
        update(events)
        .where(dialect.member(events.c.id, "ids"), *_is_dead)
        .values(discarded_at=where("now"), discard_reason=where("reason"))
    ),
    dead_ids=lambda dialect: (
        select(*EVENT.columns)
        .where(*_is_dead, dialect.member(events.c.id, "ids"))
        .order_by(*_oldest)
        .limit(where("limit"))
    ),
)
_dead = select(*EVENT.columns).where(*_is_dead).order_by(*_oldest).limit(where("limit"))
_dead_of_run = _dead.where(events.c.run_id == where("run"))


class SqlOutbox(SqlSinkRows):
    """`engine.ports.outbox.Outbox`."""

    def __init__(self, connection: Connection, dialect: Dialect, now: datetime) -> None:
        self._connection = connection
        self._dialect = dialect
        self._now = now

    def append(self, records: Sequence[EventRecord]) -> None:
        if records:
            self._connection.execute(events.insert(), [EVENT.values(event) for event in records])

    def claim_runs(self, token: str, until: datetime, limit: int) -> list[str]:
        found = list(self._connection.execute(_due_runs, {"b_now": self._now, "b_limit": limit}).scalars())
        if found:
            self._connection.execute(_take, [{"b_id": run, "b_token": token, "b_until": until} for run in found])
        return found

    def undelivered(self, run_id: str, limit: int) -> list[EventRecord]:
        return EVENT.records(self._connection.execute(_undelivered, {"b_run": run_id, "b_limit": limit}))

    def release_run(self, run_id: str, token: str, due_at: datetime | None) -> bool:
        claim = {"b_id": run_id, "b_token": token}
        if self._connection.execute(_held, claim).first() is None:
            return False
        left = self._connection.execute(_any_left, {"b_run": run_id}).first() is not None
        due = (due_at or self._now) if left else None
        self._connection.execute(_release, {**claim, "b_due": due})
        return True

    def save(self, records: Sequence[EventRecord]) -> None:
        if records:
            rows = [{**{name: getattr(event, name) for name in _DELIVERY}, "b_id": event.id} for event in records]
            self._connection.execute(_save, rows)

    def close(self, event_ids: Sequence[str], reason: str) -> int:
        values = {"ids": self._dialect.members(list(event_ids)), "b_now": self._now, "b_reason": reason}
        return self._connection.execute(_prepared(self._dialect).close, values).rowcount

    def dead(self, limit: int, event_ids: Sequence[str] | None, run_id: str | None) -> list[EventRecord]:
        if event_ids is not None:
            values = {"ids": self._dialect.members(list(event_ids)), "b_limit": limit}
            return EVENT.records(self._connection.execute(_prepared(self._dialect).dead_ids, values))
        if run_id is not None:
            return EVENT.records(self._connection.execute(_dead_of_run, {"b_run": run_id, "b_limit": limit}))
        return EVENT.records(self._connection.execute(_dead, {"b_limit": limit}))

    def wake(self, run_ids: Sequence[str]) -> None:
        if run_ids:
            ids = self._dialect.members(list(run_ids))
            self._connection.execute(_prepared(self._dialect).wake, {"ids": ids, "b_now": self._now})
