"""`WorkerHost` in this process: its life, its slots, what it takes and when it stops."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any

import pytest
from counted_bodies import NO_WAIT, Crowd, Number, chain, create, ended

from engine import CancelRun, NoConfig, NonRetryable, StageContext, StoreUnavailable, WorkflowBuilder, stage
from engine.hosts import WorkerHost
from engine.kernel.claiming import Taker
from engine.kernel.deliveries import Turn
from engine.kernel.ending import Delivery
from engine.model.records import JobRecord
from engine.testing import make_kernel
from engine.testing.make_kernel import KernelForTests


@pytest.fixture
def crowd() -> Crowd:
    return Crowd()


@pytest.fixture
async def kernel(crowd: Crowd) -> AsyncIterator[KernelForTests]:
    made = make_kernel([crowd.workflow, chain("short", 1, lambda ctx: None), chain("long", 3, lambda ctx: None)])
    yield made
    await made.close()


async def jobs(kernel: KernelForTests, run_ids: Sequence[str]) -> list[JobRecord]:
    """The jobs of these runs that are not over."""
    return await kernel.persistence.transact(
        lambda work: [job for run_id in run_ids for job in work.jobs.of_run(run_id)]
    )


async def test_b175_starting_twice_is_one_start(kernel: KernelForTests) -> None:
    worker = WorkerHost(kernel, "w")
    await worker.start()
    await asyncio.gather(worker.start(), worker.start())
    assert [one.id for one in await kernel.inspector.workers()] == ["w"]
    assert worker.stats.is_running
    await worker.stop()
    assert await kernel.inspector.workers() == []


async def test_b176_stopping_is_idempotent_and_a_stopped_worker_starts_again(kernel: KernelForTests) -> None:
    worker = WorkerHost(kernel, "w")
    await worker.stop()
    for _ in range(2):
        await worker.start()
        run_id = await create(kernel, "short", f"k{worker.stats.jobs_processed}")
        assert await ended(kernel, [run_id]) == {run_id: "COMPLETED"}
        await asyncio.gather(worker.stop(), worker.stop())
        await worker.stop()
        assert not worker.stats.is_running
        assert await kernel.inspector.workers() == []
    assert worker.stats.jobs_processed == 2


async def test_who_stops_a_stopping_worker_waits_for_the_same_end(kernel: KernelForTests, crowd: Crowd) -> None:
    worker = WorkerHost(kernel, "w")
    await worker.start()
    run_id = await create(kernel, "crowd", "k")
    await crowd.until_inside(1)
    stops = [asyncio.create_task(worker.stop()) for _ in range(2)]
    await asyncio.sleep(0)
    # One that gives up waiting does not call the stop off.
    stops.pop().cancel()
    crowd.gate.set()
    await stops[0]
    assert await ended(kernel, [run_id]) == {run_id: "COMPLETED"}
    assert await kernel.inspector.workers() == []


async def test_a_second_stop_may_release_what_the_first_waits_for(kernel: KernelForTests, crowd: Crowd) -> None:
    worker = WorkerHost(kernel, "w", drain_timeout=timedelta(hours=1))
    await worker.start()
    run_id = await create(kernel, "crowd", "k")
    await crowd.until_inside(1)
    first = asyncio.create_task(worker.stop())
    await asyncio.sleep(0)
    await worker.stop(release=True)
    await first
    [job] = await jobs(kernel, [run_id])
    assert (job.status, job.attempt, job.tries, job.lease_token) == ("PENDING", 1, 0, None)


async def test_a_worker_that_could_not_register_can_be_started_again(
    kernel: KernelForTests, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(fn: object) -> None:
        raise StoreUnavailable("not now")

    worker = WorkerHost(kernel, "w")
    with monkeypatch.context() as broken:
        broken.setattr(kernel.persistence, "transact", refuse)
        with pytest.raises(StoreUnavailable):
            await worker.start()
    assert not worker.stats.is_running
    async with worker:
        run_id = await create(kernel, "short", "k")
        assert await ended(kernel, [run_id]) == {run_id: "COMPLETED"}


async def test_stats_say_what_was_done(kernel: KernelForTests, crowd: Crowd) -> None:
    worker = WorkerHost(kernel, "w")
    before = worker.stats
    assert (before.worker_id, before.is_running, before.jobs_processed, before.uptime_ms) == ("w", False, 0, 0)
    async with worker:
        await ended(kernel, [await create(kernel, "long", "a")])
        await create(kernel, "crowd", "b")
        await crowd.until_inside(1)
        during = worker.stats
        assert (during.is_running, during.jobs_processed, during.running) == (True, 3, 1)
        assert during.orchestration_ticks >= 1
        crowd.gate.set()
    assert (worker.stats.is_running, worker.stats.jobs_processed, worker.stats.running) == (False, 4, 0)


async def test_concurrency_is_a_limit_and_nothing_is_claimed_to_wait(kernel: KernelForTests, crowd: Crowd) -> None:
    run_ids = [await create(kernel, "crowd", str(number)) for number in range(12)]
    async with WorkerHost(kernel, "w", concurrency=3) as worker:
        await crowd.until_inside(3)
        # A second look, with every slot taken, must claim nothing.
        worker_turns = await kernel.turn([], kernel.taker("other", timedelta(seconds=60)), 0)
        assert worker_turns.claimed == []
        held = [job for job in await jobs(kernel, run_ids) if job.status == "RUNNING"]
        assert len(held) == 3
        assert worker.stats.running == 3
        crowd.gate.set()
        assert set((await ended(kernel, run_ids)).values()) == {"COMPLETED"}
    assert (crowd.most, crowd.entered) == (3, 12)


async def test_no_slots_is_refused(kernel: KernelForTests) -> None:
    with pytest.raises(ValueError, match="concurrency"):
        WorkerHost(kernel, "w", concurrency=0)


async def test_only_run_takes_nothing_else(kernel: KernelForTests) -> None:
    mine, other = await create(kernel, "long", "a"), await create(kernel, "long", "b", priority=10)
    async with WorkerHost(kernel, "w", only_run=mine):
        assert await ended(kernel, [mine]) == {mine: "COMPLETED"}
    run = await kernel.inspector.run(other)
    assert (run.status, run.stages) == ("PENDING", [])


async def test_run_until_idle_does_all_there_is_and_leaves(kernel: KernelForTests) -> None:
    run_ids = [await create(kernel, "long", str(number)) for number in range(20)]
    worker = WorkerHost(kernel, "w", concurrency=2)
    async with asyncio.timeout(45):
        await worker.run_until_idle()
    assert set((await ended(kernel, run_ids)).values()) == {"COMPLETED"}
    assert worker.stats.jobs_processed == 60
    assert not worker.stats.is_running
    assert await kernel.inspector.workers() == []


async def test_run_until_idle_with_nothing_to_do_leaves(kernel: KernelForTests) -> None:
    async with asyncio.timeout(45):
        await WorkerHost(kernel, "w").run_until_idle()


async def test_a_claim_that_was_under_way_when_the_stop_came_goes_back(
    kernel: KernelForTests, crowd: Crowd, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = WorkerHost(kernel, "w", drain_timeout=timedelta(hours=1))
    stops: list[asyncio.Task[None]] = []
    turn = kernel.turn

    async def turn_and_stop(ended: Sequence[Delivery], taker: Taker, free: int) -> Turn:
        took = await turn(ended, taker, free)
        if took.claimed and not stops:
            stops.append(asyncio.create_task(worker.stop()))
            while not worker.stats.is_running or not worker._stopping:
                await asyncio.sleep(0)
        return took

    monkeypatch.setattr(kernel, "turn", turn_and_stop)
    run_id = await create(kernel, "crowd", "k")
    await worker.start()
    async with asyncio.timeout(30):
        while not stops:
            await asyncio.sleep(0)
        await stops[0]
    assert crowd.entered == 0
    [job] = await jobs(kernel, [run_id])
    assert (job.status, job.tries, job.lease_token) == ("PENDING", 0, None)


async def test_a_delivery_that_cannot_be_settled_does_not_hold_up_the_others(
    kernel: KernelForTests, crowd: Crowd, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    turn = kernel.turn

    async def broken_for_one(ended: Sequence[Delivery], taker: Taker, free: int) -> Turn:
        if any(one.claimed.job.run_id == run_ids[1] for one in ended):
            raise KeyError("a defect")
        return await turn(ended, taker, free)

    monkeypatch.setattr(kernel, "turn", broken_for_one)
    run_ids = [await create(kernel, "crowd", str(number)) for number in range(4)]
    async with WorkerHost(kernel, "w", concurrency=4):
        await crowd.until_inside(4)
        crowd.gate.set()
        fine = [run_ids[0], run_ids[2], run_ids[3]]
        assert set((await ended(kernel, fine)).values()) == {"COMPLETED"}
        later = await create(kernel, "short", "later")
        assert await ended(kernel, [later]) == {later: "COMPLETED"}
    [left] = await jobs(kernel, run_ids)
    assert (left.run_id, left.status) == (run_ids[1], "RUNNING")
    assert f"run {run_ids[1]}" in caplog.text


async def test_a_worker_leaves_though_the_store_refuses_its_outcomes(
    kernel: KernelForTests, crowd: Crowd, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    worker = WorkerHost(kernel, "w")
    await worker.start()
    run_id = await create(kernel, "crowd", "k")
    await crowd.until_inside(1)

    async def refuse(ended: Sequence[Delivery], taker: Taker, free: int) -> Turn:
        raise StoreUnavailable("not any more")

    monkeypatch.setattr(kernel, "turn", refuse)
    monkeypatch.setattr("engine.hosts.worker.LAST_WRITES_SECONDS", 0.1)
    crowd.gate.set()
    async with asyncio.timeout(30):
        await worker.stop()
    assert not worker.stats.is_running
    assert "could not be written: 1" in caplog.text
    [job] = await jobs(kernel, [run_id])
    assert job.status == "RUNNING"


async def test_what_is_due_but_not_ours_does_not_make_a_worker_spin(kernel: KernelForTests) -> None:
    """A lease that ended is reaped by the measure of the reaper's own lease: until then there is nothing to do."""
    await create(kernel, "short", "dead")
    [held] = (await kernel.turn([], kernel.taker("dead", timedelta(0)), 1)).claimed
    worker = WorkerHost(kernel, "w", stale_lease_threshold=timedelta(hours=1))
    async with worker:
        watch = kernel.persistence.watch()
        began = time.monotonic()
        # Nothing is committed meanwhile; the wait itself is what is measured against.
        assert not await watch.wait(2.5)
        ticks, seconds = worker.stats.orchestration_ticks, time.monotonic() - began
        watch.close()
    assert await kernel.persistence.transact(lambda work: work.jobs.held([held.lease])) == {held.job.id}
    assert 1 <= ticks <= 2 + seconds * 2


