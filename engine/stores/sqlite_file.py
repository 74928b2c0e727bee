"""The SQLite file itself: private, created or upgraded under its own write lock."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import Connection

from engine.errors import SchemaTooNew, SchemaTooOld, StoreUnavailable
from engine.stores.sql.migrate import HEAD, SchemaState, bring_to_head, state_of
from engine.stores.sqlite_connection import connect, database_errors


def prepare_file(path: Path, *, migrate: bool, read_only: bool) -> None:
    """Make sure that the file has this program's schema.

    With `migrate`, and unless `read_only`, it is created (0600) or upgraded. Raises `StoreUnavailable`, `SchemaTooOld`,
    `SchemaTooNew`.
    """
    if migrate and not read_only:
        if not _at_head(path):
            upgrade_file(path)
        return
    state = schema_state(path)
    if state.ok:
        return
    if state.found is not None and state.found > HEAD:
        raise SchemaTooNew(state.found, HEAD)
    raise SchemaTooOld(state.found or "none", HEAD)


def _at_head(path: Path) -> bool:
    return path.exists() and path.stat().st_size > 0 and schema_state(path).ok


def schema_state(path: Path) -> SchemaState:
    """What the file has; creates nothing. Raises `StoreUnavailable`."""
    if not path.is_file():
        raise StoreUnavailable(f"no database file {path}")
    with _connected(path, read_only=True) as connection:
        return state_of(connection)


def upgrade_file(path: Path) -> str | None:
    """Create or upgrade the schema; the version before, None for an empty file. Done by two at once: one waits."""
    _create_private(path)
    with _connected(path, read_only=False) as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        try:
            found = state_of(connection).found
            bring_to_head(connection)
        except BaseException:
            connection.exec_driver_sql("ROLLBACK")
            raise
        connection.exec_driver_sql("COMMIT")
        return found


@contextlib.contextmanager
def _connected(path: Path, *, read_only: bool) -> Iterator[Connection]:
    with database_errors():
        connection = connect(path, read_only=read_only)
        try:
            yield connection
        finally:
            connection.close()


def _create_private(path: Path) -> None:
    """SQLite gives its side files the mode of the database: creating that 0600 first keeps all of them private."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise StoreUnavailable(f"can't open {path}: {error.strerror}") from error
