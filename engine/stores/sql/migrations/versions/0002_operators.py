"""What operators did, schedules, sinks and blobs; more about who annotated."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from engine.stores.sql import types

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("actor_kind", "actor_version", "payload"):
        op.add_column("workflow_annotations", sa.Column(name, sa.Text(), nullable=True))
    _paused_workflows()
    _audit_log()
    _schedules()
    _sinks()
    _blobs()


def _paused_workflows() -> None:
    op.create_table(
        "paused_workflows",
        sa.Column("workflow_id", sa.Text(), nullable=False),
        sa.Column("paused_at", types.UtcDateTime, nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("workflow_id", name=op.f("pk_paused_workflows")),
    )


def _audit_log() -> None:
    op.create_table(
        "audit_log",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("created_at", types.UtcDateTime, nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("command", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=True),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("before", sa.Text(), nullable=True),
        sa.Column("after", sa.Text(), nullable=True),
        sa.Column("idempotency_key", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_audit_log")),
        sqlite_autoincrement=True,
    )
    of_a_run = sa.text("run_id IS NOT NULL")
    op.create_index(
        "ix_audit_log_run", "audit_log", ["run_id", "seq"], sqlite_where=of_a_run, postgresql_where=of_a_run
    )


def _schedules() -> None:
    op.create_table(
        "schedules",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("command", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("cron", sa.Text(), nullable=True),
        sa.Column("zone", sa.Text(), nullable=True),
        sa.Column("due_at", types.UtcDateTime, nullable=True),
        sa.Column("created_at", types.UtcDateTime, nullable=False),
        sa.Column("last_fired_at", types.UtcDateTime, nullable=True),
        sa.Column("fired", sa.Integer(), nullable=False),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_schedules")),
    )
    due = sa.text("due_at IS NOT NULL")
    op.create_index("ix_schedules_due", "schedules", ["due_at"], sqlite_where=due, postgresql_where=due)


def _sinks() -> None:
    op.create_table(
        "sinks",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("ok_at", types.UtcDateTime, nullable=True),
        sa.Column("failing_since", types.UtcDateTime, nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sinks")),
    )
    op.create_table(
        "sink_deliveries",
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("sink", sa.Text(), nullable=False),
        sa.Column("published_at", types.UtcDateTime, nullable=True),
        sa.Column("retry_count", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", types.UtcDateTime, nullable=True),
        sa.Column("dead_at", types.UtcDateTime, nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["event_id"], ["outbox_events.id"], name=op.f("fk_sink_deliveries_event_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("event_id", "sink", name=op.f("pk_sink_deliveries")),
    )


def _blobs() -> None:
    op.create_table(
        "blobs",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("created_at", types.UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_blobs")),
    )
    op.create_table(
        "blob_garbage",
        sa.Column("prefix", sa.Text(), nullable=False),
        sa.Column("since", types.UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("prefix", name=op.f("pk_blob_garbage")),
    )
