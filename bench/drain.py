"""W1: queued runs of three trivial stages, drained by one worker process."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.trivial import WORKFLOW_ID, create, trivial
from engine.bootstrap import open_engine

PATIENCE = 300.0
"""Seconds a drain may take."""
LOOK_EVERY = 0.01
"""Seconds between looks at the number of completed runs."""


@dataclass(frozen=True, slots=True)
class Drain:
    runs: int
    seconds: float
    cpu_seconds: float
    counted: dict[str, Any]

    @property
    def rate(self) -> float:
        return self.runs / self.seconds


async def queue_runs(path: Path, runs: int) -> None:
    """Create that many runs through `dispatch`, many at a time."""
    async with open_engine(f"sqlite:///{path}", workflows=[trivial]) as engine:
        await asyncio.gather(*(engine.dispatch(create(f"queued-{number}")) for number in range(runs)))


def drain(path: Path, runs: int, *options: str) -> Drain:
    """Queue the runs, start the worker process, and time it from its start signal to the last completed run."""
    asyncio.run(queue_runs(path, runs))
    command = [sys.executable, "-m", "bench.worker", str(path), *options]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdin is not None
        assert worker.stdout is not None
        try:
            if worker.stdout.readline().strip() != "ready":
                raise RuntimeError("the worker process did not start")
            began = time.perf_counter()
            _say(worker.stdin, "go")
            _await_completed(path, runs, worker)
            seconds = time.perf_counter() - began
            _say(worker.stdin, "stop")
            cost = json.loads(worker.stdout.readline())
        except BaseException:
            worker.kill()
            raise
    return Drain(runs, seconds, cost.pop("cpu_seconds"), cost)


def _say(stdin: Any, word: str) -> None:
    stdin.write(word + "\n")
    stdin.flush()


def _await_completed(path: Path, runs: int, worker: subprocess.Popen[str]) -> None:
    give_up = time.monotonic() + PATIENCE
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        while True:
            statement = "SELECT count FROM run_stats WHERE workflow_id = ? AND status = 'COMPLETED'"
            row = connection.execute(statement, (WORKFLOW_ID,)).fetchone()
            if row is not None and row[0] >= runs:
                return
            if worker.poll() is not None or time.monotonic() > give_up:
                raise RuntimeError(f"only {row[0] if row else 0} of {runs} runs completed")
            time.sleep(LOOK_EVERY)
    finally:
        connection.close()
