"""The Postgres store: one writer with group commit, a few readers, a listener; six connections at most."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import psycopg
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from engine.errors import ReadOnly, StoreUnavailable
from engine.ports.clock import Clock
from engine.ports.persistence import Watch
from engine.ports.reads import ReadStore
from engine.ports.work import UnitOfWork
from engine.stores.clock import DatabaseClock
from engine.stores.postgres_address import PostgresAddress
from engine.stores.postgres_connection import answers, connect, drop, is_lost, unavailable
from engine.stores.postgres_listener import Listener
from engine.stores.postgres_session import PostgresSession
from engine.stores.sql.dialect import POSTGRES
from engine.stores.sql.reads import SqlReads
from engine.stores.watch import Watches
from engine.stores.writer import Writer

R = TypeVar("R")

READERS = 4


class PostgresStore:
    """`engine.ports.persistence.Persistence` on Postgres.

    One writer a process, as on SQLite: what is submitted first is committed first, and the many share commits.
    """

    def __init__(self, address: PostgresAddress, clock: Clock, *, read_only: bool = False) -> None:
        self._address = address
        self._clock = clock
        self._pid = os.getpid()
        self._watches = Watches()
        self._listener = Listener(address, self._watches)
        self._session = None if read_only else PostgresSession(address, clock)
        self._writer = None if self._session is None else Writer(self._session, self._listener.announce)
        self._readers = ThreadPoolExecutor(READERS, "wfconsole-reader")
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
        return await asyncio.wrap_future(self._readers.submit(self._read, fn))

    def _read(self, fn: Callable[[ReadStore], R]) -> R:
        try:
            # A connection that died while it was idle says so only when it is used: then once more on a fresh one.
            try:
                connection = self._begin_reading()
            except (SQLAlchemyError, psycopg.Error):
                self._forget_reader()
                connection = self._begin_reading()
            try:
                return fn(SqlReads(connection, self._clock.now(), POSTGRES))
            finally:
                if not is_lost(connection):
                    answers(connection, "ROLLBACK")
        except (SQLAlchemyError, psycopg.Error) as error:
            self._forget_reader()
            raise unavailable(error) from error

    def _begin_reading(self) -> Connection:
        connection: Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = connect(self._address, "reader", read_only=True)
            self._local.connection = connection
            self._opened.append(connection)
        asked = time.monotonic()
        settings = self._address.transaction_settings
        begin = f"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; {settings}SELECT clock_timestamp()"
        ((instant,),) = answers(connection, begin)
        if isinstance(self._clock, DatabaseClock):
            self._clock.sample(instant, asked, time.monotonic())
        return connection

    def _forget_reader(self) -> None:
        connection: Connection | None = getattr(self._local, "connection", None)
        if connection is not None:
            self._local.connection = None
            self._opened.remove(connection)
            drop(connection)

    def watch(self) -> Watch:
        self._check_usable()
        self._listener.start()
        return self._watches.new()

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        self._readers.shutdown(wait=True)
        for connection in self._opened:
            drop(connection)
        if self._writer is not None and self._session is not None:
            self._session.hurry()
            self._writer.close()
        self._listener.stop()

    def _check_usable(self) -> None:
        if self._closed:
            raise StoreUnavailable("the store is closed")
        if os.getpid() != self._pid:
            raise StoreUnavailable("a store does not survive a fork: open one in the child")
