"""How a worker's free slots are shared out: what it just made ready, what waits in the queue, what has not begun."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from heapq import merge

MAX_IN_A_ROW = 16
"""Stages of one run that may stay on a worker without going through the queue."""


@dataclass(frozen=True, slots=True)
class Shares:
    """How many of each get a slot, the first ones of each list."""

    handed_off: int
    due: int
    pending: int


def share(free: int, handed_off: Sequence[int], due: Sequence[int], pending: Sequence[int]) -> Shares:
    """Each list holds priorities, highest first.

    The highest priority wins. At equal priority a run that is on its way goes on, then comes what waits in the
    queue, and only then something new begins: what was started gets done.
    """
    counts = [0, 0, 0]
    ranked = (
        [(-priority, rank) for priority in priorities] for rank, priorities in enumerate((handed_off, due, pending))
    )
    for _, (_, rank) in zip(range(free), merge(*ranked), strict=False):
        counts[rank] += 1
    return Shares(*counts)
