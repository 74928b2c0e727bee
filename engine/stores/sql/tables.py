"""Every table, once."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
)

from engine.stores.sql.types import Duration, JsonText, Money, UtcDateTime

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

SERIAL = BigInteger().with_variant(Integer, "sqlite")
"""A number the database gives."""


def _run_id() -> Column[str]:
    return Column("run_id", Text, ForeignKey("workflow_runs.id", ondelete="CASCADE"), nullable=False)


runs = Table(
    "workflow_runs",
    metadata,
    Column("id", Text, primary_key=True),
    Column("workflow_id", Text, nullable=False),
    Column("workflow_name", Text, nullable=False),
    Column("definition", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Column("start_at", UtcDateTime),
    Column("delayed", Boolean, nullable=False),
    Column("started_at", UtcDateTime),
    Column("completed_at", UtcDateTime),
    Column("input", JsonText, nullable=False),
    Column("config", JsonText, nullable=False),
    Column("metadata", JsonText, nullable=False),
    Column("output", JsonText),
    Column("error", Text),
    Column("error_code", Text),
    Column("error_fingerprint", Text),
    Column("failed_stage", Text),
    Column("idempotency_key", Text),
    Column("generation", Integer, nullable=False),
    Column("group_no", Integer, nullable=False),
    Column("open_stages", Integer, nullable=False),
    Column("last_sequence", Integer, nullable=False),
    Column("hand_offs", Integer, nullable=False),
    Column("worker_id", Text),
    Column("total_cost", Money),
    Column("total_tokens", BigInteger, nullable=False),
    Column("reuse_ai", Boolean, nullable=False, server_default=false()),
    Column("version", Integer, nullable=False),
    Column("flush_due_at", UtcDateTime),
    Column("flush_token", Text),
)
# A partial index that began with the next column would lose to `ix_workflow_runs_status`: SQLite takes the one on
# which it can search for equality, and would walk over every waiting run.
_pending_now = text("status = 'PENDING' AND NOT delayed")
Index(
    "ix_workflow_runs_pending",
    runs.c.status,
    runs.c.priority.desc(),
    runs.c.created_at,
    runs.c.id,
    sqlite_where=_pending_now,
    postgresql_where=_pending_now,
)
_delayed = text("status = 'PENDING' AND delayed")
Index("ix_workflow_runs_delayed", runs.c.status, runs.c.start_at, sqlite_where=_delayed, postgresql_where=_delayed)
_running = text("status = 'RUNNING'")
Index("ix_workflow_runs_running", runs.c.status, runs.c.updated_at, sqlite_where=_running, postgresql_where=_running)
Index("ix_workflow_runs_created", runs.c.created_at, runs.c.id)
Index("ix_workflow_runs_status", runs.c.status, runs.c.created_at, runs.c.id)
Index("ix_workflow_runs_workflow", runs.c.workflow_id, runs.c.created_at, runs.c.id)
_unflushed = text("flush_due_at IS NOT NULL")
Index("ix_workflow_runs_flush", runs.c.flush_due_at, sqlite_where=_unflushed, postgresql_where=_unflushed)
_ended = text("completed_at IS NOT NULL")
Index("ix_workflow_runs_ended", runs.c.completed_at, runs.c.status, sqlite_where=_ended, postgresql_where=_ended)

stages = Table(
    "workflow_stages",
    metadata,
    Column("id", Text, primary_key=True),
    _run_id(),
    Column("stage_id", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("group_no", Integer, nullable=False),
    Column("number", Integer, nullable=False),
    Column("status", Text, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("max_attempts", Integer, nullable=False),
    Column("queued_at", UtcDateTime, nullable=False),
    Column("started_at", UtcDateTime),
    Column("completed_at", UtcDateTime),
    Column("retry_at", UtcDateTime),
    Column("input", JsonText),
    Column("output", JsonText),
    Column("config", JsonText),
    Column("error", Text),
    Column("error_code", Text),
    Column("error_fingerprint", Text),
    Column("progress", Float),
    Column("progress_message", Text),
    Column("suspended_state", JsonText),
    Column("poll_every", Duration),
    Column("next_poll_at", UtcDateTime),
    Column("max_wait_until", UtcDateTime),
    Column("last_poll_at", UtcDateTime),
    Column("polls", Integer, nullable=False),
    Column("poll_errors", Integer, nullable=False),
    Column("poll_token", Text),
    Column("metrics", JsonText),
    Column("worker_id", Text),
    Column("cost", Money),
    Column("tokens", BigInteger, nullable=False),
    Column("reuse_ai", Boolean, nullable=False, server_default=false()),
    UniqueConstraint("run_id", "stage_id"),
)
_suspended = text("status = 'SUSPENDED'")
Index("ix_workflow_stages_poll", stages.c.next_poll_at, sqlite_where=_suspended, postgresql_where=_suspended)

attempts = Table(
    "stage_attempts",
    metadata,
    Column("run_id", Text, ForeignKey("workflow_runs.id", ondelete="CASCADE"), primary_key=True),
    Column("stage_id", Text, primary_key=True),
    Column("attempt", Integer, primary_key=True),
    Column("generation", Integer, nullable=False),
    Column("status", Text, nullable=False),
    Column("queued_at", UtcDateTime, nullable=False),
    Column("started_at", UtcDateTime),
    Column("completed_at", UtcDateTime),
    Column("input", JsonText),
    Column("output", JsonText),
    Column("config", JsonText),
    Column("error", Text),
    Column("error_code", Text),
    Column("worker_id", Text),
    Column("cost", Money),
    Column("tokens", BigInteger, nullable=False),
)

jobs = Table(
    "job_queue",
    metadata,
    Column("id", Text, primary_key=True),
    Column("stage_ref", Text, nullable=False),
    _run_id(),
    Column("workflow_id", Text, nullable=False),
    Column("stage_id", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("due_at", UtcDateTime),
    Column("attempt", Integer, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("max_attempts", Integer, nullable=False),
    Column("worker_id", Text),
    Column("lease_token", Text),
    Column("leased_until", UtcDateTime),
    Column("renewed_at", UtcDateTime),
    Column("reaped", Integer, nullable=False),
    Column("last_error", Text),
    Column("completed_at", UtcDateTime),
)
_claimable = text("status = 'PENDING'")
Index(
    "ix_job_queue_claim",
    jobs.c.priority.desc(),
    jobs.c.created_at,
    jobs.c.id,
    sqlite_where=_claimable,
    postgresql_where=_claimable,
)
_scheduled = text("status = 'SCHEDULED'")
Index("ix_job_queue_due", jobs.c.due_at, sqlite_where=_scheduled, postgresql_where=_scheduled)
Index("ix_job_queue_leased", jobs.c.leased_until, sqlite_where=_running, postgresql_where=_running)
Index("ix_job_queue_run", jobs.c.run_id, jobs.c.stage_id)

logs = Table(
    "workflow_logs",
    metadata,
    Column("seq", SERIAL, primary_key=True, autoincrement=True),
    _run_id(),
    Column("stage_id", Text),
    Column("attempt", Integer),
    Column("level", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("fields", JsonText, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    sqlite_autoincrement=True,
)
Index("ix_workflow_logs_run", logs.c.run_id, logs.c.seq)

annotation_rows = Table(
    "workflow_annotations",
    metadata,
    Column("seq", SERIAL, primary_key=True, autoincrement=True),
    _run_id(),
    Column("scope", Text, nullable=False),
    Column("scope_id", Text),
    Column("attempt", Integer),
    Column("actor", Text),
    Column("actor_kind", Text),
    Column("actor_version", Text),
    Column("key", Text, nullable=False),
    Column("value", JsonText, nullable=False),
    Column("payload", JsonText),
    Column("idempotency_key", Text),
    Column("created_at", UtcDateTime, nullable=False),
    UniqueConstraint("run_id", "key", "idempotency_key"),
    sqlite_autoincrement=True,
)

artifacts = Table(
    "workflow_artifacts",
    metadata,
    Column("run_id", Text, ForeignKey("workflow_runs.id", ondelete="CASCADE"), primary_key=True),
    Column("stage_id", Text, primary_key=True),
    Column("attempt", Integer, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("media_type", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("digest", Text, nullable=False),
    Column("blob_key", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)

definitions = Table(
    "workflow_definitions",
    metadata,
    Column("workflow_id", Text, primary_key=True),
    Column("fingerprint", Text, primary_key=True),
    Column("plan", JsonText, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)

events = Table(
    "outbox_events",
    metadata,
    Column("id", Text, primary_key=True),
    _run_id(),
    Column("sequence", Integer, nullable=False),
    Column("type", Text, nullable=False),
    Column("payload", JsonText, nullable=False),
    Column("causation_id", Text, nullable=False),
    Column("occurred_at", UtcDateTime, nullable=False),
    Column("published_at", UtcDateTime),
    Column("retry_count", Integer, nullable=False),
    Column("next_attempt_at", UtcDateTime),
    Column("dead_at", UtcDateTime),
    Column("discarded_at", UtcDateTime),
    Column("discard_reason", Text),
    Column("last_error", Text),
    Column("sink", Text),
    Column("fingerprint", Text),
    UniqueConstraint("run_id", "sequence"),
)
_undelivered = text("published_at IS NULL AND dead_at IS NULL AND discarded_at IS NULL")
Index(
    "ix_outbox_events_undelivered",
    events.c.run_id,
    events.c.sequence,
    sqlite_where=_undelivered,
    postgresql_where=_undelivered,
)
_dead = text("dead_at IS NOT NULL AND discarded_at IS NULL")
Index("ix_outbox_events_dead", events.c.dead_at, sqlite_where=_dead, postgresql_where=_dead)

keys = Table(
    "idempotency_keys",
    metadata,
    Column("key", Text, primary_key=True),
    Column("command_type", Text, primary_key=True),
    Column("payload_hash", Text, nullable=False),
    Column("result", JsonText),
    Column("run_id", Text, ForeignKey("workflow_runs.id", ondelete="CASCADE")),
    Column("created_at", UtcDateTime, nullable=False),
    Column("leased_until", UtcDateTime),
)

_owned = text("run_id IS NOT NULL")
Index("ix_idempotency_keys_run", keys.c.run_id, sqlite_where=_owned, postgresql_where=_owned)

workers = Table(
    "workers",
    metadata,
    Column("id", Text, primary_key=True),
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("last_seen_at", UtcDateTime, nullable=False),
    Column("alive_until", UtcDateTime, nullable=False),
    Column("concurrency", Integer, nullable=False),
    Column("running", Integer, nullable=False),
    Column("workflows", JsonText, nullable=False),
)

run_stats = Table(
    "run_stats",
    metadata,
    Column("workflow_id", Text, primary_key=True),
    Column("status", Text, primary_key=True),
    Column("shard", Integer, primary_key=True, autoincrement=False),
    Column("count", BigInteger, nullable=False),
)
"""How many runs of a workflow have a status: kept in the transaction that changes it, so that no reader counts.

The shards of a count add up; one alone may be negative."""
