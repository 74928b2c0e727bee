"""One tick of upkeep: every step in a boundary of its own, so that one that fails stops none of the others."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

from engine.commands import (
    ClaimPendingRuns,
    FlushOutbox,
    PollSuspendedStages,
    ReapStaleLeases,
    ReapStuckRuns,
    TransitionRun,
)
from engine.kernel.kernel import Kernel

log = logging.getLogger(__name__)

MIN_STUCK = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class TickResult:
    claimed: int = 0
    suspended_checked: int = 0
    stale_released: int = 0
    events_flushed: int = 0
    stuck_reaped: int = 0
    schedules_fired: int = 0


def stuck_threshold(stale: timedelta) -> timedelta:
    return max(3 * stale, MIN_STUCK)


async def step(name: str, act: Callable[[], Awaitable[Any]]) -> Any:
    """The result, or None when it failed, which is logged."""
    try:
        return await act()
    except Exception as error:
        log.warning("%s failed: %s: %s", name, type(error).__name__, error)
        return None


async def tick(kernel: Kernel, worker_id: str, stale: timedelta, *, claim_runs: bool) -> TickResult:
    """Fire schedules, claim runs (where nobody else does), poll, reap, flush, look for stuck runs: in this order."""
    fired = await step("firing schedules", kernel.scheduler.fire_due)
    claimed = None
    if claim_runs:
        claimed = await step("claiming runs", lambda: kernel.dispatch(ClaimPendingRuns(worker_id=worker_id)))
    polled = await step("polling", lambda: kernel.dispatch(PollSuspendedStages(max_checks=50)))
    for run_id in polled.resumed_run_ids if polled else []:
        await step("transition", partial(kernel.dispatch, TransitionRun(run_id=run_id)))
    reaped = await step("reaping leases", lambda: kernel.dispatch(ReapStaleLeases(stale_threshold=stale)))
    flushed = await step("flushing events", lambda: kernel.dispatch(FlushOutbox(max_events=100)))
    threshold = stuck_threshold(stale)
    stuck = await step("reaping stuck runs", lambda: kernel.dispatch(ReapStuckRuns(stuck_threshold=threshold)))
    return TickResult(
        claimed=len(claimed.claimed) if claimed else 0,
        suspended_checked=polled.checked if polled else 0,
        stale_released=reaped.released if reaped else 0,
        events_flushed=flushed.published if flushed else 0,
        schedules_fired=fired or 0,
        stuck_reaped=stuck.transitioned + stuck.failed if stuck else 0,
    )
