"""All there is to know of an AI call; what a run may spend."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from engine.stores.sql import types

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("answered_by", "finish_reason", "error_code", "request_key", "batch_id", "answer"):
        op.add_column("ai_calls", sa.Column(name, sa.Text(), nullable=True))
    op.add_column("ai_calls", sa.Column("first_token_ms", sa.BigInteger(), nullable=True))
    reasoning = sa.Column("reasoning_tokens", sa.BigInteger(), server_default=sa.text("0"), nullable=False)
    op.add_column("ai_calls", reasoning)
    for table in ("workflow_runs", "workflow_stages"):
        op.add_column(table, sa.Column("reuse_ai", sa.Boolean(), server_default=sa.false(), nullable=False))
    _indexes()
    op.create_table(
        "ai_budgets",
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("max_cost", types.Money, nullable=True),
        sa.ForeignKeyConstraint(
            ["run_id"], ["workflow_runs.id"], name=op.f("fk_ai_budgets_run_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("run_id", "scope", name=op.f("pk_ai_budgets")),
    )


def _indexes() -> None:
    for name in ("ix_ai_calls_created", "ix_ai_calls_run"):
        op.drop_index(name, table_name="ai_calls")
    op.create_index("ix_ai_calls_run", "ai_calls", ["run_id", "created_at"])
    op.create_index("ix_ai_calls_spent", "ai_calls", ["created_at", "workflow_id", "cost"])
    _partial_index(
        "ix_ai_calls_request", ["request_key", "created_at"], "request_key IS NOT NULL AND status = 'ok' AND NOT reused"
    )
    _partial_index("ix_ai_calls_batch", ["batch_id"], "batch_id IS NOT NULL")
    _partial_index("ix_ai_calls_open", ["run_id", "stage_id", "attempt"], "status = 'open'")
    worded = "prompt IS NOT NULL OR response IS NOT NULL OR answer IS NOT NULL"
    _partial_index("ix_ai_calls_worded", ["created_at"], worded)


def _partial_index(name: str, columns: list[str], condition: str) -> None:
    where = sa.text(condition)
    op.create_index(name, "ai_calls", columns, sqlite_where=where, postgresql_where=where)
