"""The SQLite store: one writer thread with group commit, a few read-only reader threads, WAL, `synchronous=FULL`.

Every writing transaction begins with `BEGIN IMMEDIATE`: a transaction that reads first and writes later is refused
at once
when somebody else wrote in between. One writer a process, since SQLite's own waiting is unfair between connections.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection

from engine.errors import ReadOnly, StoreUnavailable
from engine.ports.clock import Clock
from engine.ports.persistence import Watch
from engine.ports.reads import ReadStore
from engine.ports.work import UnitOfWork
from engine.stores.sql.dialect import SQLITE
from engine.stores.sql.reads import SqlReads
from engine.stores.sqlite_connection import Durability, connect, database_errors
from engine.stores.sqlite_session import SqliteSession
from engine.stores.watch import DataVersionPoller, Watches
from engine.stores.writer import Writer

R = TypeVar("R")

READERS = 2


class SqliteStore:
    """`engine.ports.persistence.Persistence` on a SQLite file, or in memory (`path=None`).

    In memory everything, reads included, goes through the writer's thread: a second connection would be refused at
    once.
    """

    def __init__(
        self, path: Path | None, clock: Clock, *, read_only: bool = False, durability: Durability = "full"
    ) -> None:
        self.path = path
        self._clock = clock
        self._pid = os.getpid()
        self._watches = Watches()
        self._poller = DataVersionPoller(path, self._watches) if path else None
        self._writer = None if read_only else Writer(SqliteSession(path, clock, durability), self._watches.wake_all)
        self._readers = ThreadPoolExecutor(READERS, "wfconsole-reader") if path else None
        self._local = threading.local()
        self._opened: list[Connection] = []
        self._closed = False

    def submit(self, fn: Callable[[UnitOfWork], R], *, urgent: bool = False) -> Future[R]:
        if self._writer is None:
            raise ReadOnly
        self._check_usable()
        return self._writer.submit(fn, urgent=urgent)

    async def transact(self, fn: Callable[[UnitOfWork], R]) -> R:
        return await asyncio.shield(asyncio.wrap_future(self.submit(fn)))

    async def read(self, fn: Callable[[ReadStore], R]) -> R:
        self._check_usable()
        if self._readers is None:
            assert self._writer is not None
            return await asyncio.wrap_future(self._writer.submit_read(fn))
        return await asyncio.wrap_future(self._readers.submit(self._read, fn))

    def _read(self, fn: Callable[[ReadStore], R]) -> R:
        with database_errors():
            connection = self._reader_connection()
            connection.exec_driver_sql("BEGIN")
            try:
                return fn(SqlReads(connection, self._clock.now(), SQLITE))
            finally:
                # A snapshot held open would keep the WAL from being checkpointed.
                connection.exec_driver_sql("ROLLBACK")

    def _reader_connection(self) -> Connection:
        connection: Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            assert self.path is not None
            connection = connect(self.path, read_only=True)
            self._local.connection = connection
            self._opened.append(connection)
        return connection

    def watch(self) -> Watch:
        self._check_usable()
        if self._poller is not None:
            self._poller.start()
        return self._watches.new()

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        if self._poller is not None:
            self._poller.stop()
        if self._readers is not None:
            self._readers.shutdown(wait=True)
        for connection in self._opened:
            with contextlib.suppress(Exception):
                connection.close()
        if self._writer is not None:
            self._writer.close()

    def _check_usable(self) -> None:
        if self._closed:
            raise StoreUnavailable("the store is closed")
        if os.getpid() != self._pid:
            raise StoreUnavailable("a SQLite store does not survive a fork: open one in the child")
