"""Definitions, workers and idempotency keys, in statements."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, null, select, update

from engine.model.records import DefinitionRecord, KeyRecord, WorkerRecord
from engine.stores.sql.dialect import Dialect, Prepared
from engine.stores.sql.rows import Mapping, where
from engine.stores.sql.tables import definitions, keys, workers

DEFINITION = Mapping(DefinitionRecord, definitions)
WORKER = Mapping(WorkerRecord, workers)
KEY = Mapping(KeyRecord, keys)

_plan = select(definitions.c.plan).where(
    definitions.c.workflow_id == where("workflow"), definitions.c.fingerprint == where("fingerprint")
)
_known = select(definitions.c.workflow_id).where(definitions.c.workflow_id == where("workflow")).limit(1)
_the_key = (keys.c.key == where("key"), keys.c.command_type == where("type"))
_key = select(*KEY.columns).where(*_the_key).with_for_update()
_complete = update(keys).where(*_the_key).values(result=where("result"), run_id=where("run"), leased_until=null())
_reclaim = (
    update(keys)
    .where(*_the_key, keys.c.result.is_(None), keys.c.leased_until <= where("before"))
    .values(created_at=where("now"), leased_until=where("until"), payload_hash=where("hash"))
)
_release = keys.delete().where(*_the_key, keys.c.result.is_(None))
_leave = workers.delete().where(workers.c.id == where("id"))
_forget = workers.delete().where(workers.c.alive_until < where("since"))


def _put_worker(dialect: Dialect) -> object:
    insert = dialect.insert(workers)
    fresh = {name: insert.excluded[name] for name in WORKER.names if name not in {"id", "started_at"}}
    return insert.on_conflict_do_update(index_elements=[workers.c.id], set_=fresh)


_prepared = Prepared(
    put_definition=lambda dialect: dialect.insert(definitions).on_conflict_do_nothing(),
    put_worker=_put_worker,
    begin_key=lambda dialect: dialect.insert(keys).on_conflict_do_nothing().execution_options(preserve_rowcount=True),
)


class SqlDefinitions:
    """`engine.ports.work.DefinitionStore`."""

    def __init__(self, connection: Connection, dialect: Dialect) -> None:
        self._connection = connection
        self._dialect = dialect

    def put(self, definition: DefinitionRecord) -> None:
        self._connection.execute(_prepared(self._dialect).put_definition, DEFINITION.values(definition))

    def get(self, workflow_id: str, fingerprint: str) -> str | None:
        values = {"b_workflow": workflow_id, "b_fingerprint": fingerprint}
        plan: str | None = self._connection.execute(_plan, values).scalar()
        return plan

    def known(self, workflow_id: str) -> bool:
        return self._connection.execute(_known, {"b_workflow": workflow_id}).first() is not None


class SqlWorkers:
    """`engine.ports.work.WorkerStore`."""

    def __init__(self, connection: Connection, dialect: Dialect) -> None:
        self._connection = connection
        self._dialect = dialect

    def put(self, worker: WorkerRecord) -> None:
        self._connection.execute(_prepared(self._dialect).put_worker, WORKER.values(worker))

    def leave(self, worker_id: str) -> None:
        self._connection.execute(_leave, {"b_id": worker_id})

    def forget(self, dead_since: datetime) -> int:
        return self._connection.execute(_forget, {"b_since": dead_since}).rowcount


class SqlKeys:
    """`engine.ports.idempotency.IdempotencyStore`."""

    def __init__(self, connection: Connection, dialect: Dialect) -> None:
        self._connection = connection
        self._dialect = dialect

    def begin(self, record: KeyRecord) -> KeyRecord | None:
        added = self._connection.execute(_prepared(self._dialect).begin_key, KEY.values(record)).rowcount
        if added:
            return None
        row = self._connection.execute(_key, {"b_key": record.key, "b_type": record.command_type}).one()
        return KEY.record(row)

    def complete(self, key: str, command_type: str, result: str, run_id: str | None) -> None:
        self._connection.execute(_complete, {"b_key": key, "b_type": command_type, "b_result": result, "b_run": run_id})

    def reclaim(self, record: KeyRecord, before: datetime) -> bool:
        values = {
            "b_key": record.key,
            "b_type": record.command_type,
            "b_before": before,
            "b_now": record.created_at,
            "b_until": record.leased_until,
            "b_hash": record.payload_hash,
        }
        return self._connection.execute(_reclaim, values).rowcount == 1

    def release(self, key: str, command_type: str) -> None:
        self._connection.execute(_release, {"b_key": key, "b_type": command_type})
