"""The tables of AI calls and of what may be spent on them."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, Table, Text, text

from engine.stores.sql.tables import metadata
from engine.stores.sql.types import JsonText, Money, UtcDateTime

ai_calls = Table(
    "ai_calls",
    metadata,
    Column("id", Text, primary_key=True),
    Column("run_id", Text, ForeignKey("workflow_runs.id", ondelete="CASCADE")),
    Column("workflow_id", Text),
    Column("stage_id", Text),
    Column("attempt", Integer),
    Column("topic", Text, nullable=False),
    Column("call_type", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("answered_by", Text),
    Column("input_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("cached_tokens", BigInteger, nullable=False),
    Column("reasoning_tokens", BigInteger, nullable=False, server_default=text("0")),
    Column("cost", Money),
    Column("latency_ms", BigInteger),
    Column("first_token_ms", BigInteger),
    Column("status", Text, nullable=False),
    Column("finish_reason", Text),
    Column("error", Text),
    Column("error_code", Text),
    Column("reused", Boolean, nullable=False),
    Column("request_key", Text),
    Column("batch_id", Text),
    Column("prompt", Text),
    Column("response", Text),
    Column("answer", JsonText),
    Column("created_at", UtcDateTime, nullable=False),
)
Index("ix_ai_calls_run", ai_calls.c.run_id, ai_calls.c.created_at)
Index("ix_ai_calls_spent", ai_calls.c.created_at, ai_calls.c.workflow_id, ai_calls.c.cost)
"""What was spent since a moment is read from the index alone."""
_answered = text("request_key IS NOT NULL AND status = 'ok' AND NOT reused")
Index(
    "ix_ai_calls_request",
    ai_calls.c.request_key,
    ai_calls.c.created_at,
    sqlite_where=_answered,
    postgresql_where=_answered,
)
_of_a_batch = text("batch_id IS NOT NULL")
Index("ix_ai_calls_batch", ai_calls.c.batch_id, sqlite_where=_of_a_batch, postgresql_where=_of_a_batch)
_under_way = text("status = 'open'")
Index(
    "ix_ai_calls_open",
    ai_calls.c.run_id,
    ai_calls.c.stage_id,
    ai_calls.c.attempt,
    sqlite_where=_under_way,
    postgresql_where=_under_way,
)
_worded = text("prompt IS NOT NULL OR response IS NOT NULL OR answer IS NOT NULL")
Index("ix_ai_calls_worded", ai_calls.c.created_at, sqlite_where=_worded, postgresql_where=_worded)

ai_budgets = Table(
    "ai_budgets",
    metadata,
    Column("run_id", Text, ForeignKey("workflow_runs.id", ondelete="CASCADE"), primary_key=True),
    Column("scope", Text, primary_key=True),
    Column("max_cost", Money),
)
"""What an operator allowed a run (`scope` is empty) or one of its stages to spend; null: without limit."""
