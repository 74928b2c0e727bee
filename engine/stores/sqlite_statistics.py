"""The size of a SQLite file."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from engine.errors import StoreUnavailable
from engine.stores.sql.migrate import state_of
from engine.stores.sql.statistics import DatabaseStats, TableStats, table_names
from engine.stores.sqlite_connection import connect, database_errors


def file_statistics(path: Path) -> DatabaseStats:
    """Counted exactly, in one snapshot. Raises `StoreUnavailable`."""
    if not path.is_file():
        raise StoreUnavailable(f"no database file {path}")
    with database_errors():
        connection = connect(path, read_only=True)
        try:
            connection.exec_driver_sql("BEGIN")
            return _statistics(connection, path)
        finally:
            connection.close()


def _statistics(connection: Connection, path: Path) -> DatabaseStats:
    page = _number(connection, "PRAGMA page_size")
    there = {row[0] for row in connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'table'")}
    sizes = _sizes(connection)
    log = path.with_name(path.name + "-wal")
    return DatabaseStats(
        schema=state_of(connection).found,
        bytes=page * _number(connection, "PRAGMA page_count"),
        free_bytes=page * _number(connection, "PRAGMA freelist_count"),
        log_bytes=log.stat().st_size if log.exists() else 0,
        tables=tuple(
            TableStats(name, _number(connection, f"SELECT count(*) FROM {name}"), sizes.get(name))  # noqa: S608 - ours
            for name in table_names()
            if name in there
        ),
    )


def _sizes(connection: Connection) -> dict[str, int]:
    """By table, with its indexes; nothing where this SQLite was built without `dbstat`."""
    try:
        rows = connection.exec_driver_sql(
            "SELECT m.tbl_name, sum(s.pgsize) FROM dbstat AS s JOIN sqlite_master AS m ON m.name = s.name GROUP BY 1"
        )
        return {name: int(size) for name, size in rows}
    except OperationalError:
        return {}


def _number(connection: Connection, statement: str) -> int:
    return int(connection.exec_driver_sql(statement).scalar_one())
