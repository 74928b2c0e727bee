"""What the machine is like right now: figures mean something only beside this."""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

PROBES = 30


@dataclass(frozen=True, slots=True)
class Weather:
    """`load`: one-minute load average. `fsync_us`: median microseconds to make an 8 KiB append durable."""

    load: float
    fsync_us: int


def weather(folder: Path) -> Weather:
    return Weather(round(os.getloadavg()[0], 2), fsync_us(folder))


def fsync_us(folder: Path) -> int:
    """Median cost of a durable 8 KiB append in that folder, in microseconds."""
    costs = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(PROBES):
            file.write(bytes(8192))
            file.flush()
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            costs.append(time.perf_counter() - began)
    return round(statistics.median(costs) * 1_000_000)
