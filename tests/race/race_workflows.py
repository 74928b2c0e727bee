"""Small workflows to race over, and what must be true of a run whoever won."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from pydantic import BaseModel

from engine import CreateRun, NoConfig, StageContext, WorkflowBuilder, stage
from engine.bootstrap import Engine
from engine.inspector import PageRequest, RunDetail

R = TypeVar("R")

ENDS = {"workflow:completed": "COMPLETED", "workflow:failed": "FAILED", "workflow:cancelled": "CANCELLED"}
OPEN = {"PENDING", "RUNNING", "SUSPENDED"}


class Number(BaseModel):
    n: int = 0


@stage(id="one")
async def one(ctx: StageContext[Number, NoConfig]) -> Number:
    ctx.log("INFO", "one")
    return ctx.input


@stage(id="two")
async def two(ctx: StageContext[Number, NoConfig]) -> Number:
    return ctx.input


SINGLE = WorkflowBuilder("single", "Single", input=Number).pipe(one).build()
DOUBLE = WorkflowBuilder("double", "Double", input=Number).pipe(one).pipe(two).build()
WORKFLOWS = [SINGLE, DOUBLE]


def in_threads(count: int, make: Callable[[int], Coroutine[Any, Any, R]]) -> list[R]:
    """`make(number)` on `count` threads, each with an event loop of its own; all begin together."""
    begin = threading.Barrier(count)
    found: dict[int, R] = {}
    broken: list[BaseException] = []

    def work(number: int) -> None:
        begin.wait()
        try:
            found[number] = asyncio.run(make(number))
        except BaseException as error:
            broken.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if broken:
        raise broken[0]
    return [found[number] for number in range(count)]


async def create(engine: Engine, workflow_id: str, count: int) -> list[str]:
    """The ids of so many new runs."""
    commands = [
        CreateRun(idempotency_key=f"{workflow_id}-{number}", workflow_id=workflow_id, input={"n": number})
        for number in range(count)
    ]
    return [created.run_id for created in await asyncio.gather(*map(engine.dispatch, commands))]


async def event_types(engine: Engine, run_id: str) -> list[str]:
    """All of them, in sequence order; the sequence has no gap and no double."""
    page = await engine.inspector.events(run_id, page=PageRequest(limit=500))
    found = sorted(page.items, key=lambda event: event.sequence)
    assert [event.sequence for event in found] == list(range(1, len(found) + 1))
    return [event.type for event in found]


async def check_ended_once(engine: Engine, run_id: str) -> RunDetail:
    """A run that is over has one last event of its last life, no open stage and no open job."""
    run = await engine.inspector.run(run_id)
    types = await event_types(engine, run_id)
    ends = [ENDS[name] for name in types if name in ENDS]
    lives = 1 + types.count("run:rerun")
    assert ends[-1:] == [run.status], (run.status, types)
    assert len(ends) == lives, types
    assert not OPEN & {one.status for one in run.stages}
    jobs = await engine.kernel.persistence.transact(lambda work: work.jobs.of_run(run_id))
    assert jobs == []
    if run.status == "COMPLETED":
        assert {one.status for one in run.stages} == {"COMPLETED"}
    return run


async def check_counts(engine: Engine, workflow_id: str, statuses: Counter[str]) -> None:
    """The live counts say what the rows say."""
    overview = await engine.inspector.overview()
    assert {str(name): count for name, count in overview.counts.items() if count} == dict(statuses), workflow_id
