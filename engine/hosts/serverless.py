"""A host without loops: every call does its bit and returns. For functions behind a queue and a cron trigger."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from engine.commands import ExecuteJob
from engine.errors import InvalidInput, Problem, RunNotFound
from engine.hosts.maintenance import TickResult, tick
from engine.kernel.ending import GivenBack
from engine.kernel.kernel import Kernel

STALE = timedelta(seconds=300)


@dataclass(frozen=True, slots=True)
class JobHandled:
    outcome: Literal["completed", "suspended", "failed"]
    error: str | None


@dataclass(frozen=True, slots=True)
class JobsProcessed:
    processed: int
    succeeded: int
    failed: int


class ServerlessHost:
    """Drives a kernel step by step, on a `FakeClock` too."""

    def __init__(self, kernel: Kernel, worker_id: str) -> None:
        self._kernel = kernel
        self._taker = kernel.taker(worker_id, STALE)

    async def handle_job(self, msg: Mapping[str, str]) -> JobHandled:
        """Carry out the job of a queue message `{job_id, run_id, workflow_id, stage_id}`; a duplicate does no harm.

        Raises `InvalidInput` for a message that lacks one of them. A run that is gone counts as handled: `failed`.
        """
        missing = [name for name in ("job_id", "run_id", "workflow_id", "stage_id") if name not in msg]
        if missing:
            raise InvalidInput([Problem(name, "is missing from the message") for name in missing])
        command = ExecuteJob(run_id=msg["run_id"], workflow_id=msg["workflow_id"], stage_id=msg["stage_id"])
        try:
            result = await self._kernel.dispatch(command)
        except RunNotFound as error:
            return JobHandled("failed", str(error))
        return JobHandled(result.outcome, result.error)

    async def process_available_jobs(self, max_jobs: int = 1) -> JobsProcessed:
        """Take due jobs from the queue, one after the other, and carry them out."""
        succeeded = failed = 0
        for _ in range(max_jobs):
            claimed = (await self._kernel.turn([], self._taker, 1)).claimed
            if not claimed:
                break
            delivery = await self._kernel.carry_out(claimed[0], self._taker.lease)
            settled = await self._kernel.turn([delivery], self._taker, 0) if delivery else None
            if settled is not None and settled.settled[0].verdict in ("completed", "suspended"):
                succeeded += 1
            else:
                failed += 1
            if delivery is not None and isinstance(delivery.ending, GivenBack):
                # The caller was cancelled: the job is back in the queue, and so must the cancellation go on.
                raise asyncio.CancelledError
        return JobsProcessed(succeeded + failed, succeeded, failed)

    async def run_maintenance_tick(self) -> TickResult:
        """Claim runs, poll, reap, flush: for a trigger every minute or so."""
        return await tick(self._kernel, self._taker.worker_id, self._taker.lease, claim_runs=True)
