"""Workflows for workers in the test's own process: bodies that count, wait for a gate, and say their order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta

from pydantic import BaseModel

from engine import CreateRun, NoConfig, RetryPolicy, StageContext, Workflow, WorkflowBuilder, stage
from engine.kernel.kernel import Kernel


class Number(BaseModel):
    n: int = 0


NO_WAIT = RetryPolicy(max_attempts=3, initial_delay=timedelta(0), jitter=False)


class Crowd:
    """A workflow of one stage whose bodies all wait at one gate; knows how many are in, and were at most."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.changed = asyncio.Event()
        self.inside = 0
        self.most = 0
        self.entered = 0

        @stage(id="crowd", retry=NO_WAIT)
        async def crowd(ctx: StageContext[Number, NoConfig]) -> Number:
            self.inside += 1
            self.entered += 1
            self.most = max(self.most, self.inside)
            self.changed.set()
            try:
                await self.gate.wait()
            finally:
                self.inside -= 1
            return ctx.input

        self.workflow = WorkflowBuilder("crowd", "Crowd", input=Number).pipe(crowd).build()

    async def until_inside(self, number: int) -> None:
        async with asyncio.timeout(30):
            while self.inside != number:
                self.changed.clear()
                await self.changed.wait()


def chain(workflow_id: str, length: int, visit: Callable[[StageContext[Number, NoConfig]], object]) -> Workflow:
    """Stages `s1` to `s{length}` in a row, each of which calls `visit(ctx)`, and awaits what that gives."""
    builder = WorkflowBuilder(workflow_id, workflow_id, input=Number)
    for number in range(1, length + 1):

        @stage(id=f"s{number}", retry=NO_WAIT)
        async def step(ctx: StageContext[Number, NoConfig]) -> Number:
            found = visit(ctx)
            if asyncio.iscoroutine(found):
                await found
            return ctx.input

        builder = builder.pipe(step)
    return builder.build()


async def create(kernel: Kernel, workflow_id: str, key: str, priority: int = 5) -> str:
    """A run's id."""
    command = CreateRun(idempotency_key=key, workflow_id=workflow_id, input={"n": 1}, priority=priority)
    return (await kernel.dispatch(command)).run_id


async def ended(kernel: Kernel, run_ids: list[str]) -> dict[str, str]:
    """The statuses of these runs once all are terminal."""
    watch = kernel.persistence.watch()
    try:
        async with asyncio.timeout(45):
            while True:
                found = await kernel.persistence.transact(lambda work: work.runs.lock(set(run_ids)))
                statuses = {run_id: str(run.status) for run_id, run in found.items()}
                if not {"PENDING", "RUNNING"} & set(statuses.values()):
                    return statuses
                await watch.wait(0.5)
    finally:
        watch.close()
