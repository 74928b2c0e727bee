"""Real workers in processes of their own, on a database in the test's folder."""

from __future__ import annotations

import os
import queue
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from engine import CreateRun
from engine.bootstrap import Engine

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 45.0
"""Seconds until something that must happen counts as not happening; nothing is measured with it."""
ABOUT_WORKERS = {"workers", "alembic_version"}


def until(what: Callable[[], object], why: str = "") -> None:
    """Wait until `what()` is true."""
    give_up = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < give_up, f"never came true: {why or what}"
        threading.Event().wait(0.005)


class WorkerProcess:
    """A worker under test; what it logs is read as it comes, so that it never waits for a reader."""

    def __init__(self, url: str, worker_id: str, lease: float, drain: float, concurrency: int) -> None:
        self.worker_id = worker_id
        script = Path(__file__).with_name("worker_process.py")
        words = [sys.executable, "-X", "faulthandler", str(script), url, worker_id]
        self._process = subprocess.Popen(
            [*words, str(lease), str(drain), str(concurrency)],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.said: list[str] = []
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self.said.append(line)
            self._lines.put(line)
        self._lines.put(None)

    def says(self, words: str) -> str:
        """Wait for a line with these words that was not asked for before."""
        give_up = time.monotonic() + PATIENCE
        while (line := self._lines.get(timeout=max(give_up - time.monotonic(), 0.001))) is not None:
            if words in line:
                return line
        raise AssertionError(f"{self.worker_id} never said {words!r}: {self.said}")

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def freeze(self) -> None:
        """Stop it where it stands, but not inside a commit: that would hold everybody's write lock."""
        self.send(signal.SIGSTOP)
        until(lambda: _state(self._process.pid) == "T", "stopped")

    def thaw(self) -> None:
        self.send(signal.SIGCONT)

    def kill(self) -> None:
        self.send(signal.SIGKILL)
        self._process.wait()

    def exit_code(self) -> int:
        return self._process.wait(PATIENCE)

    @property
    def gone(self) -> bool:
        return self._process.poll() is not None

    def close(self) -> None:
        if not self.gone:
            self._process.kill()
        self._process.wait()
        self._reader.join()
        assert self._process.stderr is not None
        self._process.stderr.close()


class Yard:
    """One database, the workers on it, and a folder for what bodies tell."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "runs.db"
        self.url = f"sqlite:///{self.path}"
        self._workers: list[WorkerProcess] = []
        self._runs = 0

    def start(self, worker_id: str, *, lease: float = 60.0, drain: float = 30.0, concurrency: int = 4) -> WorkerProcess:
        """Start a worker; it has registered when this returns."""
        worker = WorkerProcess(self.url, worker_id, lease, drain, concurrency)
        self._workers.append(worker)
        until(lambda: worker.gone or self.rows("SELECT id FROM workers WHERE id = ?", worker_id), worker_id)
        assert not worker.gone, worker.said
        return worker

    async def create(self, engine: Engine, workflow_id: str, tag: str = "", priority: int = 5) -> GatedRun:
        self._runs += 1
        folder = self.folder / f"run-{self._runs}"
        folder.mkdir()
        command = CreateRun(
            idempotency_key=str(self._runs),
            workflow_id=workflow_id,
            input={"path": str(folder), "tag": tag},
            priority=priority,
        )
        return GatedRun((await engine.dispatch(command)).run_id, folder)

    def freeze(self, worker: WorkerProcess) -> None:
        """Stop a worker at a moment when it holds no lock on the file."""
        for _ in range(100):
            worker.freeze()
            if self._writable():
                return
            worker.thaw()
        raise AssertionError("always inside a commit")

    def _writable(self) -> bool:
        connection = sqlite3.connect(self.path, isolation_level=None, timeout=0.5)
        try:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
        except sqlite3.OperationalError:
            return False
        finally:
            connection.close()
        return True

    def rows(self, statement: str, *values: object) -> list[tuple[object, ...]]:
        connection = sqlite3.connect(f"file:{self.path}?mode=ro", uri=True, timeout=PATIENCE)
        try:
            return connection.execute(statement, values).fetchall()
        finally:
            connection.close()

    def everything(self) -> dict[str, list[tuple[object, ...]]]:
        """All rows of all tables, but of those that say which workers there are."""
        names = [str(row[0]) for row in self.rows("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY 1")]
        wanted = [name for name in names if name not in ABOUT_WORKERS and not name.startswith("sqlite_")]
        return {name: sorted(self.rows(f"SELECT * FROM {name}"), key=repr) for name in wanted}

    def close(self) -> None:
        for worker in self._workers:
            worker.close()


class GatedRun:
    """A run of one of the gated workflows, and the files its bodies leave."""

    def __init__(self, run_id: str, folder: Path) -> None:
        self.id = run_id
        self.folder = folder

    def entered(self, attempt: int = 1) -> None:
        until(lambda: self.has(f"entered-{attempt}"), f"attempt {attempt} began")

    def wait_for_job(self, yard: Yard, status: str) -> None:
        """Until all jobs of the run have this status."""
        wanted = {(status,)}
        until(lambda: set(yard.rows("SELECT status FROM job_queue WHERE run_id = ?", self.id)) == wanted, status)

    def has(self, name: str) -> bool:
        return (self.folder / name).exists()

    def text(self, name: str) -> str:
        return (self.folder / name).read_text()

    def open(self) -> None:
        (self.folder / "open").touch()


def _state(pid: int) -> str:
    """The letter of a process's state, as `ps` shows it."""
    found = subprocess.run(["ps", "-o", "state=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return found.stdout.strip()[:1]