async def test_a_cancelled_run_frees_its_slot(kernel: KernelForTests, crowd: Crowd) -> None:
    async with WorkerHost(kernel, "w", concurrency=1):
        run_id = await create(kernel, "crowd", "k")
        await crowd.until_inside(1)
        assert (await kernel.dispatch(CancelRun(run_id=run_id))).cancelled
        later = await create(kernel, "short", "later")
        assert await ended(kernel, [later]) == {later: "COMPLETED"}
    assert crowd.inside == 0


RAISED: list[tuple[BaseException, str]] = [
    (StopIteration(), "RuntimeError"),
    (asyncio.CancelledError(), "CancelledError"),
    (SystemExit(3), "SystemExit: 3"),
    (KeyboardInterrupt(), "KeyboardInterrupt"),
    (NonRetryable("enough"), "enough"),
]


@pytest.mark.parametrize(("error", "said"), RAISED, ids=[type(error).__name__ for error, _ in RAISED])
@pytest.mark.parametrize("kind", ["plain", "async"])
async def test_whatever_a_body_raises_ends_its_stage_only(error: BaseException, said: str, kind: str) -> None:
    tried: list[int] = []

    def attempt(ctx: StageContext[Number, NoConfig]) -> Number:
        tried.append(ctx.attempt)
        raise error

    async def awaited(ctx: StageContext[Number, NoConfig]) -> Number:
        return attempt(ctx)

    body: Any = attempt if kind == "plain" else awaited
    raising = WorkflowBuilder("raising", "Raising", input=Number).pipe(
        stage(id="raise", retry=NO_WAIT, input=Number, output=Number, config=NoConfig)(body)
    )
    kernel = make_kernel([raising.build(), chain("short", 1, lambda ctx: None)])
    async with WorkerHost(kernel, "w", concurrency=1):
        run_id = await create(kernel, "raising", "k")
        assert await ended(kernel, [run_id]) == {run_id: "FAILED"}
        later = await create(kernel, "short", "later")
        assert await ended(kernel, [later]) == {later: "COMPLETED"}
    failed = await kernel.inspector.run(run_id)
    assert failed.error is not None
    assert failed.error.startswith(said)
    assert tried == ([1] if isinstance(error, NonRetryable) else [1, 2, 3])
    await kernel.close()
