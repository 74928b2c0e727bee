"""The first schema."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from engine.stores.sql import types

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    _run_stats()
    _workers()
    _workflow_definitions()
    _workflow_runs()
    _workflow_runs_indexes()
    _ai_calls()
    _idempotency_keys()
    _job_queue()
    _outbox_events()
    _stage_attempts()
    _workflow_annotations()
    _workflow_artifacts()
    _workflow_logs()
    _workflow_stages()


def _run_stats() -> None:
    op.create_table(
        "run_stats",
        sa.Column("workflow_id", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("workflow_id", "status", name=op.f("pk_run_stats")),
    )


def _workers() -> None:
    op.create_table(
        "workers",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("started_at", types.UtcDateTime, nullable=False),
        sa.Column("last_seen_at", types.UtcDateTime, nullable=False),
        sa.Column("alive_until", types.UtcDateTime, nullable=False),
        sa.Column("concurrency", sa.Integer(), nullable=False),
        sa.Column("running", sa.Integer(), nullable=False),
        sa.Column("workflows", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_workers")),
    )


def _workflow_definitions() -> None:
    op.create_table(
        "workflow_definitions",
        sa.Column("workflow_id", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("plan", sa.Text(), nullable=False),
        sa.Column("created_at", types.UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("workflow_id", "fingerprint", name=op.f("pk_workflow_definitions")),
    )


def _workflow_runs() -> None:
    op.create_table(
        "workflow_runs",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("workflow_id", sa.Text(), nullable=False),
        sa.Column("workflow_name", sa.Text(), nullable=False),
        sa.Column("definition", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("created_at", types.UtcDateTime, nullable=False),
        sa.Column("updated_at", types.UtcDateTime, nullable=False),
        sa.Column("start_at", types.UtcDateTime, nullable=True),
        sa.Column("delayed", sa.Boolean(), nullable=False),
        sa.Column("started_at", types.UtcDateTime, nullable=True),
        sa.Column("completed_at", types.UtcDateTime, nullable=True),
        sa.Column("input", sa.Text(), nullable=False),
        sa.Column("config", sa.Text(), nullable=False),
        sa.Column("metadata", sa.Text(), nullable=False),
        sa.Column("output", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("error_code", sa.Text(), nullable=True),
        sa.Column("error_fingerprint", sa.Text(), nullable=True),
        sa.Column("failed_stage", sa.Text(), nullable=True),
        sa.Column("idempotency_key", sa.Text(), nullable=True),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("group_no", sa.Integer(), nullable=False),
        sa.Column("open_stages", sa.Integer(), nullable=False),
        sa.Column("last_sequence", sa.Integer(), nullable=False),
        sa.Column("hand_offs", sa.Integer(), nullable=False),
        sa.Column("worker_id", sa.Text(), nullable=True),
        sa.Column("total_cost", types.Money, nullable=True),
        sa.Column("total_tokens", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("flush_due_at", types.UtcDateTime, nullable=True),
        sa.Column("flush_token", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_workflow_runs")),
    )


def _workflow_runs_indexes() -> None:
    op.create_index("ix_workflow_runs_created", "workflow_runs", ["created_at", "id"])
    _partial_index(
        "ix_workflow_runs_delayed", "workflow_runs", ["status", "start_at"], "status = 'PENDING' AND delayed"
    )
    _partial_index("ix_workflow_runs_ended", "workflow_runs", ["completed_at", "status"], "completed_at IS NOT NULL")
    _partial_index("ix_workflow_runs_flush", "workflow_runs", ["flush_due_at"], "flush_due_at IS NOT NULL")
    _partial_index(
        "ix_workflow_runs_pending",
        "workflow_runs",
        ["status", sa.literal_column("priority DESC"), "created_at", "id"],
        "status = 'PENDING' AND NOT delayed",
    )
    _partial_index("ix_workflow_runs_running", "workflow_runs", ["status", "updated_at"], "status = 'RUNNING'")
    op.create_index("ix_workflow_runs_status", "workflow_runs", ["status", "created_at", "id"])
    op.create_index("ix_workflow_runs_workflow", "workflow_runs", ["workflow_id", "created_at", "id"])


def _ai_calls() -> None:
    op.create_table(
        "ai_calls",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=True),
        sa.Column("workflow_id", sa.Text(), nullable=True),
        sa.Column("stage_id", sa.Text(), nullable=True),
        sa.Column("attempt", sa.Integer(), nullable=True),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("call_type", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("input_tokens", sa.BigInteger(), nullable=False),
        sa.Column("output_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cached_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cost", types.Money, nullable=True),
        sa.Column("latency_ms", sa.BigInteger(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("reused", sa.Boolean(), nullable=False),
        sa.Column("prompt", sa.Text(), nullable=True),
        sa.Column("response", sa.Text(), nullable=True),
        sa.Column("created_at", types.UtcDateTime, nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["workflow_runs.id"], name=op.f("fk_ai_calls_run_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ai_calls")),
    )
    op.create_index("ix_ai_calls_created", "ai_calls", ["created_at"])
    op.create_index("ix_ai_calls_run", "ai_calls", ["run_id"])


def _idempotency_keys() -> None:
    op.create_table(
        "idempotency_keys",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("command_type", sa.Text(), nullable=False),
        sa.Column("payload_hash", sa.Text(), nullable=False),
        sa.Column("result", sa.Text(), nullable=True),
        sa.Column("run_id", sa.Text(), nullable=True),
        sa.Column("created_at", types.UtcDateTime, nullable=False),
        sa.Column("leased_until", types.UtcDateTime, nullable=True),
        sa.ForeignKeyConstraint(
            ["run_id"], ["workflow_runs.id"], name=op.f("fk_idempotency_keys_run_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("key", "command_type", name=op.f("pk_idempotency_keys")),
    )


def _job_queue() -> None:
    op.create_table(
        "job_queue",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("stage_ref", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("workflow_id", sa.Text(), nullable=False),
        sa.Column("stage_id", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("created_at", types.UtcDateTime, nullable=False),
        sa.Column("due_at", types.UtcDateTime, nullable=True),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("max_attempts", sa.Integer(), nullable=False),
        sa.Column("worker_id", sa.Text(), nullable=True),
        sa.Column("lease_token", sa.Text(), nullable=True),
        sa.Column("leased_until", types.UtcDateTime, nullable=True),
        sa.Column("renewed_at", types.UtcDateTime, nullable=True),
        sa.Column("reaped", sa.Integer(), nullable=False),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("completed_at", types.UtcDateTime, nullable=True),
        sa.ForeignKeyConstraint(["run_id"], ["workflow_runs.id"], name=op.f("fk_job_queue_run_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job_queue")),
    )
    _partial_index(
        "ix_job_queue_claim",
        "job_queue",
        [sa.literal_column("priority DESC"), "created_at", "id"],
        "status = 'PENDING'",
    )
    _partial_index("ix_job_queue_due", "job_queue", ["due_at"], "status = 'SCHEDULED'")
    _partial_index("ix_job_queue_leased", "job_queue", ["leased_until"], "status = 'RUNNING'")
    op.create_index("ix_job_queue_run", "job_queue", ["run_id", "stage_id"])


def _outbox_events() -> None:
    op.create_table(
        "outbox_events",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("causation_id", sa.Text(), nullable=False),
        sa.Column("occurred_at", types.UtcDateTime, nullable=False),
        sa.Column("published_at", types.UtcDateTime, nullable=True),
        sa.Column("retry_count", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", types.UtcDateTime, nullable=True),
        sa.Column("dead_at", types.UtcDateTime, nullable=True),
        sa.Column("discarded_at", types.UtcDateTime, nullable=True),
        sa.Column("discard_reason", sa.Text(), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("sink", sa.Text(), nullable=True),
        sa.Column("fingerprint", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["run_id"], ["workflow_runs.id"], name=op.f("fk_outbox_events_run_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox_events")),
        sa.UniqueConstraint("run_id", "sequence", name=op.f("uq_outbox_events_run_id_sequence")),
    )
    _partial_index(
        "ix_outbox_events_dead", "outbox_events", ["dead_at"], "dead_at IS NOT NULL AND discarded_at IS NULL"
    )
    _partial_index(
        "ix_outbox_events_undelivered",
        "outbox_events",
        ["run_id", "sequence"],
        "published_at IS NULL AND dead_at IS NULL AND discarded_at IS NULL",
    )


def _stage_attempts() -> None:
    op.create_table(
        "stage_attempts",
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("stage_id", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("queued_at", types.UtcDateTime, nullable=False),
        sa.Column("started_at", types.UtcDateTime, nullable=True),
        sa.Column("completed_at", types.UtcDateTime, nullable=True),
        sa.Column("input", sa.Text(), nullable=True),
        sa.Column("output", sa.Text(), nullable=True),
        sa.Column("config", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("error_code", sa.Text(), nullable=True),
        sa.Column("worker_id", sa.Text(), nullable=True),
        sa.Column("cost", types.Money, nullable=True),
        sa.Column("tokens", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"], ["workflow_runs.id"], name=op.f("fk_stage_attempts_run_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("run_id", "stage_id", "attempt", name=op.f("pk_stage_attempts")),
    )


def _workflow_annotations() -> None:
    op.create_table(
        "workflow_annotations",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("scope_id", sa.Text(), nullable=True),
        sa.Column("attempt", sa.Integer(), nullable=True),
        sa.Column("actor", sa.Text(), nullable=True),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("idempotency_key", sa.Text(), nullable=True),
        sa.Column("created_at", types.UtcDateTime, nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"], ["workflow_runs.id"], name=op.f("fk_workflow_annotations_run_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_workflow_annotations")),
        sa.UniqueConstraint(
            "run_id",
            "key",
            "idempotency_key",
            name=op.f("uq_workflow_annotations_run_id_key_idempotency_key"),
        ),
        sqlite_autoincrement=True,
    )


def _workflow_artifacts() -> None:
    op.create_table(
        "workflow_artifacts",
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("stage_id", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("blob_key", sa.Text(), nullable=False),
        sa.Column("created_at", types.UtcDateTime, nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"], ["workflow_runs.id"], name=op.f("fk_workflow_artifacts_run_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("run_id", "stage_id", "attempt", "name", name=op.f("pk_workflow_artifacts")),
    )


def _workflow_logs() -> None:
    op.create_table(
        "workflow_logs",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("stage_id", sa.Text(), nullable=True),
        sa.Column("attempt", sa.Integer(), nullable=True),
        sa.Column("level", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("fields", sa.Text(), nullable=False),
        sa.Column("created_at", types.UtcDateTime, nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"], ["workflow_runs.id"], name=op.f("fk_workflow_logs_run_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_workflow_logs")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_workflow_logs_run", "workflow_logs", ["run_id", "seq"])


def _workflow_stages() -> None:
    op.create_table(
        "workflow_stages",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("stage_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("group_no", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("max_attempts", sa.Integer(), nullable=False),
        sa.Column("queued_at", types.UtcDateTime, nullable=False),
        sa.Column("started_at", types.UtcDateTime, nullable=True),
        sa.Column("completed_at", types.UtcDateTime, nullable=True),
        sa.Column("retry_at", types.UtcDateTime, nullable=True),
        sa.Column("input", sa.Text(), nullable=True),
        sa.Column("output", sa.Text(), nullable=True),
        sa.Column("config", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("error_code", sa.Text(), nullable=True),
        sa.Column("error_fingerprint", sa.Text(), nullable=True),
        sa.Column("progress", sa.Float(), nullable=True),
        sa.Column("progress_message", sa.Text(), nullable=True),
        sa.Column("suspended_state", sa.Text(), nullable=True),
        sa.Column("poll_every", types.Duration(), nullable=True),
        sa.Column("next_poll_at", types.UtcDateTime, nullable=True),
        sa.Column("max_wait_until", types.UtcDateTime, nullable=True),
        sa.Column("last_poll_at", types.UtcDateTime, nullable=True),
        sa.Column("polls", sa.Integer(), nullable=False),
        sa.Column("poll_errors", sa.Integer(), nullable=False),
        sa.Column("poll_token", sa.Text(), nullable=True),
        sa.Column("metrics", sa.Text(), nullable=True),
        sa.Column("worker_id", sa.Text(), nullable=True),
        sa.Column("cost", types.Money, nullable=True),
        sa.Column("tokens", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"], ["workflow_runs.id"], name=op.f("fk_workflow_stages_run_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_workflow_stages")),
        sa.UniqueConstraint("run_id", "stage_id", name=op.f("uq_workflow_stages_run_id_stage_id")),
    )
    _partial_index("ix_workflow_stages_poll", "workflow_stages", ["next_poll_at"], "status = 'SUSPENDED'")


def _partial_index(
    name: str, table: str, columns: list[str | sa.TextClause | sa.ColumnElement[Any]], where: str
) -> None:
    op.create_index(name, table, columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))
