"""The size of a Postgres database, and the roles it is best used with."""

from __future__ import annotations

from sqlalchemy import Connection, text

from engine.stores.postgres_address import PostgresAddress
from engine.stores.postgres_connection import connect, database_errors, drop
from engine.stores.sql.migrate import state_of
from engine.stores.sql.statistics import DatabaseStats, TableStats, table_names

COUNTED_UP_TO = 1_000_000
"""Larger tables are not counted: the planner's estimate has to do."""
_SIZES = text(
    """
    SELECT c.relname, greatest(c.reltuples, 0)::bigint, pg_total_relation_size(c.oid)
    FROM pg_class AS c WHERE c.oid = ANY (ARRAY(SELECT to_regclass(name) FROM unnest(CAST(:names AS text[])) AS name))
    """
)


def database_statistics(address: PostgresAddress) -> DatabaseStats:
    """Small tables counted exactly, large ones estimated, in one snapshot. Raises `StoreUnavailable`."""
    with database_errors():
        connection = connect(address, "stats")
        try:
            connection.exec_driver_sql("BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            return _statistics(connection)
        finally:
            drop(connection)


def _statistics(connection: Connection) -> DatabaseStats:
    found = connection.execute(_SIZES, {"names": table_names()}).all()
    return DatabaseStats(
        schema=state_of(connection).found,
        bytes=int(connection.exec_driver_sql("SELECT pg_database_size(current_database())").scalar_one()),
        free_bytes=None,
        log_bytes=None,
        tables=tuple(_table(connection, *row) for row in sorted(found)),
    )


def _table(connection: Connection, name: str, estimate: int, size: int) -> TableStats:
    if estimate > COUNTED_UP_TO:
        return TableStats(name, estimate, size, estimated=True)
    rows = connection.exec_driver_sql(f'SELECT count(*) FROM "{name}"').scalar_one()  # noqa: S608 - one of ours
    return TableStats(name, int(rows), size)
