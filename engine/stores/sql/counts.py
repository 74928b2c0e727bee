"""How many runs of a workflow have a status, rolled up in the transaction that changes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from engine.stores.sql.dialect import Dialect, Prepared
from engine.stores.sql.tables import run_stats

SHARDS = 16
"""Rows a count is spread over, so that writers don't queue for one row; readers add them up."""


def _count(dialect: Dialect) -> Any:
    insert = dialect.insert(run_stats)
    return insert.on_conflict_do_update(
        index_elements=[run_stats.c.workflow_id, run_stats.c.status, run_stats.c.shard],
        set_={"count": run_stats.c.count + insert.excluded.count},
    )


_prepared = Prepared(count=_count)


def write_counts(connection: Connection, dialect: Dialect, deltas: Mapping[tuple[str, str], int], shard: int) -> None:
    """Once, last before the commit and in one order: the rows are shared, and are locked for that moment only."""
    rows = [
        {"workflow_id": workflow, "status": status, "shard": shard, "count": delta}
        for (workflow, status), delta in sorted(deltas.items())
        if delta
    ]
    if rows:
        connection.execute(_prepared(dialect).count, rows)
