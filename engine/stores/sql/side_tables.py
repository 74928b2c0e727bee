"""The tables beside the runs: what operators did, what is scheduled, where events go, blobs."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, LargeBinary, Table, Text, text

from engine.stores.sql.tables import SERIAL, metadata
from engine.stores.sql.types import JsonText, UtcDateTime

paused_workflows = Table(
    "paused_workflows",
    metadata,
    Column("workflow_id", Text, primary_key=True),
    Column("paused_at", UtcDateTime, nullable=False),
    Column("actor", Text, nullable=False),
    Column("reason", Text),
)
"""A row means: nothing new of this workflow is claimed or polled."""

audit_log = Table(
    "audit_log",
    metadata,
    Column("seq", SERIAL, primary_key=True, autoincrement=True),
    Column("created_at", UtcDateTime, nullable=False),
    Column("actor", Text, nullable=False),
    Column("command", Text, nullable=False),
    Column("run_id", Text),
    Column("target", Text, nullable=False),
    Column("reason", Text),
    Column("before", JsonText),
    Column("after", JsonText),
    Column("idempotency_key", Text),
    Column("bulk", Text),
    sqlite_autoincrement=True,
)
"""One row per operator command that changed something. It outlives the runs it tells of."""
_of_a_run = text("run_id IS NOT NULL")
Index("ix_audit_log_run", audit_log.c.run_id, audit_log.c.seq, sqlite_where=_of_a_run, postgresql_where=_of_a_run)

_in_bulk = text("bulk IS NOT NULL")
Index("ix_audit_log_bulk", audit_log.c.bulk, sqlite_where=_in_bulk, postgresql_where=_in_bulk)

schedules = Table(
    "schedules",
    metadata,
    Column("id", Text, primary_key=True),
    Column("command", JsonText, nullable=False),
    Column("actor", Text, nullable=False),
    Column("cron", Text),
    Column("zone", Text),
    Column("due_at", UtcDateTime),
    Column("created_at", UtcDateTime, nullable=False),
    Column("last_fired_at", UtcDateTime),
    Column("fired", Integer, nullable=False),
    Column("last_error", Text),
)
"""Deferred commands (once, `cron` is null) and recurring ones. Without `due_at` it fires no more."""
_still_due = text("due_at IS NOT NULL")
Index("ix_schedules_due", schedules.c.due_at, sqlite_where=_still_due, postgresql_where=_still_due)

sinks = Table(
    "sinks",
    metadata,
    Column("id", Text, primary_key=True),
    Column("target", Text, nullable=False),
    Column("ok_at", UtcDateTime),
    Column("failing_since", UtcDateTime),
    Column("last_error", Text),
)

sink_deliveries = Table(
    "sink_deliveries",
    metadata,
    Column("event_id", Text, ForeignKey("outbox_events.id", ondelete="CASCADE"), primary_key=True),
    Column("sink", Text, primary_key=True),
    Column("published_at", UtcDateTime),
    Column("retry_count", Integer, nullable=False),
    Column("next_attempt_at", UtcDateTime),
    Column("dead_at", UtcDateTime),
    Column("last_error", Text),
)
"""Where an event goes to several sinks: what became of it at each of them, until all are done with it."""

blobs = Table(
    "blobs",
    metadata,
    Column("key", Text, primary_key=True),
    Column("content", LargeBinary, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("digest", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)

blob_garbage = Table(
    "blob_garbage",
    metadata,
    Column("prefix", Text, primary_key=True),
    Column("since", UtcDateTime, nullable=False),
)
"""Prefixes of blobs whose rows are gone: written with their deletion, removed once the blobs are."""

writer_marks = Table(
    "writer_marks",
    metadata,
    Column("writer", Text, primary_key=True),
    Column("mark", Text, nullable=False),
    Column("since", UtcDateTime, nullable=False),
)
"""The last transaction of each writer: a commit whose answer got lost is looked up here."""
