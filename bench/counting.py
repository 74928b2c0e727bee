"""Counts what a process asks of SQLite. Counting costs time: a drain that is counted is not the one that is timed."""

from __future__ import annotations

import sqlite3
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Engine, event


@dataclass
class Count:
    """`calls`: statements handed to the driver, a list of rows being one. `steps`: statements SQLite carried out, a
    row each. `commits`: transactions that wrote. `texts`: calls by statement."""

    calls: int = 0
    steps: int = 0
    commits: int = 0
    texts: Counter[str] = field(default_factory=Counter)

    def reset(self) -> None:
        self.calls = self.steps = self.commits = 0
        self.texts.clear()


def count_statements() -> Count:
    """Count from here on, on every connection this process opens later."""
    count = Count()

    def watch_connection(connection: Any, _entry: Any) -> None:
        if isinstance(connection, sqlite3.Connection):
            _trace(connection, count)

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        count.calls += 1
        count.texts[" ".join(statement.split())] += 1

    event.listen(Engine, "connect", watch_connection)
    event.listen(Engine, "before_cursor_execute", note)
    return count


def _trace(connection: sqlite3.Connection, count: Count) -> None:
    written = connection.total_changes

    def seen(statement: str) -> None:
        nonlocal written
        count.steps += 1
        if statement.lstrip().upper().startswith("COMMIT") and connection.total_changes != written:
            written = connection.total_changes
            count.commits += 1

    connection.set_trace_callback(seen)
