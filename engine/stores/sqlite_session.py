"""The writing connection to SQLite: one a process, since SQLite's own waiting is unfair between connections."""

from __future__ import annotations

import random
import sqlite3
import time
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from engine.errors import StoreUnavailable
from engine.ports.clock import Clock
from engine.stores.sql.counts import SHARDS
from engine.stores.sql.dialect import SQLITE
from engine.stores.sql.migrate import bring_to_head
from engine.stores.sqlite_connection import Durability, connect, is_busy, raw

LOCK_PATIENCE = 30.0
"""Seconds to go on asking for the write lock, which other processes share."""


class SqliteSession:
    """`engine.stores.writer.Session` on a file, or in memory (`path=None`)."""

    dialect = SQLITE

    def __init__(self, path: Path | None, clock: Clock, durability: Durability) -> None:
        self.shard = random.randrange(SHARDS)  # noqa: S311
        self._path = path
        self._clock = clock
        self._durability = durability
        self._connection: Connection | None = None

    def begin(self) -> Connection:
        give_up = time.monotonic() + LOCK_PATIENCE
        while True:
            try:
                if self._connection is None:
                    self._connection = self._connect()
                raw(self._connection).execute(SQLITE.begin)
                return self._connection
            except (DBAPIError, sqlite3.Error) as error:
                if not is_busy(error) or time.monotonic() > give_up:
                    raise
                # SQLite's own waiting lets one process starve: step back for a random while.
                time.sleep(random.uniform(0.001, 0.02))  # noqa: S311

    def _connect(self) -> Connection:
        connection = connect(self._path, durability=self._durability)
        if self._path is None:
            bring_to_head(connection)
        return connection

    def now(self) -> datetime:
        return self._clock.now()

    def standing(self) -> bool:
        return self._connection is not None and raw(self._connection).in_transaction

    def sound(self) -> bool:
        return self.standing()

    def gave_up(self, error: BaseException) -> bool:
        """Never to be tried again just so: a full disk stays full."""
        return False

    def say(self, statement: str) -> None:
        assert self._connection is not None
        raw(self._connection).execute(statement)

    def commit(self) -> None:
        self.say("COMMIT")

    def rollback(self) -> None:
        if self.standing():
            self.say("ROLLBACK")

    def told(self, error: BaseException) -> BaseException:
        if isinstance(error, DBAPIError):
            unavailable = StoreUnavailable(f"SQLite: {error.orig}")
        elif isinstance(error, sqlite3.Error):
            unavailable = StoreUnavailable(f"SQLite: {error}")
        else:
            return error
        unavailable.__cause__ = error
        return unavailable

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
