"""A SQLite file with rows put in directly, read through the inspector: the read side alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

from pydantic import BaseModel
from sqlalchemy import Connection, create_engine, event, insert
from sqlalchemy.pool import NullPool, Pool

from engine.definition.builder import WorkflowBuilder
from engine.definition.context import StageContext
from engine.definition.schema import NoConfig
from engine.definition.stage import Stage, stage
from engine.definition.workflow import Workflow
from engine.inspector import Inspector
from engine.model.ids import new_id, new_run_id
from engine.model.json import dumps
from engine.model.records import (
    AnnotationRecord,
    ArtifactRecord,
    AttemptRecord,
    DefinitionRecord,
    EventRecord,
    JobRecord,
    LogRecord,
    RunRecord,
    StageRecord,
    WorkerRecord,
)
from engine.model.status import JobStatus, LogLevel, RunStatus, StageStatus
from engine.ports.persistence import Watch
from engine.ports.reads import ReadStore
from engine.ports.work import UnitOfWork
from engine.stores.sql import ai_tables, tables
from engine.stores.sql.dialect import POSTGRES, SQLITE
from engine.stores.sql.jobs import JOB
from engine.stores.sql.outbox import EVENT
from engine.stores.sql.reads import SqlReads
from engine.stores.sql.registers import DEFINITION, WORKER
from engine.stores.sql.rows import Mapping
from engine.stores.sql.runs import RUN
from engine.stores.sql.said import ANNOTATION, LOG
from engine.stores.sql.stages import ARTIFACT, STAGE

R = TypeVar("R")
NOW = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
ATTEMPT = Mapping(AttemptRecord, tables.attempts)


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


class Text(BaseModel):
    text: str


def step(stage_id: str) -> Stage[Any, Any, Any]:
    @stage(id=stage_id, name=stage_id.title())
    async def body(ctx: StageContext[Text, NoConfig]) -> Text:
        return ctx.input

    return body


class Blobs:
    """Blobs in a dictionary; counts the reads."""

    def __init__(self) -> None:
        self.held: dict[str, bytes] = {}
        self.reads: list[str] = []

    async def put(self, key: str, content: bytes) -> None:
        self.held[key] = content

    async def get(self, key: str) -> bytes:
        self.reads.append(key)
        return self.held[key]

    async def has(self, key: str) -> bool:
        return key in self.held

    async def delete(self, key: str) -> None:
        self.held.pop(key, None)

    async def list(self, prefix: str = "") -> list[str]:
        return sorted(key for key in self.held if key.startswith(prefix))


class InspectedStore:
    """Puts rows in and reads them back: `store.inspector`. `statements` holds what the last read asked."""

    def __init__(self, url: str, registered: dict[str, Workflow] | None = None, *, pool: type[Pool] = NullPool) -> None:
        self.dialect = SQLITE if url.startswith("sqlite") else POSTGRES
        engine_url = url.replace("postgresql://", "postgresql+psycopg://")
        # Rows come in any order here: what they refer to is not looked at.
        untied = {"options": "-c session_replication_role=replica"} if self.dialect is POSTGRES else {}
        self.engine = create_engine(engine_url, isolation_level="AUTOCOMMIT", poolclass=pool, connect_args=untied)
        self.blobs = Blobs()
        self.now = NOW
        self.statements: list[tuple[str, Any]] = []
        self.inspector = Inspector(self, self.blobs, lambda: registered or {})
        event.listen(self.engine, "before_cursor_execute", self._note)
        if self.dialect is SQLITE:
            event.listen(self.engine, "connect", lambda raw, _: raw.execute("PRAGMA synchronous = OFF"))
        tables.metadata.create_all(self.engine)

    def _note(self, _: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        if statement.startswith("SELECT"):
            self.statements.append((statement, parameters))

    async def read(self, fn: Callable[[ReadStore], R]) -> R:
        def read() -> R:
            with self.engine.connect() as connection:
                connection.exec_driver_sql("BEGIN")
                self.statements.clear()
                try:
                    return fn(SqlReads(connection, self.now, self.dialect))
                finally:
                    connection.exec_driver_sql("ROLLBACK")

        return await asyncio.to_thread(read)

    def submit(self, fn: Callable[[UnitOfWork], R], *, urgent: bool = False) -> Future[R]:
        raise NotImplementedError

    async def transact(self, fn: Callable[[UnitOfWork], R]) -> R:
        raise NotImplementedError

    def watch(self) -> Watch:
        raise NotImplementedError

    async def close(self) -> None:
        self.engine.dispose()

    def plans(self) -> list[str]:
        """The query plan of each statement of the last read, as one text each."""
        found = []
        with self.engine.connect() as connection:
            for statement, parameters in list(self.statements):
                rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
                found.append("\n".join(row[3] for row in rows))
        return found

    def put(self, mapping: Mapping[Any], *records: Any, **extra: Any) -> None:
        table = mapping.columns[0].table
        rows = [{**mapping.values(record), **extra} for record in records]
        with self.engine.connect() as connection:
            self._insert(connection, table, rows)

    def _insert(self, connection: Connection, table: Any, rows: list[dict[str, Any]]) -> None:
        connection.exec_driver_sql("BEGIN")
        connection.execute(insert(table), rows)
        connection.exec_driver_sql("COMMIT")

    def run(self, run_id: str | None = None, *, input_text: str = "{}", **fields: Any) -> RunRecord:
        record = make_run(run_id, **fields)
        self.put(RUN, record, input=input_text)
        return record

    def stage(self, run: RunRecord, stage_id: str, *, input_text: str | None = None, **fields: Any) -> StageRecord:
        record = StageRecord(
            id=new_id(),
            run_id=run.id,
            stage_id=stage_id,
            name=stage_id.title(),
            group_no=run.group_no,
            number=1,
            status=StageStatus.RUNNING,
            generation=0,
            queued_at=ago(60),
            attempt=1,
            tries=1,
        )._replace(**fields)
        self.put(STAGE, record, input=input_text)
        return record

    def job(self, stage: StageRecord, run: RunRecord, **fields: Any) -> JobRecord:
        record = JobRecord(
            id=new_id(),
            stage_ref=stage.id,
            run_id=run.id,
            workflow_id=run.workflow_id,
            stage_id=stage.stage_id,
            status=JobStatus.PENDING,
            priority=run.priority,
            created_at=run.created_at,
            max_attempts=stage.max_attempts,
        )._replace(**fields)
        self.put(JOB, record, body=record.body)
        return record

    def attempt(self, run: RunRecord, stage_id: str, attempt: int, **fields: Any) -> None:
        record = AttemptRecord(
            run_id=run.id,
            stage_id=stage_id,
            attempt=attempt,
            generation=0,
            status=StageStatus.FAILED,
            queued_at=ago(90),
            started_at=ago(80),
            completed_at=ago(70),
            input=None,
            output=None,
            config=None,
            error="ValueError: no",
            error_code=None,
            worker_id="w0",
        )
        self.put(ATTEMPT, record._replace(**fields))

    def artifact(self, run: RunRecord, stage_id: str, attempt: int, name: str) -> None:
        self.put(ARTIFACT, ArtifactRecord(run.id, stage_id, attempt, name, "text/plain", 5, "d" * 64, "k", NOW))

    def log(self, run: RunRecord, *messages: str, **fields: Any) -> None:
        record = LogRecord(run.id, "extract", 1, LogLevel.INFO, "", "{}", ago(30))
        rows = []
        for message in messages:
            values = LOG.values(record._replace(message=message, **fields))
            del values["seq"]
            rows.append(values)
        with self.engine.connect() as connection:
            self._insert(connection, tables.logs, rows)

    def event(self, run: RunRecord, sequence: int, **fields: Any) -> EventRecord:
        record = EventRecord(new_id(), run.id, sequence, "stage:started", "{}", "cause", ago(100 - sequence))._replace(
            **fields
        )
        self.put(EVENT, record)
        return record

    def annotation(self, run: RunRecord, key: str, value: Any, **fields: Any) -> None:
        self.put(ANNOTATION, AnnotationRecord(run.id, key, dumps(value), NOW)._replace(**fields))

    def worker(self, worker_id: str, workflows: dict[str, str], **fields: Any) -> WorkerRecord:
        alive = NOW + timedelta(seconds=30)
        record = WorkerRecord(worker_id, "host", 42, ago(600), ago(5), alive, 8, 2, dumps(workflows))
        record = record._replace(**fields)
        self.put(WORKER, record)
        return record

    def definition(self, workflow: Workflow, created_at: datetime = NOW) -> None:
        plan = dumps(workflow.plan.to_json())
        self.put(DEFINITION, DefinitionRecord(workflow.id, workflow.fingerprint, plan, created_at))

    def put_old_plan(self, workflow_id: str, created_at: datetime) -> None:
        """A definition of other stages, stored at that time."""
        workflow = WorkflowBuilder(workflow_id, "Old", input=Text).pipe(step("old")).build()
        self.definition(workflow, created_at)

    def rollup(self, **counts: int) -> None:
        rows = [
            {"workflow_id": "flow", "status": status, "shard": 0, "count": count} for status, count in counts.items()
        ]
        with self.engine.connect() as connection:
            self._insert(connection, tables.run_stats, rows)

    def ai_call(self, **fields: Any) -> None:
        row = {
            "id": new_id(),
            "run_id": None,
            "workflow_id": None,
            "stage_id": None,
            "attempt": None,
            "topic": "t",
            "call_type": "text",
            "model": "offline/small",
            "provider": "offline",
            "input_tokens": 10,
            "output_tokens": 5,
            "cached_tokens": 0,
            "cost": Decimal("0.01"),
            "latency_ms": 1,
            "status": "ok",
            "error": None,
            "reused": False,
            "prompt": None,
            "response": None,
            "created_at": ago(60),
            **fields,
        }
        with self.engine.connect() as connection:
            self._insert(connection, ai_tables.ai_calls, [row])


def make_run(run_id: str | None = None, **fields: Any) -> RunRecord:
    """A run of `flow` in its first group, started a minute ago; `fields` say otherwise."""
    record = RunRecord(
        id=run_id or new_run_id(),
        workflow_id="flow",
        workflow_name="Flow",
        definition="unknown",
        status=RunStatus.RUNNING,
        priority=5,
        created_at=ago(120),
        updated_at=ago(10),
        config="{}",
        metadata="{}",
        started_at=ago(60),
        group_no=1,
    )
    return record._replace(**fields)


def make_flow(workflow_id: str = "flow") -> Workflow:
    """extract → (left, right) → report."""
    return (
        WorkflowBuilder(workflow_id, workflow_id.title(), "Says little", input=Text)
        .pipe(step("extract"))
        .parallel([step("left"), step("right")])
        .pipe(step("report"))
        .build()
    )


__all__ = ["NOW", "Blobs", "InspectedStore", "Text", "ago", "make_flow", "make_run", "step"]
