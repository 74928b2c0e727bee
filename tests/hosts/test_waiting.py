"""Waiting for runs, waking up, and dispatching from whatever thread's loop."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest
from counted_bodies import Crowd, Number, chain

from engine import (
    CancelRun,
    ClaimPendingRuns,
    CreateRun,
    ExecuteJob,
    NoConfig,
    RunNotFound,
    StageContext,
    WorkflowBuilder,
    stage,
)
from engine.bootstrap import Engine, open_engine

R = TypeVar("R")


@stage(id="where")
async def where(ctx: StageContext[Number, NoConfig]) -> int:
    """The thread its loop runs on."""
    await ctx.storage.put("here", b"1")
    return threading.get_ident()


@stage(id="plain-where")
def plain_where(ctx: StageContext[int, NoConfig]) -> list[int]:
    """The thread of the stage before, and that of the loop its coroutines run on."""

    async def loop_thread() -> int:
        return threading.get_ident()

    return [ctx.input, ctx.block_on(loop_thread())]


WHERE = WorkflowBuilder("where", "Where", input=Number).pipe(where).pipe(plain_where).build()


@pytest.fixture
def crowd() -> Crowd:
    return Crowd()


@pytest.fixture(params=["memory", "file"])
async def engine(request: pytest.FixtureRequest, tmp_path: Path, crowd: Crowd) -> AsyncIterator[Engine]:
    url = "sqlite://" if request.param == "memory" else f"sqlite:///{tmp_path / 'runs.db'}"
    async with open_engine(url, workflows=[WHERE, crowd.workflow, chain("short", 1, lambda ctx: None)]) as opened:
        yield opened


async def create(engine: Engine, workflow_id: str, key: str) -> str:
    return (await engine.dispatch(CreateRun(idempotency_key=key, workflow_id=workflow_id, input={}))).run_id


def on_a_thread(make: Callable[[], Coroutine[Any, Any, R]]) -> R:
    """The result of a coroutine on a new thread's own loop; to be called off the test's loop."""
    found: list[R] = []
    thread = threading.Thread(target=lambda: found.append(asyncio.run(make())))
    thread.start()
    thread.join()
    return found[0]


async def test_a_wait_without_a_worker_times_out(engine: Engine) -> None:
    run_id = await create(engine, "short", "k")
    with pytest.raises(TimeoutError):
        await engine.wait(run_id, timeout=0.05)
    assert (await engine.inspector.run(run_id)).status == "PENDING"


async def test_a_wait_for_a_run_that_is_not_there(engine: Engine) -> None:
    with pytest.raises(RunNotFound):
        await engine.wait("nowhere", timeout=30)


async def test_a_wait_for_a_run_that_is_over_answers_at_once(engine: Engine) -> None:
    run_id = await create(engine, "short", "k")
    await engine.dispatch(CancelRun(run_id=run_id))
    assert (await engine.wait(run_id, timeout=30)).status == "CANCELLED"


async def test_a_wait_sees_every_kind_of_end(engine: Engine, crowd: Crowd) -> None:
    run_id = await create(engine, "crowd", "k")
    waits = [asyncio.create_task(engine.wait(run_id, timeout=30)) for _ in range(5)]
    async with engine.worker("w"):
        await crowd.until_inside(1)
        assert not any(one.done() for one in waits)
        await engine.dispatch(CancelRun(run_id=run_id))
        assert {one.status for one in await asyncio.gather(*waits)} == {"CANCELLED"}


async def test_b180_a_wait_leaves_the_worker_as_it_was(engine: Engine) -> None:
    async with engine.worker("w") as worker:
        assert (await engine.wait(await create(engine, "short", "k"), timeout=30)).status == "COMPLETED"
        assert worker.stats.is_running
        with pytest.raises(RunNotFound):
            await engine.wait("nowhere")
        assert worker.stats.is_running
    assert not worker.stats.is_running


async def test_b181_a_wait_that_is_given_up_leaves_the_run_alone(engine: Engine, crowd: Crowd) -> None:
    run_id = await create(engine, "crowd", "k")
    async with engine.worker("w"):
        waiting = asyncio.create_task(engine.wait(run_id))
        await crowd.until_inside(1)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        crowd.gate.set()
        assert (await engine.wait(run_id, timeout=30)).status == "COMPLETED"


async def test_idle_creates_are_executed_at_once(engine: Engine) -> None:
    """Far below the look-up interval of a second: a commit wakes the worker."""
    taken: list[float] = []
    async with engine.worker("w"):
        for number in range(200):
            began = time.perf_counter()
            run_id = await create(engine, "short", str(number))
            assert (await engine.wait(run_id, timeout=30)).status == "COMPLETED"
            taken.append(time.perf_counter() - began)
    assert sorted(taken)[190] < 0.25, sorted(taken)[150:]


async def test_a_worker_wakes_for_creates_of_another_engine(tmp_path: Path) -> None:
    url, workflows = f"sqlite:///{tmp_path / 'runs.db'}", [chain("short", 1, lambda ctx: None)]
    taken: list[float] = []
    async with (
        open_engine(url, workflows=workflows) as here,
        open_engine(url, workflows=workflows) as there,
        here.worker("w"),
    ):
        for number in range(40):
            began = time.perf_counter()
            run_id = await create(there, "short", str(number))
            assert (await there.wait(run_id, timeout=30)).status == "COMPLETED"
            taken.append(time.perf_counter() - began)
    assert sorted(taken)[37] < 0.4, sorted(taken)[25:]


async def test_commands_from_the_loops_of_many_threads(engine: Engine) -> None:
    def create_here(number: int) -> str:
        return on_a_thread(lambda: create(engine, "short", str(number)))

    run_ids = await asyncio.gather(*(asyncio.to_thread(create_here, number) for number in range(8)))
    assert len(set(run_ids)) == 8

    async with engine.worker("w"):
        waits = [
            asyncio.to_thread(on_a_thread, lambda run_id=run_id: engine.wait(run_id, timeout=30)) for run_id in run_ids
        ]
        assert {run.status for run in await asyncio.gather(*waits)} == {"COMPLETED"}


async def test_execute_job_runs_the_body_on_the_callers_loop(engine: Engine) -> None:
    run_id = await create(engine, "where", "k")
    claimed = (await engine.dispatch(ClaimPendingRuns(worker_id="w"))).claimed
    assert [one.run_id for one in claimed] == [run_id]

    async def execute(stage_id: str) -> tuple[object, int]:
        result = await engine.dispatch(ExecuteJob(run_id=run_id, workflow_id="where", stage_id=stage_id))
        assert result.outcome == "completed", result
        return result.output, threading.get_ident()

    first, first_thread = await asyncio.to_thread(on_a_thread, lambda: execute("where"))
    second, second_thread = await asyncio.to_thread(on_a_thread, lambda: execute("plain-where"))
    assert first == first_thread
    assert second == [first_thread, second_thread]
    assert threading.get_ident() not in (first_thread, second_thread)
    assert (await engine.inspector.run(run_id)).status == "COMPLETED"
