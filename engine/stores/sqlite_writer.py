"""The one thread that writes to SQLite: everything that waits for it shares a commit, each in a savepoint of its
own."""

from __future__ import annotations

import random
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from engine.errors import StoreUnavailable
from engine.ports.clock import Clock
from engine.ports.reads import ReadStore
from engine.ports.work import UnitOfWork
from engine.stores.sql.dialect import SQLITE
from engine.stores.sql.migrate import bring_to_head
from engine.stores.sql.reads import SqlReads
from engine.stores.sql.work import SqlWork
from engine.stores.sqlite_connection import Durability, connect, is_busy, raw

R = TypeVar("R")

MAX_BATCH = 256
LOCK_PATIENCE = 30.0
"""Seconds to go on asking for the write lock, which other processes share."""


@dataclass(slots=True, eq=False)
class _Member:
    fn: Callable[[Any], Any]
    reads: bool = False
    future: Future[Any] = field(default_factory=Future)
    result: Any = None
    error: BaseException | None = None
    announced: bool = False

    def settle(self) -> None:
        if self.future.set_running_or_notify_cancel():
            if self.error is not None:
                self.future.set_exception(self.error)
            else:
                self.future.set_result(self.result)


class _TransactionLost(Exception):
    """SQLite ended the transaction by itself (disk full, I/O error, …): no member of the batch is done."""


class Writer:
    """Runs submitted functions one after the other on a thread of its own.

    `announce` is called after a commit in which somebody said that there is work or news.
    """

    def __init__(self, path: Path | None, clock: Clock, durability: Durability, announce: Callable[[], None]) -> None:
        self._path = path
        self._clock = clock
        self._durability = durability
        self._announce = announce
        self._queue: deque[_Member] = deque()
        self._ready = threading.Condition()
        self._closing = False
        self._connection: Connection | None = None
        self._thread = threading.Thread(target=self._run, name="wfconsole-writer", daemon=True)
        self._thread.start()

    def submit(self, fn: Callable[[UnitOfWork], R], *, urgent: bool = False) -> Future[R]:
        return self._put(_Member(fn), urgent)

    def submit_read(self, fn: Callable[[ReadStore], R]) -> Future[R]:
        return self._put(_Member(fn, reads=True), urgent=False)

    def _put(self, member: _Member, urgent: bool) -> Future[Any]:
        with self._ready:
            if self._closing:
                raise StoreUnavailable("the store is closed")
            if urgent:
                self._queue.appendleft(member)
            else:
                self._queue.append(member)
            self._ready.notify()
        return member.future

    def close(self) -> None:
        """After everything submitted so far."""
        with self._ready:
            self._closing = True
            self._ready.notify()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._ready:
                while not self._queue and not self._closing:
                    self._ready.wait()
                if not self._queue:
                    break
                batch = [self._queue.popleft() for _ in range(min(len(self._queue), MAX_BATCH))]
            self._carry_out(batch)
        if self._connection is not None:
            self._connection.close()

    def _carry_out(self, batch: list[_Member]) -> None:
        try:
            self._commit_together(batch)
        except _TransactionLost:
            for member in batch:
                self._alone(member)
        except BaseException as error:
            for member in batch:
                member.error = _unavailable(error)
        for member in batch:
            member.settle()
        if any(member.announced for member in batch):
            self._announce()

    def _alone(self, member: _Member) -> None:
        member.error = None
        try:
            self._commit_together([member])
        except _TransactionLost as lost:
            member.error = _unavailable(lost.__cause__ or lost)
        except BaseException as error:
            member.error = _unavailable(error)

    def _commit_together(self, batch: list[_Member]) -> None:
        connection = self._begin()
        driver = raw(connection)
        try:
            now = self._clock.now()
            for member in batch:
                self._carry_out_one(member, connection, driver, SqlWork(connection, SQLITE, now), alone=len(batch) == 1)
            if driver.in_transaction:
                driver.execute("COMMIT")
        except BaseException:
            if driver.in_transaction:
                driver.execute("ROLLBACK")
            raise

    def _carry_out_one(
        self,
        member: _Member,
        connection: Connection,
        driver: sqlite3.Connection,
        work: SqlWork,
        *,
        alone: bool,
    ) -> None:
        if not alone:
            driver.execute("SAVEPOINT member")
        try:
            if member.reads:
                member.result = member.fn(SqlReads(connection, work.now, SQLITE))
            else:
                member.result = member.fn(work)
                work.finish()
            member.announced = work.announced
            if not driver.in_transaction:
                raise sqlite3.OperationalError("the transaction ended before its commit")
        except BaseException as error:
            if not driver.in_transaction:
                raise _TransactionLost from error
            member.error = _unavailable(error) if isinstance(error, DBAPIError | sqlite3.Error) else error
            driver.execute("ROLLBACK" if alone else "ROLLBACK TO member")
        if not alone:
            driver.execute("RELEASE member")

    def _begin(self) -> Connection:
        """An open writing transaction; waits its turn among the processes that share the file."""
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


def _unavailable(error: BaseException) -> BaseException:
    if isinstance(error, DBAPIError):
        unavailable = StoreUnavailable(f"SQLite: {error.orig}")
    elif isinstance(error, sqlite3.Error):
        unavailable = StoreUnavailable(f"SQLite: {error}")
    else:
        return error
    unavailable.__cause__ = error
    return unavailable
