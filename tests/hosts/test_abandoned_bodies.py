"""A plain body past its timeout can't be stopped: it is fenced, and its slot stays taken while its thread lives."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from engine import CreateRun, NoConfig, RetryPolicy, StageContext, Workflow, WorkflowBuilder, stage
from engine.bootstrap import open_engine


class Deaf:
    """A workflow whose body waits for `release` and looks at nothing else."""

    def __init__(self) -> None:
        self.release = threading.Event()
        self.left = threading.Event()
        self.saw_cancel: list[bool] = []

    def workflow(self) -> Workflow:
        @stage(id="deaf", timeout=timedelta(milliseconds=50), retry=RetryPolicy(max_attempts=1))
        def deaf(ctx: StageContext[int, NoConfig]) -> int:
            self.release.wait()
            self.saw_cancel.append(ctx.cancelled)
            ctx.log("INFO", "too late")
            self.left.set()
            return ctx.input

        return WorkflowBuilder("deaf", "Deaf", input=int).pipe(deaf).build()


@stage(id="quick")
async def quick(ctx: StageContext[int, NoConfig]) -> int:
    return ctx.input


QUICK = WorkflowBuilder("quick", "Quick", input=int).pipe(quick).build()


@pytest.fixture
def deaf() -> Iterator[Deaf]:
    made = Deaf()
    yield made
    made.release.set()


async def create(engine: Any, workflow_id: str, key: str) -> str:
    return (await engine.dispatch(CreateRun(idempotency_key=key, workflow_id=workflow_id, input=1))).run_id


async def test_a_body_past_its_timeout_is_abandoned_and_fenced(deaf: Deaf) -> None:
    async with open_engine(workflows=[deaf.workflow()]) as engine, engine.worker("w", concurrency=2):
        run = await engine.wait(await create(engine, "deaf", "1"), timeout=30)
        assert (run.status, run.error_code) == ("FAILED", "TIMEOUT")
        deaf.release.set()
        assert await asyncio.to_thread(deaf.left.wait, 30)
        assert deaf.saw_cancel == [True]
        assert (await engine.inspector.logs(run.id)).items == []
        assert (await engine.inspector.run(run.id)).status == "FAILED"


async def test_an_abandoned_body_keeps_its_slot_and_gives_it_back(deaf: Deaf) -> None:
    opening = open_engine(workflows=[deaf.workflow(), QUICK])
    async with opening as engine, engine.worker("w", concurrency=1) as worker:
        await engine.wait(await create(engine, "deaf", "1"), timeout=30)
        waits = await create(engine, "quick", "2")
        await asyncio.wait_for(worker.exhausted.wait(), 30)
        assert (await engine.inspector.run(waits)).status == "PENDING"
        deaf.release.set()
        assert (await engine.wait(waits, timeout=30)).status == "COMPLETED"


async def test_a_worker_without_a_slot_left_ends_to_be_started_again(deaf: Deaf) -> None:
    async with open_engine(workflows=[deaf.workflow()]) as engine:
        worker = engine.worker("w", concurrency=2)
        for key in "12":
            await create(engine, "deaf", key)
        await asyncio.wait_for(worker.run_forever(install_signals=False), 30)
        assert worker.exhausted.is_set()
        assert not worker.stats.is_running
