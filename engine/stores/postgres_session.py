"""The writing connection to Postgres: it comes back after every outage, and never guesses whether a commit happened."""

from __future__ import annotations

import logging
import random
import threading
import time
from datetime import datetime

import psycopg
from psycopg.pq import TransactionStatus
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from engine.errors import StoreUnavailable
from engine.model.ids import new_token
from engine.ports.clock import Clock
from engine.stores.clock import DatabaseClock
from engine.stores.postgres_address import PostgresAddress
from engine.stores.postgres_connection import answers, connect, drop, is_lost, status, unavailable, was_given_up
from engine.stores.sql.counts import SHARDS
from engine.stores.sql.dialect import POSTGRES

log = logging.getLogger(__name__)

PATIENCE = 2.0
"""Seconds to try to connect before those who wait are told that the database is away. They ask again."""
LONGEST_PAUSE = 2.0
KEEP_MARKS = "1 day"


class PostgresSession:
    """`engine.stores.writer.Session`.

    Every transaction that writes leaves its mark in a row of this writer's own, with the message that commits it.
    When the answer to a commit is lost, that row says whether the commit happened.
    """

    dialect = POSTGRES

    def __init__(self, address: PostgresAddress, clock: Clock) -> None:
        self.shard = random.randrange(SHARDS)  # noqa: S311
        self._address = address
        self._clock = clock
        self._writer = new_token()
        self._connection: Connection | None = None
        self._backend = 0
        self._began: datetime | None = None
        self._closing = threading.Event()

    def begin(self) -> Connection:
        give_up = time.monotonic() + PATIENCE
        pause = 0.05
        while True:
            try:
                return self._begin()
            except (SQLAlchemyError, psycopg.Error) as error:
                self._drop()
                if time.monotonic() + pause > give_up or self._closing.is_set():
                    raise unavailable(error) from error
            self._closing.wait(pause * random.uniform(0.5, 1.5))  # noqa: S311
            pause = min(pause * 2, LONGEST_PAUSE)

    def _begin(self) -> Connection:
        if self._connection is None or is_lost(self._connection):
            self._drop()
            self._connection = self._connect()
        asked = time.monotonic()
        settings = self._address.transaction_settings
        told = answers(self._connection, f"BEGIN; {settings}SELECT clock_timestamp(), now(), pg_backend_pid()")
        instant, self._began, self._backend = told[-1]
        if isinstance(self._clock, DatabaseClock):
            self._clock.sample(instant, asked, time.monotonic())
        return self._connection

    def _connect(self) -> Connection:
        connection = connect(self._address, "writer")
        try:
            answers(
                connection,
                f"DELETE FROM writer_marks WHERE since < now() - interval '{KEEP_MARKS}';"  # noqa: S608 - constants
                f"INSERT INTO writer_marks VALUES ('{self._writer}', '', now()) ON CONFLICT DO NOTHING",
            )
        except BaseException:
            drop(connection)
            raise
        return connection

    def now(self) -> datetime:
        return self._clock.now()

    def standing(self) -> bool:
        states = (TransactionStatus.INTRANS, TransactionStatus.INERROR)
        return self._connection is not None and status(self._connection) in states

    def sound(self) -> bool:
        return self._connection is not None and status(self._connection) is TransactionStatus.INTRANS

    def gave_up(self, error: BaseException) -> bool:
        return was_given_up(error)

    def say(self, statement: str) -> None:
        assert self._connection is not None
        answers(self._connection, statement)

    def commit(self) -> None:
        """One message marks the transaction, if it wrote anything, and commits it."""
        assert self._connection is not None
        mark = new_token()
        try:
            self.say(
                f"UPDATE writer_marks SET mark = '{mark}', since = now() WHERE writer = '{self._writer}'"  # noqa: S608
                " AND pg_current_xact_id_if_assigned() IS NOT NULL; COMMIT"
            )
        except (SQLAlchemyError, psycopg.Error) as error:
            if not is_lost(self._connection):
                raise
            if not self._was_committed(mark):
                raise unavailable(error) from error

    def _was_committed(self, mark: str) -> bool:
        """Look the lost commit up, for as long as it takes: to guess would lose work or do it twice."""
        lost, began, pause, said = self._backend, self._began, 0.05, 0.0
        while True:
            self._drop()
            try:
                connection = self._connection = self._connect()
                # The lost session may yet be at it: end it, then wait for its hold on the mark. If it is in another
                # transaction by now, it serves somebody else, as a pooler has it.
                answers(
                    connection,
                    f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = {int(lost)}"  # noqa: S608
                    f" AND xact_start = '{began}' AND usename = current_user AND pid <> pg_backend_pid()",
                )
                query = f"SELECT mark FROM writer_marks WHERE writer = '{self._writer}' FOR UPDATE"  # noqa: S608
                found = answers(connection, query)
                return bool(found) and found[0][0] == mark
            except (SQLAlchemyError, psycopg.Error) as error:
                if self._closing.is_set():
                    raise StoreUnavailable("closed before it was known whether the last commit happened") from error
                if time.monotonic() - said >= 1.0:
                    said = time.monotonic()
                    log.warning("the answer to a commit was lost, asking again: %s", unavailable(error))
            self._closing.wait(pause * random.uniform(0.5, 1.5))  # noqa: S311
            pause = min(pause * 2, LONGEST_PAUSE)

    def rollback(self) -> None:
        connection = self._connection
        if connection is None:
            return
        try:
            if not is_lost(connection) and status(connection) is not TransactionStatus.IDLE:
                self.say("ROLLBACK")
        except (SQLAlchemyError, psycopg.Error):
            self._drop()

    def told(self, error: BaseException) -> BaseException:
        return unavailable(error) if isinstance(error, SQLAlchemyError | psycopg.Error) else error

    def hurry(self) -> None:
        """The store is closing: wait for nothing any more. From any thread."""
        self._closing.set()

    def close(self) -> None:
        connection = self._connection
        if connection is not None and not is_lost(connection):
            try:
                answers(connection, f"DELETE FROM writer_marks WHERE writer = '{self._writer}'")  # noqa: S608
            except (SQLAlchemyError, psycopg.Error):
                log.debug("the writer's mark is left to be removed later")
        self._drop()

    def _drop(self) -> None:
        drop(self._connection)
        self._connection = None
