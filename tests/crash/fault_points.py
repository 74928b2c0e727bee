"""Every point at which something can break: statements, commits, blob writes and sink calls, numbered as they come."""

from __future__ import annotations

import sqlite3
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import psycopg
import pytest
from sqlalchemy import Connection, Engine, event

from engine.blobs.filesystem import FilesystemBlobStore
from engine.events import Event
from engine.stores import postgres_session
from engine.stores.postgres_connection import driver
from engine.stores.sqlite_session import SqliteSession
from engine.testing import CollectingEventSink

Mode = Literal["before", "after", "death"]
MODES: tuple[Mode, ...] = ("before", "after", "death")


class Broken(sqlite3.OperationalError):
    """The planted fault."""


class LineBroken(psycopg.OperationalError):
    """The planted fault on Postgres: the connection is gone with it."""


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


def _is_writer() -> bool:
    return threading.current_thread().name == "wfconsole-writer"


@contextmanager
def _line_of(connection: Connection, faults: Faults) -> Iterator[None]:
    """On Postgres a fault takes the line with it, unless the whole process is dead: then nobody looks any more."""
    try:
        yield
    except Broken as error:
        if faults.dead or connection.dialect.name == "sqlite":
            raise
        driver(connection).close()
        raise LineBroken(str(error)) from error


@contextmanager
def planted(faults: Faults, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every statement of the writer's thread, transaction control included, is a point."""
    pending: list[bool] = []

    def before(connection: Connection, *_: Any) -> None:
        if _is_writer():
            with _line_of(connection, faults):
                pending.append(faults.enter("statement"))

    def after(connection: Connection, *_: Any) -> None:
        if _is_writer():
            with _line_of(connection, faults):
                faults.leave(pending.pop())

    def answers(connection: Connection, statements: str) -> Any:
        if statements == "ROLLBACK":
            return plain_answers(connection, statements)
        if faults.dead and statements.startswith("DELETE"):
            # The dead say no goodbye: their mark stays.
            return []
        try:
            with _line_of(connection, faults):
                kind = "COMMIT" if "COMMIT" in statements else statements.split(maxsplit=1)[0].strip(";")
                breaks = faults.enter(kind)
                rows = plain_answers(connection, statements)
                faults.leave(breaks)
        except Broken:
            if statements.startswith("DELETE FROM writer_marks WHERE writer ="):
                # It died while it said goodbye.
                return []
            raise
        return rows

    def say(session: SqliteSession, statement: str) -> None:
        if statement == "ROLLBACK":
            plain_say(session, statement)
            return
        breaks = faults.enter(statement.split()[0])
        plain_say(session, statement)
        faults.leave(breaks)

    plain_say, plain_answers = SqliteSession.say, postgres_session.answers
    with monkeypatch.context() as patched:
        patched.setattr(postgres_session, "answers", answers)
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
