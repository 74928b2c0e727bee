"""A database full of runs, written straight into the tables, and writers that keep changing it."""

from __future__ import annotations

import random
import sqlite3
import threading
import time
from pathlib import Path

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
STATUSES = (("COMPLETED", 0.93), ("FAILED", 0.04), ("RUNNING", 0.01), ("PENDING", 0.01), ("CANCELLED", 0.01))
WORKFLOWS = ("summarise-docs", "invoice-extract", "batch-digest")
_RUN = (
    "INSERT INTO workflow_runs (id, workflow_id, workflow_name, definition, status, priority, created_at, updated_at,"
    " delayed, started_at, completed_at, input, config, metadata, error, error_code, error_fingerprint, failed_stage,"
    " idempotency_key, generation, group_no, open_stages, last_sequence, hand_offs, total_cost, total_tokens, version)"
    " VALUES (?, ?, ?, 'f', ?, 5, ?, ?, 0, ?, ?, '{}', '{}', '{}', ?, ?, ?, ?, ?, 0, 1, 0, 0, 0, ?, 0, 0)"
)
_LOG = (
    "INSERT INTO workflow_logs (run_id, stage_id, attempt, level, message, fields, created_at)"
    " VALUES (?, 'embed', 1, ?, ?, '{\"page\": 7}', ?)"
)


def now() -> int:
    return time.time_ns() // 1000


def run_id(chance: random.Random) -> str:
    return "".join(chance.choices(ALPHABET, k=20))


def _row(chance: random.Random, created: int, status: str) -> tuple[object, ...]:
    failed, ended = status == "FAILED", status in ("COMPLETED", "FAILED", "CANCELLED")
    workflow = chance.choice(WORKFLOWS)
    started = None if status == "PENDING" else created + 1_000_000
    completed = created + chance.randrange(2_000_000, 90_000_000) if ended else None
    error = ("AIRateLimited: 429", "AIRateLimited", f"fp{chance.randrange(20)}", "embed") if failed else (None,) * 4
    identity = run_id(chance)
    cost = chance.randrange(10**6, 10**9)
    return (
        identity,
        workflow,
        workflow,
        status,
        created,
        completed or created,
        started,
        completed,
        *error,
        identity,
        cost,
    )


def furnish(file: Path, runs: int) -> list[str]:
    """Fill an existing, empty database; the ids of the runs, the newest last."""
    # Two days old: ages that stand still let nothing be painted while nothing changes.
    chance, end = random.Random(7), now() - 2 * 86_400_000_000
    statuses = chance.choices([name for name, _ in STATUSES], [share for _, share in STATUSES], k=runs)
    rows = [_row(chance, end - (runs - at) * 500_000, status) for at, status in enumerate(statuses)]
    connection = sqlite3.connect(file)
    with connection:
        connection.executemany(_RUN, rows)
        for workflow in WORKFLOWS:
            for status, _ in STATUSES:
                number = sum(row[1] == workflow and row[3] == status for row in rows)
                connection.execute("INSERT INTO run_stats VALUES (?, ?, 0, ?)", (workflow, status, number))
    connection.close()
    return [str(row[0]) for row in rows]


class Writer(threading.Thread):
    """Writes at a rate until it is stopped; subclasses say what."""

    def __init__(self, file: Path, per_second: float) -> None:
        super().__init__(daemon=True)
        self._file, self._pause = file, 1 / per_second
        self._stopped = threading.Event()
        self.written = 0

    def run(self) -> None:
        connection = sqlite3.connect(self._file, timeout=30, isolation_level=None)
        connection.execute("PRAGMA synchronous = NORMAL")
        due = time.perf_counter()
        while not self._stopped.wait(max(0.0, due - time.perf_counter())):
            self.write(connection)
            due += self._pause
        connection.close()

    def write(self, connection: sqlite3.Connection) -> None:
        """One transaction."""

    def stop(self) -> None:
        self._stopped.set()
        self.join()


class Changes(Writer):
    """Each time one of the newest runs changes, and every tenth time a new one comes."""

    def __init__(self, file: Path, per_second: float, newest: list[str]) -> None:
        super().__init__(file, per_second)
        self._newest, self._chance = newest, random.Random(9)

    def write(self, connection: sqlite3.Connection) -> None:
        connection.execute("BEGIN IMMEDIATE")
        if self.written % 10 == 9:
            connection.execute(_RUN, _row(self._chance, now(), "RUNNING"))
        connection.execute(
            "UPDATE workflow_runs SET total_cost = total_cost + 1000000, updated_at = ? WHERE id = ?",
            (now(), self._chance.choice(self._newest)),
        )
        connection.execute("COMMIT")
        self.written += 1


class Logs(Writer):
    """Lines in batches of a hundred."""

    BATCH = 100

    def __init__(self, file: Path, lines_per_second: float, run: str) -> None:
        super().__init__(file, lines_per_second / self.BATCH)
        self._run = run

    def write(self, connection: sqlite3.Connection) -> None:
        connection.execute("BEGIN IMMEDIATE")
        lines = [
            (self._run, "WARN" if at % 20 == 0 else "INFO", f"line {self.written + at} of many, page read", now())
            for at in range(self.BATCH)
        ]
        connection.executemany(_LOG, lines)
        connection.execute("COMMIT")
        self.written += self.BATCH
