"""Figures, as a table on the screen and as JSON lines in a file."""

from __future__ import annotations

import json
import platform
import sqlite3
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from bench.machine import Weather


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured quantity: the median of its samples, and what the machine was like before the first."""

    workload: str
    name: str
    unit: str
    samples: Sequence[float]
    weather: Weather
    beside: dict[str, object] = field(default_factory=dict)

    @property
    def median(self) -> float:
        return statistics.median(self.samples)

    def line(self) -> str:
        return json.dumps(
            {
                "workload": self.workload,
                "name": self.name,
                "value": round(self.median, 3),
                "unit": self.unit,
                "samples": [round(sample, 3) for sample in self.samples],
                "load": self.weather.load,
                "fsync_us": self.weather.fsync_us,
                "at": datetime.now(UTC).isoformat(timespec="seconds"),
                "python": platform.python_version(),
                "sqlite": sqlite3.sqlite_version,
                **self.beside,
            }
        )


class Results:
    """Prints each figure as it comes and appends it to `out`, where there is one."""

    def __init__(self, out: Path | None) -> None:
        self._out = out
        print(f"{'':4} {'':34} {'median':>10} {'unit':16} {'load':>5} {'fsync us':>8}  samples")

    def add(self, figure: Figure) -> None:
        shown = " ".join(f"{sample:.4g}" for sample in figure.samples[:5])
        print(
            f"{figure.workload:4} {figure.name:34} {figure.median:>10.4g} {figure.unit:16}"
            f" {figure.weather.load:>5} {figure.weather.fsync_us:>8}  {shown}",
            flush=True,
        )
        if self._out is not None:
            with self._out.open("a", encoding="utf-8") as file:
                file.write(figure.line() + "\n")
