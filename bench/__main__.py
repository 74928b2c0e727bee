"""`python -m bench`: the engine's workloads on SQLite with `synchronous=FULL`, next to what SQLite itself allows.

Seconds of one machine at one moment mean little: believe the ratio to the floor of the same run, and the counts.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from dataclasses import dataclass
from pathlib import Path

from bench.creates import AT_ONCE, at_once, one_by_one
from bench.drain import Drain, drain
from bench.floor import GROUP, floor_rate
from bench.latency import latencies, percentile
from bench.machine import weather
from bench.results import Figure, Results

WORKLOADS = ("W1", "W2", "W4")


@dataclass(frozen=True, slots=True)
class Sizes:
    runs: int
    counted_runs: int
    samples: int
    creates: int
    repeats: int


FULL = Sizes(runs=1000, counted_runs=300, samples=100, creates=1000, repeats=3)
QUICK = Sizes(runs=200, counted_runs=100, samples=20, creates=200, repeats=1)


class Bench:
    """Every measurement gets a new database in `folder`."""

    def __init__(self, folder: Path, sizes: Sizes, concurrency: int, results: Results) -> None:
        self._folder = folder
        self._sizes = sizes
        self._concurrency = concurrency
        self._results = results
        self._files = 0

    def drains(self) -> None:
        """W1. The floor is measured next to each drain, so that both meet the same disk."""
        sky = weather(self._folder)
        floors: list[float] = []
        drains: list[Drain] = []
        for _ in range(self._sizes.repeats):
            floors.append(floor_rate(self._file(), 2 * self._sizes.runs))
            drains.append(drain(self._file(), self._sizes.runs, "--concurrency", str(self._concurrency)))
        given: dict[str, object] = {"runs": self._sizes.runs, "concurrency": self._concurrency}

        def figure(name: str, unit: str, samples: list[float]) -> None:
            self._results.add(Figure("W1", name, unit, samples, sky, given))

        figure(f"floor: bare SQL in groups of {GROUP}", "runs/s", floors)
        figure("drain, one worker process", "runs/s", [one.rate for one in drains])
        figure("drain : floor", "ratio", [one.rate / floor for one, floor in zip(drains, floors, strict=True)])
        figure("worker CPU", "ms a run", [1000 * one.cpu_seconds / one.runs for one in drains])
        self._count(given)

    def _count(self, given: dict[str, object]) -> None:
        sky = weather(self._folder)
        runs = self._sizes.counted_runs
        counted = drain(self._file(), runs, "--count", "--concurrency", str(self._concurrency)).counted
        texts = {"calls_by_statement": counted["texts"]}
        for name, key, beside in (
            ("write transactions", "commits", {}),
            ("statements (a list of rows is one)", "calls", texts),
            ("statements (each row is one)", "steps", {}),
        ):
            figure = Figure("W1", name, "a run", [counted[key] / runs], sky, {**given, "runs": runs, **beside})
            self._results.add(figure)

    def idle(self) -> None:
        """W2."""
        sky = weather(self._folder)
        found = asyncio.run(latencies(self._file(), self._sizes.samples))
        for part in (0.5, 0.95):
            name = f"create to completed, idle, p{part * 100:.0f}"
            self._results.add(Figure("W2", name, "ms", [percentile(found, part)], sky, {"of": len(found)}))

    def creates(self) -> None:
        """W4."""
        sky = weather(self._folder)
        runs = self._sizes.creates
        singly = [asyncio.run(one_by_one(self._file(), runs)) for _ in range(self._sizes.repeats)]
        together = [asyncio.run(at_once(self._file(), runs)) for _ in range(self._sizes.repeats)]
        given: dict[str, object] = {"runs": runs}
        self._results.add(Figure("W4", "creates, one by one", "runs/s", singly, sky, given))
        self._results.add(Figure("W4", f"creates, {AT_ONCE} at once", "runs/s", together, sky, given))

    def _file(self) -> Path:
        self._files += 1
        return self._folder / f"bench-{self._files}.db"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure the engine on this machine.")
    parser.add_argument("workloads", nargs="*", help=f"which of {', '.join(WORKLOADS)}; all without any")
    parser.add_argument("--quick", action="store_true", help="few and small: proves that it runs")
    parser.add_argument("--out", type=Path, help="append the figures to this file, as JSON lines")
    parser.add_argument("--folder", type=Path, help="where the scratch databases go: the disk that is measured")
    parser.add_argument("--concurrency", type=int, default=8, help="slots of the worker (8)")
    given = parser.parse_args()
    chosen = given.workloads or WORKLOADS
    if unknown := set(chosen) - set(WORKLOADS):
        parser.error(f"no workload {', '.join(sorted(unknown))}; there are {', '.join(WORKLOADS)}")
    results = Results(given.out)
    with tempfile.TemporaryDirectory(dir=given.folder, prefix="wfconsole-bench-") as folder:
        bench = Bench(Path(folder), QUICK if given.quick else FULL, given.concurrency, results)
        for workload, measure in zip(WORKLOADS, (bench.drains, bench.idle, bench.creates), strict=True):
            if workload in chosen:
                measure()


if __name__ == "__main__":
    main()
