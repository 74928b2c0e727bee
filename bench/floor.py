"""What SQLite itself allows: the least SQL that drains runs of three stages, ten to a commit, and no engine.

Its rate is the other half of every ratio: both halves see the same disk and the same neighbours.
"""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

GROUP = 10
STAGES = 3

_SCHEMA = """
CREATE TABLE run (id INTEGER PRIMARY KEY, state TEXT NOT NULL, ended REAL);
CREATE TABLE task (
    id INTEGER PRIMARY KEY, run INTEGER NOT NULL, step INTEGER NOT NULL, state TEXT NOT NULL, result TEXT
);
CREATE INDEX task_waiting ON task (id) WHERE state = 'waiting';
"""
_CLAIM = """
UPDATE task SET state = 'taken'
WHERE id IN (SELECT id FROM task WHERE state = 'waiting' ORDER BY id LIMIT ?) RETURNING id, run
"""
_END_TASK = "UPDATE task SET state = 'done', result = '{}' WHERE id = ?"
_NEXT_TASK = "INSERT INTO task (run, step, state) VALUES (?, ?, 'taken') RETURNING id"
_END_RUN = "UPDATE run SET state = 'done', ended = ? WHERE id = ?"


def floor_rate(path: Path, runs: int) -> float:
    """Runs a second of a drain with `synchronous=FULL`, claims and completions in groups of ten."""
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.executescript(_SCHEMA)
        connection.execute("BEGIN")
        connection.executemany("INSERT INTO run (id, state) VALUES (?, 'waiting')", [(n,) for n in range(runs)])
        connection.executemany(
            "INSERT INTO task (run, step, state) VALUES (?, 1, 'waiting')", [(n,) for n in range(runs)]
        )
        connection.execute("COMMIT")
        began = time.perf_counter()
        while _drain_group(connection):
            pass
        took = time.perf_counter() - began
        done = connection.execute("SELECT count(*) FROM run WHERE state = 'done'").fetchone()[0]
        assert done == runs, f"the floor lost {runs - done} runs"
        return runs / took
    finally:
        connection.close()


def _drain_group(connection: sqlite3.Connection) -> bool:
    connection.execute("BEGIN IMMEDIATE")
    group = connection.execute(_CLAIM, (GROUP,)).fetchall()
    connection.execute("COMMIT")
    for step in range(1, STAGES + 1):
        connection.execute("BEGIN IMMEDIATE")
        following = []
        for task, run in group:
            connection.execute(_END_TASK, (task,))
            if step < STAGES:
                ((next_task,),) = connection.execute(_NEXT_TASK, (run, step + 1)).fetchall()
                following.append((next_task, run))
            else:
                connection.execute(_END_RUN, (time.time(), run))
        connection.execute("COMMIT")
        group = following
    return step == STAGES and bool(connection.execute("SELECT 1 FROM task WHERE state = 'waiting' LIMIT 1").fetchone())
