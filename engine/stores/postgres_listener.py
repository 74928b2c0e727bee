"""Waking up through Postgres: LISTEN and NOTIFY as hints, on a connection of their own.

A notification is sent after the commit, off the way of the writer and several as one: a notifying transaction takes a
lock on the whole database for its commit. A line that went dead unnoticed is found by asking over it now and then.
"""

from __future__ import annotations

import contextlib
import logging
import os
import random
import select
import threading
import time
from typing import Any

import psycopg
from psycopg.pq import ExecStatus
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from engine.stores.postgres_address import PostgresAddress
from engine.stores.postgres_connection import answers, connect, driver, drop, unavailable
from engine.stores.watch import Watches

log = logging.getLogger(__name__)

CHANNEL = "wfconsole_news"
TOGETHER_SECONDS = 0.005
"""How long notifications are gathered into one."""
CHECK_SECONDS = 10.0
ANSWER_SECONDS = 5.0
"""How long a line may owe an answer. One that something in between keeps open would owe it for ever."""
LONGEST_PAUSE = 5.0
POLL_SECONDS = 0.25


class Listener:
    """A thread that hears of other processes' commits while anybody waits, and tells them of ours.

    Behind a pooler, where nothing can be heard, it looks for new transactions instead.
    """

    def __init__(self, address: PostgresAddress, watches: Watches) -> None:
        self._address = address
        self._watches = watches
        self._stopping = threading.Event()
        self._news = threading.Event()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._bell, self._ring = os.pipe()
        os.set_blocking(self._bell, False)
        os.set_blocking(self._ring, False)

    def start(self) -> None:
        with self._starting:
            if self._thread is None and not self._stopping.is_set():
                self._thread = threading.Thread(target=self._run, name="wfconsole-listen", daemon=True)
                self._thread.start()

    def announce(self) -> None:
        """Something was committed here: wake this process at once, the others soon."""
        self._watches.wake_all()
        if not self._address.pooled and not self._news.is_set():
            self._news.set()
            self.start()
            self._wake()

    def stop(self) -> None:
        self._stopping.set()
        self._wake()
        if self._thread is not None:
            self._thread.join()
        os.close(self._bell)
        os.close(self._ring)

    def _wake(self) -> None:
        with contextlib.suppress(BlockingIOError, OSError):
            os.write(self._ring, b"!")

    def _run(self) -> None:
        pause, said = 0.1, float("-inf")
        while not self._stopping.is_set():
            connection: Connection | None = None
            began = time.monotonic()
            try:
                connection = connect(self._address, "listener")
                # What was committed while nobody listened can't be told: that counts as news.
                if self._address.pooled:
                    self._look(connection)
                else:
                    answers(connection, f"LISTEN {CHANNEL}")
                    self._watches.wake_all()
                    self._listen(connection)
            except (SQLAlchemyError, psycopg.Error, OSError) as error:
                if time.monotonic() - said >= 1.0:
                    said = time.monotonic()
                    log.debug("waking up goes by the clock only: %s", unavailable(error))
                if connection is not None:
                    # Whoever waits would hear nothing any more: let them look whether the database is there.
                    self._watches.wake_all()
            finally:
                drop(connection)
            if time.monotonic() - began > LONGEST_PAUSE:
                pause = 0.1
            self._stopping.wait(pause * random.uniform(0.5, 1.5))  # noqa: S311
            pause = min(pause * 2, LONGEST_PAUSE)

    def _listen(self, connection: Connection) -> None:
        line = driver(connection)
        mine = line.info.backend_pid
        checked = time.monotonic()
        while not self._stopping.is_set():
            if self._news.is_set():
                self._stopping.wait(TOGETHER_SECONDS)
                self._news.clear()
                self._ask(line, f"NOTIFY {CHANNEL}")
            for heard in line.notifies(timeout=0):
                if heard.pid != mine:
                    self._watches.wake_all()
            left = checked + CHECK_SECONDS - time.monotonic()
            if left <= 0:
                if not self._ask(line, "SELECT 1 FROM pg_listening_channels()"):
                    return
                checked, left = time.monotonic(), CHECK_SECONDS
            if self._news.is_set():
                continue
            ready, _, _ = select.select([line.fileno(), self._bell], [], [], left)
            if self._bell in ready:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._bell, 4096)

    def _ask(self, line: psycopg.Connection[Any], statement: str) -> bool:
        """Whether the answer has a row. Raises `OSError` when none comes in time."""
        wire, give_up = line.pgconn, time.monotonic() + ANSWER_SECONDS
        wire.send_query(statement.encode())
        wire.flush()
        while wire.is_busy():
            left = give_up - time.monotonic()
            if left <= 0 or self._stopping.is_set():
                raise TimeoutError("the line gives no answer")
            select.select([line.fileno()], [], [], min(left, POLL_SECONDS))
            wire.consume_input()
        rows = 0
        while (result := wire.get_result()) is not None:
            if result.status == ExecStatus.FATAL_ERROR:
                raise psycopg.OperationalError(result.error_message.decode(errors="replace"))
            rows += result.ntuples
        while (heard := wire.notifies()) is not None:
            if heard.be_pid != line.info.backend_pid:
                self._watches.wake_all()
        return rows > 0

    def _look(self, connection: Connection) -> None:
        """A new transaction anywhere on the server counts as news: seldom wrong, and never late."""
        seen: object = None
        while not self._stopping.is_set():
            newest = answers(connection, "SELECT pg_snapshot_xmax(pg_current_snapshot())::text")[0][0]
            if newest != seen:
                self._watches.wake_all()
            seen = newest
            self._stopping.wait(POLL_SECONDS * random.uniform(0.8, 1.2))  # noqa: S311
