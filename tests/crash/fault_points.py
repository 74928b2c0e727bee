"""Every point at which something can break: statements, commits, blob writes and sink calls, numbered as they come."""

from __future__ import annotations

import sqlite3
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import pytest
from sqlalchemy import Engine, event

from engine.blobs.filesystem import FilesystemBlobStore
from engine.events import Event
from engine.stores.sqlite_session import SqliteSession
from engine.testing import CollectingEventSink

Mode = Literal["before", "after", "death"]
MODES: tuple[Mode, ...] = ("before", "after", "death")


class Broken(sqlite3.OperationalError):
    """The planted fault."""


class Faults:
    """Breaks at the point of that number; 0 breaks nothing and counts. After a death nothing works any more."""

    def __init__(self, at: int = 0, mode: Mode = "before") -> None:
        self.at, self.mode = at, mode
        self.count = 0
        self.kinds: Counter[str] = Counter()
        self.dead = self.hit = False
        self._lock = threading.Lock()

    def enter(self, kind: str) -> bool:
        """Before the deed; whether to break after it."""
        with self._lock:
            if self.dead:
                raise Broken("dead")
            self.count += 1
            self.kinds[kind] += 1
            if self.count != self.at:
                return False
            self.hit = True
            if self.mode == "after":
                return True
            self.dead = self.mode == "death"
            raise Broken(f"planted before {kind}")

    def leave(self, breaks: bool) -> None:
        if breaks:
            raise Broken("planted afterwards")


@contextmanager
def planted(faults: Faults, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every statement of the writer's thread, transaction control included, is a point."""
    pending: list[bool] = []

    def is_writer() -> bool:
        return threading.current_thread().name == "wfconsole-writer"

    def before(*_: Any) -> None:
        if is_writer():
            pending.append(faults.enter("statement"))

    def after(*_: Any) -> None:
        if is_writer():
            faults.leave(pending.pop())

    def say(session: SqliteSession, statement: str) -> None:
        if statement == "ROLLBACK":
            plain_say(session, statement)
            return
        breaks = faults.enter(statement.split()[0])
        plain_say(session, statement)
        faults.leave(breaks)

    plain_say = SqliteSession.say
    with monkeypatch.context() as patched:
        patched.setattr(SqliteSession, "say", say)
        event.listen(Engine, "before_cursor_execute", before)
        event.listen(Engine, "after_cursor_execute", after)
        try:
            yield
        finally:
            event.remove(Engine, "before_cursor_execute", before)
            event.remove(Engine, "after_cursor_execute", after)


class FaultyBlobs(FilesystemBlobStore):
    faults: Faults

    async def put(self, key: str, content: bytes) -> None:
        breaks = self.faults.enter("blob")
        await super().put(key, content)
        self.faults.leave(breaks)


class FaultySink(CollectingEventSink):
    faults: Faults

    async def emit(self, event: Event) -> None:
        breaks = self.faults.enter("sink")
        await super().emit(event)
        self.faults.leave(breaks)
