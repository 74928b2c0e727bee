"""W4: how many runs a second can be created, each awaited before the next, and many at once."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from bench.trivial import create, trivial
from engine.bootstrap import open_engine

AT_ONCE = 64
"""Callers that create at the same time."""


async def one_by_one(path: Path, runs: int) -> float:
    """Creates a second of one caller."""
    async with open_engine(f"sqlite:///{path}", workflows=[trivial]) as engine:
        began = time.perf_counter()
        for number in range(runs):
            await engine.dispatch(create(f"single-{number}"))
        return runs / (time.perf_counter() - began)


async def at_once(path: Path, runs: int) -> float:
    """Creates a second of `AT_ONCE` callers, each creating one run after the other."""
    numbers = iter(range(runs))
    async with open_engine(f"sqlite:///{path}", workflows=[trivial]) as engine:

        async def caller() -> None:
            for number in numbers:
                await engine.dispatch(create(f"many-{number}"))

        began = time.perf_counter()
        await asyncio.gather(*(caller() for _ in range(AT_ONCE)))
        return runs / (time.perf_counter() - began)
