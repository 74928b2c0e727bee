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
    owned = sa.text("run_id IS NOT NULL")
    op.create_index(
        "ix_idempotency_keys_run", "idempotency_keys", ["run_id"], sqlite_where=owned, postgresql_where=owned
    )
    _paused_workflows()
    _audit_log()
    _schedules()
    _sinks()
    _blobs()
    _run_stats()
    _writer_marks()


def _run_stats() -> None:
    """Spread every count over shards. The table is small: it is made anew."""
    rows = op.get_bind().execute(sa.text("SELECT workflow_id, status, count FROM run_stats")).all()
    op.drop_table("run_stats")
    made = op.create_table(
        "run_stats",
        sa.Column("workflow_id", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("shard", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("workflow_id", "status", "shard", name=op.f("pk_run_stats")),
    )
    op.bulk_insert(made, [{"workflow_id": one[0], "status": one[1], "shard": 0, "count": one[2]} for one in rows])


def _writer_marks() -> None:
    op.create_table(
        "writer_marks",
        sa.Column("writer", sa.Text(), nullable=False),
        sa.Column("mark", sa.Text(), nullable=False),
        sa.Column("since", types.UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("writer", name=op.f("pk_writer_marks")),
    )


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
        sa.Column("bulk", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_audit_log")),
        sqlite_autoincrement=True,
    )
    of_a_run = sa.text("run_id IS NOT NULL")
    op.create_index(
        "ix_audit_log_run", "audit_log", ["run_id", "seq"], sqlite_where=of_a_run, postgresql_where=of_a_run
    )

    in_bulk = sa.text("bulk IS NOT NULL")
    op.create_index("ix_audit_log_bulk", "audit_log", ["bulk"], sqlite_where=in_bulk, postgresql_where=in_bulk)


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
