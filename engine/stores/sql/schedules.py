"""Schedules, in statements."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from engine.model.records import ScheduleRecord
from engine.stores.sql.dialect import Dialect, Prepared
from engine.stores.sql.reading import Reading
from engine.stores.sql.rows import Mapping, where
from engine.stores.sql.side_tables import schedules

SCHEDULE = Mapping(ScheduleRecord, schedules)

_get = select(*SCHEDULE.columns).where(schedules.c.id == where("id"))
_lock = _get.with_for_update()
_take = _get.where(schedules.c.due_at <= where("now")).with_for_update(skip_locked=True)
_due = (
    select(schedules.c.id)
    .where(schedules.c.due_at <= where("now"))
    .order_by(schedules.c.due_at, schedules.c.id)
    .limit(where("limit"))
)
_all = select(*SCHEDULE.columns).order_by(schedules.c.due_at.is_(None), schedules.c.due_at, schedules.c.id).limit(1000)


def _put(dialect: Dialect) -> Any:
    insert = dialect.insert(schedules)
    fresh = {name: insert.excluded[name] for name in SCHEDULE.names if name not in {"id", "created_at"}}
    return insert.on_conflict_do_update(index_elements=[schedules.c.id], set_=fresh)


_prepared = Prepared(put=_put)


class SqlSchedules:
    """`engine.ports.scheduler.ScheduleStore`."""

    def __init__(self, connection: Connection, dialect: Dialect, now: datetime) -> None:
        self._connection = connection
        self._dialect = dialect
        self._now = now

    def put(self, schedule: ScheduleRecord) -> None:
        self._connection.execute(_prepared(self._dialect).put, SCHEDULE.values(schedule))

    def lock(self, schedule_id: str) -> ScheduleRecord | None:
        row = self._connection.execute(_lock, {"b_id": schedule_id}).first()
        return None if row is None else SCHEDULE.record(row)

    def take_due(self, schedule_id: str) -> ScheduleRecord | None:
        row = self._connection.execute(_take, {"b_id": schedule_id, "b_now": self._now}).first()
        return None if row is None else SCHEDULE.record(row)

    def due(self, limit: int) -> list[str]:
        return list(self._connection.execute(_due, {"b_now": self._now, "b_limit": limit}).scalars())


class ScheduleReads(Reading):
    """The part of `engine.ports.reads.ReadStore` about schedules."""

    def schedules(self) -> list[ScheduleRecord]:
        return SCHEDULE.records(self._ask(_all))
