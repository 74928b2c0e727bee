"""W2: from a create to its completed run, one at a time, in a process with a worker that idles."""

from __future__ import annotations

import time
from pathlib import Path

from bench.trivial import create, trivial
from engine.bootstrap import open_engine

WARM_UP = 5


async def latencies(path: Path, samples: int) -> list[float]:
    """Milliseconds from `dispatch` of the create to the completed run in hand."""
    found = []
    async with open_engine(f"sqlite:///{path}", workflows=[trivial]) as engine, engine.worker(worker_id="bench"):
        for number in range(WARM_UP + samples):
            began = time.perf_counter()
            created = await engine.dispatch(create(f"idle-{number}"))
            run = await engine.wait(created.run_id, timeout=30)
            took = (time.perf_counter() - began) * 1000
            if run.status != "COMPLETED":
                raise RuntimeError(f"run {run.id} is {run.status}: {run.error}")
            if number >= WARM_UP:
                found.append(took)
    return found


def percentile(samples: list[float], part: float) -> float:
    """The nearest rank: with `part` 0.95, 95 of 100 samples are at most this."""
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]
