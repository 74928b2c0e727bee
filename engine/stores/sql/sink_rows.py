"""Sinks and what became of events at each of several, in statements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, and_, case, exists, func, or_, select

from engine.model.read_records import SinkBacklog
from engine.model.records import SinkDeliveryRecord, SinkRecord
from engine.stores.sql.dialect import Dialect, Prepared
from engine.stores.sql.reading import Reading
from engine.stores.sql.rows import Mapping, where
from engine.stores.sql.side_tables import sink_deliveries, sinks
from engine.stores.sql.tables import events

SINK = Mapping(SinkRecord, sinks)
STATE = Mapping(SinkDeliveryRecord, sink_deliveries)

_is_undelivered = and_(events.c.published_at.is_(None), events.c.dead_at.is_(None), events.c.discarded_at.is_(None))
_is_dead = and_(events.c.dead_at.is_not(None), events.c.discarded_at.is_(None))
_all_sinks = select(*SINK.columns).order_by(sinks.c.id)
_undelivered = select(func.count()).select_from(events).where(_is_undelivered)
_settled = or_(sink_deliveries.c.published_at.is_not(None), sink_deliveries.c.dead_at.is_not(None))
_settled_by_sink = (
    select(
        sink_deliveries.c.sink,
        func.sum(case((and_(_is_undelivered, _settled), 1), else_=0)),
        func.sum(case((and_(_is_dead, sink_deliveries.c.dead_at.is_not(None)), 1), else_=0)),
    )
    .join(events, events.c.id == sink_deliveries.c.event_id)
    .group_by(sink_deliveries.c.sink)
)
_dead_of_one = (
    select(events.c.sink, func.count())
    .where(_is_dead, ~exists().where(sink_deliveries.c.event_id == events.c.id))
    .group_by(events.c.sink)
)


def _put(dialect: Dialect) -> Any:
    insert = dialect.insert(sinks)
    fresh = {name: insert.excluded[name] for name in SINK.names if name != "id"}
    return insert.on_conflict_do_update(index_elements=[sinks.c.id], set_=fresh)


def _put_state(dialect: Dialect) -> Any:
    insert = dialect.insert(sink_deliveries)
    fresh = {name: insert.excluded[name] for name in STATE.names if name not in {"event_id", "sink"}}
    return insert.on_conflict_do_update(index_elements=[sink_deliveries.c.event_id, sink_deliveries.c.sink], set_=fresh)


_prepared = Prepared(
    put=_put,
    put_state=_put_state,
    states=lambda dialect: select(*STATE.columns).where(dialect.member(sink_deliveries.c.event_id, "ids")),
    forget=lambda dialect: sink_deliveries.delete().where(dialect.member(sink_deliveries.c.event_id, "ids")),
    forget_failures=lambda dialect: sink_deliveries.delete().where(
        dialect.member(sink_deliveries.c.event_id, "ids"), sink_deliveries.c.published_at.is_(None)
    ),
)
_known = select(*SINK.columns).where(sinks.c.id == where("id"))


class SqlSinkRows:
    """The part of `engine.ports.outbox.Outbox` about sinks."""

    _connection: Connection
    _dialect: Dialect

    def states(self, event_ids: Sequence[str]) -> list[SinkDeliveryRecord]:
        ids = self._dialect.members(list(event_ids))
        return STATE.records(self._connection.execute(_prepared(self._dialect).states, {"ids": ids}))

    def save_states(self, states: Sequence[SinkDeliveryRecord], done: Sequence[str]) -> None:
        if states:
            self._connection.execute(_prepared(self._dialect).put_state, [STATE.values(state) for state in states])
        if done:
            self._connection.execute(_prepared(self._dialect).forget, {"ids": self._dialect.members(list(done))})

    def forget_failures(self, event_ids: Sequence[str]) -> None:
        ids = self._dialect.members(list(event_ids))
        self._connection.execute(_prepared(self._dialect).forget_failures, {"ids": ids})

    def note_sinks(self, records: Sequence[SinkRecord]) -> None:
        for record in sorted(records):
            row = self._connection.execute(_known, {"b_id": record.id}).first()
            # A process that never saw the sink well knows nothing of when it was.
            ok_at = record.ok_at or (SINK.record(row).ok_at if row is not None else None)
            self._connection.execute(_prepared(self._dialect).put, SINK.values(record._replace(ok_at=ok_at)))


class SinkReads(Reading):
    """The part of `engine.ports.reads.ReadStore` about sinks."""

    def sinks(self) -> list[SinkBacklog]:
        known = SINK.records(self._ask(_all_sinks))
        undelivered = int(self._ask(_undelivered).scalar_one())
        settled = {row[0]: (int(row[1]), int(row[2])) for row in self._ask(_settled_by_sink)}
        dead = {row[0]: int(row[1]) for row in self._ask(_dead_of_one)}
        found = []
        for sink in known:
            done, given_up = settled.get(sink.id, (0, 0))
            found.append(SinkBacklog(sink, undelivered - done, given_up + dead.get(sink.id, 0)))
        return found
