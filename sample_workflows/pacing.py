"""Time for somebody to watch: a stage of a demonstration may be told to take a while."""

from __future__ import annotations

import asyncio
from typing import TypeVar

from pydantic import BaseModel, Field

from engine import StageContext

I = TypeVar("I")  # noqa: E741
C = TypeVar("C", bound="Paced")

STEP_MS = 200


class Paced(BaseModel):
    """Settings of a stage that can be slowed down: `delay_ms` milliseconds are added to its work."""

    delay_ms: int = Field(default=0, ge=0, le=600_000)


async def linger(ctx: StageContext[I, C], doing: str, *, until: float = 0.9) -> None:
    """Spend the stage's `delay_ms` in small steps, with progress up to `until`; a cancelled run ends it."""
    total = ctx.config.delay_ms
    spent = 0
    while spent < total and not ctx.cancelled:
        step = min(STEP_MS, total - spent)
        await asyncio.sleep(step / 1000)
        spent += step
        ctx.progress(until * spent / total, doing)
