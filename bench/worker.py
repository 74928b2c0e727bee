"""A worker process under measurement. It says `ready`, waits for `go` on stdin, works until stdin says `stop`, and
prints what it cost as one JSON line."""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import sys
import time
from pathlib import Path

from bench.counting import Count, count_statements
from bench.trivial import trivial
from engine.bootstrap import open_engine


def cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def told(word: str) -> None:
    line = await asyncio.to_thread(sys.stdin.readline)
    if line.strip() != word:
        raise SystemExit(f"expected {word!r}, got {line!r}")


async def work(path: Path, concurrency: int, count: Count | None) -> dict[str, object]:
    async with open_engine(f"sqlite:///{path}", workflows=[trivial]) as engine:
        print("ready", flush=True)
        await told("go")
        if count is not None:
            count.reset()
        began, cpu = time.perf_counter(), cpu_seconds()
        async with engine.worker(worker_id="bench", concurrency=concurrency):
            await told("stop")
            cost: dict[str, object] = {"seconds": time.perf_counter() - began, "cpu_seconds": cpu_seconds() - cpu}
            if count is not None:
                cost |= {"calls": count.calls, "steps": count.steps, "commits": count.commits}
                cost["texts"] = count.texts.most_common()
        return cost


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.worker")
    parser.add_argument("path", type=Path)
    parser.add_argument("--concurrency", type=int, default=8)
    parser.add_argument("--count", action="store_true", help="count statements and write transactions")
    given = parser.parse_args()
    count = count_statements() if given.count else None
    cost = asyncio.run(work(given.path, given.concurrency, count))
    print(json.dumps(cost), flush=True)


if __name__ == "__main__":
    main()
