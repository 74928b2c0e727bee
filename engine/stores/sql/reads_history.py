"""Reading what was said and what happened: log lines, events, dead letters, annotations."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, func, or_, select

from engine.model.criteria import AnnotationFilter, PageRequest
from engine.model.read_records import AnnotationRow, Slice
from engine.model.records import EventRecord, LogRecord
from engine.model.status import LogLevel
from engine.stores.sql.keyset import INSTANT, INTEGER, TEXT, Key, Mark, Order, order_of
from engine.stores.sql.outbox import EVENT
from engine.stores.sql.reading import AnyRow, Reading
from engine.stores.sql.rows import constant, where
from engine.stores.sql.run_conditions import aware, begins, contains, equals, json_contains, search_text
from engine.stores.sql.said import ANNOTATION, LOG
from engine.stores.sql.tables import events, logs, metadata

notes = metadata.tables["workflow_annotations"]
_LEVELS = (LogLevel.DEBUG, LogLevel.INFO, LogLevel.WARN, LogLevel.ERROR)
"""From the least to the gravest."""

MOST_LOOKED_AT = 100_000
"""Lines of all runs that one page looks through for those that are wanted: nothing but their number has an index."""

# Lines, a run's events and annotations are numbered as they are written: that is their order in time too.
_SEQ = Key(logs.c.seq, INTEGER)
_LOG_KEYS = {"created_at": _SEQ, "id": _SEQ}
_SEQUENCE = Key(events.c.sequence, INTEGER)
_EVENT_KEYS = {"sequence": _SEQUENCE, "created_at": _SEQUENCE, "occurred_at": _SEQUENCE}
_DEAD_AT = Key(events.c.dead_at, INSTANT)
_DEAD_KEYS = {"dead_at": _DEAD_AT, "created_at": _DEAD_AT, "occurred_at": Key(events.c.occurred_at, INSTANT)}
_NOTED = Key(notes.c.seq, INTEGER)
_NOTE_KEYS = {"created_at": _NOTED, "id": _NOTED}
_EVENT_TIE = Key(events.c.id, TEXT)

_tail = select(*LOG.columns).where(logs.c.seq > where("after")).order_by(logs.c.seq).limit(where("limit"))
_end = select(*LOG.columns).order_by(logs.c.seq.desc()).limit(where("limit"))
_extent = select(func.min(logs.c.seq), func.max(logs.c.seq))
_of_run = logs.c.run_id == where("run")
_tail_run, _end_run = _tail.where(_of_run), _end.where(_of_run)


def _annotation(row: AnyRow) -> AnnotationRow:
    return AnnotationRow(row[-1], ANNOTATION.record(row))


class HistoryReads(Reading):
    """The part of `engine.ports.reads.ReadStore` about logs, events and annotations."""

    def logs(
        self,
        page: PageRequest,
        *,
        run_id: str | None = None,
        stage_id: str | None = None,
        level: LogLevel | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        search: str | None = None,
    ) -> Slice[LogRecord]:
        conditions: list[ColumnElement[bool]] = []
        if run_id is not None:
            conditions.append(logs.c.run_id == run_id)
        if stage_id is not None:
            conditions.append(equals(logs.c.stage_id, stage_id))
        if level is not None and level != _LEVELS[0]:
            graver = _LEVELS[_LEVELS.index(level) :]
            conditions.append(or_(*(logs.c.level == constant(one) for one in graver)))
        if since is not None:
            conditions.append(logs.c.created_at >= aware(since, "since"))
        if until is not None:
            conditions.append(logs.c.created_at < aware(until, "until"))
        if search:
            wanted = search_text(search, "search")
            said = contains(self._dialect, logs.c.message, wanted)
            conditions.append(or_(said, json_contains(self._dialect, logs.c.fields, wanted)))
        order = order_of(page, _LOG_KEYS, None, "-created_at")
        mark = order.mark(page.cursor) if page.cursor else None
        statement = select(*LOG.columns, logs.c.seq.label("sort_value")).where(*conditions)
        if conditions and run_id is None:
            return self._look_through(statement, order, page, mark)
        return self._turn(statement, order, page, LOG.record, mark=mark)

    def _look_through(
        self, statement: Select[Any], order: Order, page: PageRequest, mark: Mark | None
    ) -> Slice[LogRecord]:
        """A page of what is found among the next `MOST_LOOKED_AT` lines; its cursor goes on behind them."""
        first, last = self._ask(_extent).one()
        if first is None:
            return Slice([])
        if order.descending:
            end = (last + 1 if mark is None else mark.value) - MOST_LOOKED_AT
            within, more = logs.c.seq >= end, end > first
        else:
            end = (first - 1 if mark is None else mark.value) + MOST_LOOKED_AT
            within, more = logs.c.seq <= end, end < last
        found = self._turn(statement.where(within), order, page, LOG.record, mark=mark)
        if found.next_cursor is None and more:
            return Slice(found.items, order.cursor(Mark(end, None, mark.as_of if mark else self.now)))
        return found

    def tail(self, run_id: str | None, after: int | None, limit: int) -> list[LogRecord]:
        values: dict[str, str | int] = {"b_limit": limit}
        if run_id is not None:
            values["b_run"] = run_id
        if after is None:
            newest_first = self._ask(_end if run_id is None else _end_run, values)
            return LOG.records(newest_first)[::-1]
        return LOG.records(self._ask(_tail if run_id is None else _tail_run, {**values, "b_after": after}))

    def events(self, run_id: str, page: PageRequest) -> Slice[EventRecord]:
        order = order_of(page, _EVENT_KEYS, None, "sequence")
        mark = order.mark(page.cursor) if page.cursor else None
        statement = select(*EVENT.columns, order.key.column.label("sort_value")).where(events.c.run_id == run_id)
        return self._turn(statement, order, page, EVENT.record, mark=mark)

    def dead_letters(
        self,
        run_id: str | None,
        page: PageRequest,
        *,
        fingerprint: str | None = None,
        sink: str | None = None,
        prefix: str | None = None,
    ) -> Slice[EventRecord]:
        order = order_of(page, _DEAD_KEYS, _EVENT_TIE, "-dead_at")
        mark = order.mark(page.cursor) if page.cursor else None
        conditions: list[ColumnElement[bool]] = [
            events.c.dead_at.is_not(None),
            events.c.discarded_at.is_(None),
        ]
        if run_id is not None:
            conditions.append(events.c.run_id == run_id)
        if fingerprint is not None:
            conditions.append(equals(events.c.fingerprint, fingerprint))
        if sink is not None:
            conditions.append(equals(events.c.sink, sink))
        if prefix is not None:
            conditions.append(begins(events.c.id, prefix))
        columns: Sequence[ColumnElement[Any]] = (
            order.key.column.label("sort_value"),
            events.c.id.label("tie"),
        )
        statement = select(*EVENT.columns, *columns).where(*conditions)
        return self._turn(statement, order, page, EVENT.record, mark=mark)

    def annotations(
        self,
        run_id: str,
        page: PageRequest,
        criteria: AnnotationFilter,
    ) -> Slice[AnnotationRow]:
        order = order_of(page, _NOTE_KEYS, None, "created_at")
        mark = order.mark(page.cursor) if page.cursor else None
        statement = select(*ANNOTATION.columns, notes.c.seq.label("sort_value")).where(notes.c.run_id == run_id)
        for name in ("key", "scope", "scope_id", "actor", "actor_kind"):
            if (wanted := getattr(criteria, name)) is not None:
                statement = statement.where(equals(notes.c[name], wanted))
        if criteria.key_prefix is not None:
            statement = statement.where(begins(notes.c.key, criteria.key_prefix))
        if criteria.attempt is not None:
            statement = statement.where(notes.c.attempt == criteria.attempt)
        if criteria.since is not None:
            statement = statement.where(notes.c.created_at >= aware(criteria.since, "since"))
        if criteria.until is not None:
            statement = statement.where(notes.c.created_at <= aware(criteria.until, "until"))
        return self._turn(statement, order, page, _annotation, mark=mark)

    def has_annotations(self, run_id: str, key_prefix: str) -> bool:
        statement = select(notes.c.seq).where(notes.c.run_id == run_id, begins(notes.c.key, key_prefix)).limit(1)
        return self._ask(statement).first() is not None
