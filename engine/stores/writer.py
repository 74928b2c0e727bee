"""The one thread of a store that writes: everything that waits for it shares a commit, each in a savepoint of its
own."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection

from engine.errors import StoreUnavailable
from engine.ports.reads import ReadStore
from engine.ports.work import UnitOfWork
from engine.stores.sql.counts import write_counts
from engine.stores.sql.dialect import Dialect
from engine.stores.sql.reads import SqlReads
from engine.stores.sql.work import SqlWork

R = TypeVar("R")

MAX_BATCH = 256
ALONE_TRIES = 10
"""How often a member that the database gave up (a deadlock, say) is tried by itself."""


class Session(Protocol):
    """A writing connection of one database, used by the writer's thread only."""

    dialect: Dialect
    shard: int
    """Which of the rows of a rolled-up count this writer adds to."""

    def begin(self) -> Connection:
        """Open a transaction; connects where needed, and waits its turn."""

    def now(self) -> datetime:
        """The instant of this transaction."""

    def standing(self) -> bool:
        """The transaction is still there, though a failed statement may have spoiled it."""

    def sound(self) -> bool:
        """It stands, and would commit."""

    def gave_up(self, error: BaseException) -> bool:
        """The database ended the transaction by itself: none of its members is done, each may be tried again."""

    def say(self, statement: str) -> None:
        """A statement of transaction control."""

    def commit(self) -> None:
        """Commit. Returns when it is certain; raises when it is certain that nothing was committed."""

    def rollback(self) -> None:
        """End the transaction, if it stands. Never raises."""

    def told(self, error: BaseException) -> BaseException:
        """The error as callers get it: `StoreUnavailable` for what the database raises."""

    def close(self) -> None: ...


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
    """The database ended the transaction by itself (disk full, deadlock, …): no member of the batch is done."""


class _Spoiled(StoreUnavailable):
    """A member swallowed an error of the database: its transaction would not commit."""


class Writer:
    """Runs submitted functions one after the other on a thread of its own.

    `announce` is called after a commit in which somebody said that there is work or news.
    """

    def __init__(self, session: Session, announce: Callable[[], None]) -> None:
        self._session = session
        self._announce = announce
        self._queue: deque[_Member] = deque()
        self._ready = threading.Condition()
        self._closing = False
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
        self._session.close()

    def _carry_out(self, batch: list[_Member]) -> None:
        try:
            self._commit_together(batch)
        except _TransactionLost:
            for member in batch:
                self._alone(member)
        except BaseException as error:
            for member in batch:
                member.error = self._session.told(error)
        for member in batch:
            member.settle()
        if any(member.announced for member in batch):
            self._announce()

    def _alone(self, member: _Member) -> None:
        for left in reversed(range(ALONE_TRIES)):
            member.error = None
            try:
                self._commit_together([member])
                return
            except _TransactionLost as lost:
                cause = lost.__cause__ or lost
                member.error = self._session.told(cause)
                if not left or not self._session.gave_up(cause):
                    return
            except BaseException as error:
                member.error = self._session.told(error)
                return

    def _commit_together(self, batch: list[_Member]) -> None:
        session = self._session
        connection = session.begin()
        try:
            counts: Counter[tuple[str, str]] = Counter()
            now = session.now()
            for member in batch:
                work = SqlWork(connection, session.dialect, now)
                self._carry_out_one(member, connection, work, alone=len(batch) == 1)
                if member.error is None:
                    counts.update(work.counts)
            if session.standing():
                write_counts(connection, session.dialect, counts, session.shard)
                session.commit()
        except BaseException as error:
            session.rollback()
            if session.gave_up(error) and not isinstance(error, _TransactionLost):
                raise _TransactionLost from error
            raise

    def _carry_out_one(self, member: _Member, connection: Connection, work: SqlWork, *, alone: bool) -> None:
        session = self._session
        if not alone:
            session.say("SAVEPOINT member")
        try:
            if member.reads:
                member.result = member.fn(SqlReads(connection, work.now, session.dialect))
            else:
                member.result = member.fn(work)
            member.announced = work.announced
            if not session.sound():
                raise _Spoiled("the transaction ended before its commit")
        except BaseException as error:
            if not session.standing() or session.gave_up(error):
                raise _TransactionLost from error
            member.error = session.told(error)
            if alone:
                session.rollback()
                return
            session.say("ROLLBACK TO member")
        if not alone:
            session.say("RELEASE member")
