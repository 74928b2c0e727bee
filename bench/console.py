"""`python -m bench.console`: what the console promises, measured on a real pseudo terminal against a large database."""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.furnishing import Changes, Logs, furnish
from bench.latency import percentile
from bench.machine import weather
from bench.results import Figure, Results
from bench.terminal import Terminal
from wfconsole.tui.layout.log_ring import MAX_LINES

UPDATES = 50
LINES = 2_000
CURSOR = "▸"


@dataclass(frozen=True, slots=True)
class Sizes:
    runs: int
    starts: int
    keys: int
    idle: float
    updating: float
    logging: float


FULL = Sizes(runs=100_000, starts=5, keys=40, idle=30, updating=60, logging=30)
QUICK = Sizes(runs=100_000, starts=2, keys=20, idle=5, updating=8, logging=6)


class ConsoleBench:
    """One database for all measurements; each gets a console of its own."""

    def __init__(self, folder: Path, sizes: Sizes, results: Results) -> None:
        self._sizes, self._results, self._folder = sizes, results, folder
        self._file = folder / "runs.db"
        self._words = ["--db", f"sqlite:///{self._file}", "--no-worker"]
        upgrade = [sys.executable, "-m", "wfconsole", *self._words[:2], "db", "upgrade"]
        subprocess.run(upgrade, check=True, capture_output=True)
        self._runs = furnish(self._file, sizes.runs)

    def _figure(self, name: str, unit: str, samples: list[float], **beside: object) -> None:
        given = {"runs": self._sizes.runs, **beside}
        self._results.add(Figure("C", name, unit, samples, weather(self._folder), given))

    def _open(self, *words: str) -> Terminal:
        return Terminal([*self._words, *words], self._folder)

    def start(self) -> None:
        """From the start of the process to the first paint, and until the rows stand there."""
        paints, rows, spent, usable = [], [], [], []
        for _ in range(self._sizes.starts):
            terminal = self._open()
            try:
                paints.append(1000 * terminal.until(r"^ wf "))
                spent.append(1000 * terminal.cpu)
                rows.append(1000 * terminal.until(self._runs[-1][:8]))
                usable.append(1000 * terminal.cpu)
            finally:
                terminal.close()
        self._figure("first paint (under 500)", "ms", paints)
        self._figure("CPU until the first paint", "ms", spent)
        self._figure("usable: rows are there (under 1000)", "ms", rows)
        self._figure("CPU until usable", "ms", usable)

    def keys(self) -> None:
        """From a key to the first byte of its answer; memory after paging."""
        terminal = self._open()
        try:
            terminal.until(self._runs[-1][:8])
            terminal.drain(1.0)
            for name, key in (("arrow down", "j"), ("page down (under 30)", "\x1b[6~")):
                waits, spent = [], terminal.cpu
                for _ in range(self._sizes.keys):
                    waits.append(1000 * terminal.press(key))
                    terminal.drain()
                self._figure(
                    f"{name}, key to first byte, p95", "ms", [percentile(waits, 0.95)], p50=statistics.median(waits)
                )
                self._figure(f"{name}, CPU", "ms a key", [1000 * (terminal.cpu - spent) / len(waits)])
            self._figure("memory after paging (under 200)", "MB", [terminal.resident])
        finally:
            terminal.close()

    def idle(self) -> None:
        """Nothing changes: no output, no work."""
        terminal = self._open()
        try:
            terminal.until(self._runs[-1][:8])
            terminal.drain(2.0)
            cpu, written = terminal.watch(self._sizes.idle)
            self._figure("idle CPU (under 1)", "% of a core", [100 * cpu])
            self._figure("idle output (0)", "bytes/s", [written])
        finally:
            terminal.close()

    def updates(self) -> None:
        """The cursor stays on its run while others change and come."""
        terminal = self._open()
        writer = Changes(self._file, UPDATES, self._runs[-200:])
        try:
            terminal.until(self._runs[-1][:8])
            terminal.drain(1.0)
            for _ in range(5):
                terminal.press("j")
                terminal.drain()
            before = self._cursor(terminal)
            writer.start()
            cpu, written = terminal.watch(self._sizes.updating)
            waits = [1000 * self._moved(terminal, key) for _ in range(self._sizes.keys // 2) for key in "jk"]
            writer.stop()
            terminal.drain(1.0)
            moved = float(self._cursor(terminal) != before)
            self._figure(f"cursor moved, {UPDATES} updates/s (0)", "runs", [moved], updates=writer.written)
            self._figure(f"CPU, {UPDATES} updates/s (under 15)", "% of a core", [100 * cpu])
            self._figure(f"output, {UPDATES} updates/s", "bytes/s", [written])
            self._figure(
                f"key answered, {UPDATES} updates/s, p95 (under 30)",
                "ms", [percentile(waits, 0.95)], p50=statistics.median(waits),
            )  # fmt: skip
        finally:
            terminal.close()

    def _moved(self, terminal: Terminal, key: str) -> float:
        """Seconds until the cursor stands elsewhere; what is painted besides is no answer."""
        before, began = self._cursor(terminal), time.perf_counter()
        terminal.send(key)
        # Half a frame may be there, without any cursor.
        self._wait(terminal, lambda: before not in self._cursors(terminal) != [])
        waited = time.perf_counter() - began
        # Keys come at any time of a frame.
        terminal.watch(0.13)
        return waited

    def _cursor(self, terminal: Terminal) -> tuple[int, str]:
        """Screen line and run of the cursor."""
        self._wait(terminal, lambda: len(self._cursors(terminal)) == 1)
        return self._cursors(terminal)[0]

    @staticmethod
    def _cursors(terminal: Terminal) -> list[tuple[int, str]]:
        lines = enumerate(terminal.screen.display)
        return [(number, line[3:11]) for number, line in lines if line.startswith(CURSOR)]

    def logs(self) -> None:
        """Keys are answered while lines rush by, and memory stays once the view holds all that it keeps."""
        terminal = self._open("--place", "logs")
        writer = Logs(self._file, LINES, self._runs[-1])
        try:
            terminal.until(r"follow")
            terminal.drain(1.0)
            writer.start()
            cpu, _ = terminal.watch(self._sizes.logging / 2)
            # A key that changes the screen at once, whatever else is being painted.
            waits = [1000 * self._answer(terminal) for _ in range(self._sizes.keys)]
            while writer.written < min(MAX_LINES * 1.1, LINES * self._sizes.logging):
                terminal.watch(0.5)
            full = terminal.resident
            terminal.watch(self._sizes.logging / 2)
            writer.stop()
            terminal.until(f"line {writer.written - 1} ")
            self._figure(f"key answered, {LINES} lines/s, p95 (under 100)", "ms", [percentile(waits, 0.95)])
            self._figure(f"CPU, {LINES} lines/s", "% of a core", [100 * cpu], lines=writer.written)
            self._figure("memory of a full log", "MB", [full])
            self._figure(f"memory grown then, {LINES} lines/s", "MB", [terminal.resident - full])
        finally:
            terminal.close()

    def _answer(self, terminal: Terminal) -> float:
        """Seconds until the log says that it pauses; then it follows again."""
        began = time.perf_counter()
        terminal.send("f")
        self._wait(terminal, lambda: any("PAUSED" in line for line in terminal.screen.display))
        waited = time.perf_counter() - began
        terminal.send("f")
        self._wait(terminal, lambda: not any("PAUSED" in line for line in terminal.screen.display))
        return waited

    @staticmethod
    def _wait(terminal: Terminal, condition: Callable[[], bool]) -> None:
        for _ in range(2000):
            if condition():
                return
            terminal.read(0.01)
        raise RuntimeError("the screen never changed:\n" + "\n".join(terminal.screen.display))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.console", description="Measure the console on a terminal.")
    parser.add_argument("parts", nargs="*", help="which of start, keys, idle, updates, logs; all without any")
    parser.add_argument("--quick", action="store_true", help="short: proves that it runs")
    parser.add_argument("--runs", type=int, help="runs in the database (100,000)")
    parser.add_argument("--out", type=Path, help="append the figures to this file, as JSON lines")
    given = parser.parse_args()
    sizes = QUICK if given.quick else FULL
    if given.runs:
        sizes = Sizes(given.runs, sizes.starts, sizes.keys, sizes.idle, sizes.updating, sizes.logging)
    results = Results(given.out)
    with tempfile.TemporaryDirectory(prefix="wfconsole-bench-") as folder:
        bench = ConsoleBench(Path(folder), sizes, results)
        for name in ("start", "keys", "idle", "updates", "logs"):
            if not given.parts or name in given.parts:
                getattr(bench, name)()


if __name__ == "__main__":
    main()
