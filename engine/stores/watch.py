"""Waking up: by commits of this process at once, by those of other processes through SQLite's `data_version`."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
import time
from pathlib import Path

from sqlalchemy.exc import DBAPIError

from engine.stores.sqlite_connection import connect, raw

POLL_SECONDS = 0.025
"""How late a commit of another process may be noticed while there are some."""

QUIET_POLL_SECONDS = 0.05
"""How late the first one may be after `QUIET_AFTER_SECONDS` without any: an idle process does little but look."""

QUIET_AFTER_SECONDS = 5.0


class LoopWatch:
    """`engine.ports.persistence.Watch`: an event that any thread may set."""

    def __init__(self, watches: Watches) -> None:
        self._watches = watches
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._event = asyncio.Event()
        self._signalled = False

    async def wait(self, timeout: float | None) -> bool:
        try:
            async with asyncio.timeout(timeout):
                await self._event.wait()
        except TimeoutError:
            return False
        # Cleared before whoever waited looks: what is committed from here on sets it again.
        self._event.clear()
        self._signalled = False
        return True

    def wake(self) -> None:
        if threading.get_ident() == self._thread:
            self._event.set()
            return
        if self._signalled:
            # Whoever waits has yet to look: it will see this too. Waking a loop costs a system call.
            return
        self._signalled = True
        with contextlib.suppress(RuntimeError):  # its loop is closed: nobody waits there any more
            self._loop.call_soon_threadsafe(self._event.set)

    def close(self) -> None:
        self._watches.forget(self)


class Watches:
    """Everybody who waits in this process."""

    def __init__(self) -> None:
        self._all: set[LoopWatch] = set()
        self._lock = threading.Lock()

    def new(self) -> LoopWatch:
        watch = LoopWatch(self)
        with self._lock:
            self._all.add(watch)
        return watch

    def forget(self, watch: LoopWatch) -> None:
        with self._lock:
            self._all.discard(watch)

    def wake_all(self) -> None:
        with self._lock:
            watches = list(self._all)
        for watch in watches:
            watch.wake()


class DataVersionPoller:
    """A thread that looks at `PRAGMA data_version` while anybody waits: it changes with every foreign commit."""

    def __init__(self, path: Path, watches: Watches) -> None:
        self._path = path
        self._watches = watches
        self._stopping = threading.Event()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        with self._starting:
            if self._thread is None and not self._stopping.is_set():
                self._thread = threading.Thread(target=self._run, name="wfconsole-watch", daemon=True)
                self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            with contextlib.suppress(DBAPIError, sqlite3.Error, OSError):
                self._look()
            # The file is away or broken: readers will say so; look again once it may be back.
            self._stopping.wait(1.0)

    def _look(self) -> None:
        connection = connect(self._path, read_only=True)
        try:
            driver = raw(connection)
            # The first look counts as news: what was committed before it, since somebody began to wait, can't be told.
            seen, news_at = None, time.monotonic()
            while True:
                version = driver.execute("PRAGMA data_version").fetchone()[0]
                if version != seen:
                    news_at = time.monotonic()
                    self._watches.wake_all()
                seen = version
                quiet = time.monotonic() - news_at > QUIET_AFTER_SECONDS
                if self._stopping.wait(QUIET_POLL_SECONDS if quiet else POLL_SECONDS):
                    return
        finally:
            connection.close()
