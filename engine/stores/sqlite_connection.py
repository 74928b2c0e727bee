"""Connections to SQLite, set up the way the store needs them."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal
from urllib.parse import quote

from sqlalchemy import Connection, create_engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection, DBAPICursor
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.pool import ConnectionPoolEntry, NullPool

from engine.errors import StoreUnavailable

Durability = Literal["full", "normal"]
"""`full`: a commit survives a power cut. `normal`: it survives a crash of the process, the last ones not a power
cut."""

BUSY_MS = 2_000
"""How long SQLite itself waits for a lock; the writer goes on trying after that, with random pauses."""


def connect(path: Path | None, *, read_only: bool = False, durability: Durability = "full") -> Connection:
    """A connection in autocommit mode, to a file that exists: who uses it says BEGIN and COMMIT."""
    if path is None:
        url = "sqlite://"
    else:
        # Never `rwc`: a file that was taken away must not come back empty, and readable by all.
        mode = "ro" if read_only else "rw"
        url = f"sqlite:///file:{quote(str(path))}?mode={mode}&uri=true"
    engine = create_engine(
        url,
        poolclass=NullPool,
        isolation_level="AUTOCOMMIT",
        connect_args={"check_same_thread": False, "timeout": BUSY_MS / 1000},
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
        if read_only:
            cursor.execute("PRAGMA query_only = ON")
        else:
            if path is not None:
                _use_wal(cursor)
                cursor.execute("PRAGMA journal_size_limit = 67108864")
            cursor.execute(f"PRAGMA synchronous = {durability.upper()}")
        cursor.close()

    return engine.connect()


def _use_wal(cursor: DBAPICursor) -> None:
    """Two processes that create a file switch it at once: SQLite refuses one of them without waiting."""
    give_up = time.monotonic() + BUSY_MS / 1000
    while True:
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if not is_busy(error) or time.monotonic() > give_up:
                raise
            time.sleep(0.005)


def raw(connection: Connection) -> sqlite3.Connection:
    """The driver's own connection, for what SQLAlchemy has no word for."""
    driver = connection.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)
    return driver


@contextmanager
def database_errors() -> Iterator[None]:
    """What the database raises by itself becomes `StoreUnavailable`, without parameters or addresses in its text."""
    try:
        yield
    except DBAPIError as error:
        raise StoreUnavailable(f"SQLite: {error.orig}") from error
    except sqlite3.Error as error:
        raise StoreUnavailable(f"SQLite: {error}") from error


def is_busy(error: BaseException) -> bool:
    original = error.orig if isinstance(error, OperationalError) else error
    return isinstance(original, sqlite3.OperationalError) and ("locked" in str(original) or "busy" in str(original))
