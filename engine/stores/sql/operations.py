"""Pauses and the audit log, in statements."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, select

from engine.model.criteria import PageRequest
from engine.model.read_records import Slice
from engine.model.records import AuditRecord, PauseRecord
from engine.stores.sql.dialect import Dialect, Prepared
from engine.stores.sql.keyset import INTEGER, Key, order_of
from engine.stores.sql.reading import Reading
from engine.stores.sql.rows import Mapping, where
from engine.stores.sql.run_conditions import aware, equals
from engine.stores.sql.side_tables import audit_log, paused_workflows

PAUSE = Mapping(PauseRecord, paused_workflows)
AUDIT = Mapping(AuditRecord, audit_log)

_paused = select(paused_workflows.c.workflow_id)
_all_pauses = select(*PAUSE.columns).order_by(paused_workflows.c.workflow_id)
_pause = select(*PAUSE.columns).where(paused_workflows.c.workflow_id == where("workflow"))
_resume = paused_workflows.delete().where(paused_workflows.c.workflow_id == where("workflow"))
_SEQ = Key(audit_log.c.seq, INTEGER)
_AUDIT_KEYS = {"created_at": _SEQ, "id": _SEQ}


def _put(dialect: Dialect) -> Any:
    insert = dialect.insert(paused_workflows)
    fresh = {name: insert.excluded[name] for name in ("actor", "reason")}
    return insert.on_conflict_do_update(index_elements=[paused_workflows.c.workflow_id], set_=fresh)


_prepared = Prepared(put=_put)


class SqlPauses:
    """`engine.ports.operations.PauseStore`."""

    def __init__(self, connection: Connection, dialect: Dialect) -> None:
        self._connection = connection
        self._dialect = dialect
        self._known: frozenset[str] | None = None

    def paused(self) -> frozenset[str]:
        if self._known is None:
            self._known = frozenset(self._connection.execute(_paused).scalars())
        return self._known

    def get(self, workflow_id: str) -> PauseRecord | None:
        row = self._connection.execute(_pause, {"b_workflow": workflow_id}).first()
        return None if row is None else PAUSE.record(row)

    def put(self, pause: PauseRecord) -> None:
        self._known = None
        self._connection.execute(_prepared(self._dialect).put, PAUSE.values(pause))

    def remove(self, workflow_id: str) -> bool:
        self._known = None
        return self._connection.execute(_resume, {"b_workflow": workflow_id}).rowcount == 1


class SqlAudit:
    """`engine.ports.operations.AuditStore`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def append(self, records: Sequence[AuditRecord]) -> None:
        if records:
            rows = [AUDIT.values(record) for record in records]
            for row in rows:
                del row["seq"]
            self._connection.execute(audit_log.insert(), rows)


class OperationReads(Reading):
    """The part of `engine.ports.reads.ReadStore` about what operators set and did."""

    def pauses(self) -> list[PauseRecord]:
        return PAUSE.records(self._ask(_all_pauses))

    def audit(
        self,
        page: PageRequest,
        *,
        run_id: str | None = None,
        actor: str | None = None,
        command: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Slice[AuditRecord]:
        conditions: list[ColumnElement[bool]] = []
        for column, wanted in (
            (audit_log.c.run_id, run_id),
            (audit_log.c.actor, actor),
            (audit_log.c.command, command),
        ):
            if wanted is not None:
                conditions.append(equals(column, wanted))
        if since is not None:
            conditions.append(audit_log.c.created_at >= aware(since, "since"))
        if until is not None:
            conditions.append(audit_log.c.created_at < aware(until, "until"))
        order = order_of(page, _AUDIT_KEYS, None, "-created_at")
        mark = order.mark(page.cursor) if page.cursor else None
        statement = select(*AUDIT.columns, audit_log.c.seq.label("sort_value")).where(*conditions)
        return self._turn(statement, order, page, AUDIT.record, mark=mark)
