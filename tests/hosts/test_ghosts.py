"""A delivery whose lease went to somebody else, step by step: nothing of it is written, its neighbours are."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future
from datetime import timedelta

import pytest
from counted_bodies import NO_WAIT, Crowd, Number, chain, create

from engine import NoConfig, ReapStaleLeases, StageContext, WorkflowBuilder, stage
from engine.hosts import ServerlessHost
from engine.inspector import RunDetail
from engine.kernel.claiming import Taker
from engine.kernel.ending import Delivery
from engine.model.records import Claimed
from engine.testing import FakeClock, make_kernel
from engine.testing.make_kernel import KernelForTests

LEASE = timedelta(seconds=60)


def speak(ctx: StageContext[Number, NoConfig]) -> None:
    ctx.log("INFO", f"attempt {ctx.attempt}")
    ctx.progress(0.5, "half")
    ctx.annotate("attempt", ctx.attempt)


@stage(id="left", retry=NO_WAIT)
async def left(ctx: StageContext[Number, NoConfig]) -> Number:
    speak(ctx)
    return ctx.input


@stage(id="right", retry=NO_WAIT)
async def right(ctx: StageContext[Number, NoConfig]) -> Number:
    speak(ctx)
    return ctx.input


PAIR = WorkflowBuilder("pair", "Pair", input=Number).parallel([left, right]).build()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def crowd() -> Crowd:
    return Crowd()


@pytest.fixture
async def kernel(clock: FakeClock, crowd: Crowd) -> AsyncIterator[KernelForTests]:
    made = make_kernel([PAIR, chain("chain", 2, speak), crowd.workflow], clock=clock)
    yield made
    await made.close()


@pytest.fixture
def late(kernel: KernelForTests) -> Taker:
    return kernel.taker("late", LEASE)


async def executed(kernel: KernelForTests, claimed: Claimed) -> Delivery:
    """The delivery with its body done and nothing of it written yet."""
    delivery = await kernel.carry_out(claimed, LEASE)
    assert delivery is not None
    return delivery


async def reap(kernel: KernelForTests, clock: FakeClock, released: int) -> None:
    clock.advance(LEASE + timedelta(seconds=1))
    result = await kernel.dispatch(ReapStaleLeases(stale_threshold=LEASE))
    assert (result.released, result.failed) == (released, 0)


async def state(kernel: KernelForTests, run_id: str) -> tuple[object, ...]:
    """Everything that can be read about a run."""
    read = kernel.inspector
    return (
        await read.run(run_id),
        (await read.events(run_id)).items,
        (await read.logs(run_id)).items,
        (await read.annotations(run_id)).items,
    )


async def settle_late(kernel: KernelForTests, late: Taker, delivery: Delivery) -> None:
    """The late outcome comes, and leaves no trace."""
    run_id = delivery.claimed.job.run_id
    before = await state(kernel, run_id)
    turn = await kernel.turn([delivery], late, 0)
    assert [one.verdict for one in turn.settled] == ["ghost"]
    assert await state(kernel, run_id) == before


@pytest.mark.parametrize("moment", ["reaped", "held by another", "done by another", "run over"])
async def test_a_late_outcome_leaves_no_trace(
    kernel: KernelForTests, clock: FakeClock, late: Taker, moment: str
) -> None:
    await create(kernel, "chain", "k")
    delivery = await executed(kernel, (await kernel.turn([], late, 1)).claimed[0])
    other = kernel.taker("other", LEASE)
    await reap(kernel, clock, released=1)
    if moment != "reaped":
        again = await executed(kernel, (await kernel.turn([], other, 1)).claimed[0])
        assert again.claimed.job.attempt == 2
        if moment != "held by another":
            await kernel.turn([again], other, 0)
        if moment == "run over":
            await ServerlessHost(kernel, "other").process_available_jobs(5)
    await settle_late(kernel, late, delivery)
    if moment == "held by another":
        assert [one.verdict for one in (await kernel.turn([again], other, 0)).settled] == ["completed"]


async def test_a_ghost_does_not_take_its_neighbour_along(kernel: KernelForTests, clock: FakeClock, late: Taker) -> None:
    """Side by side in one group: one is done by somebody else meanwhile, and with it the group would look done."""
    run_id = await create(kernel, "pair", "k")
    first, second = [await executed(kernel, (await kernel.turn([], late, 1)).claimed[0]) for _ in range(2)]
    clock.advance(LEASE - timedelta(seconds=1))
    held = await kernel.persistence.transact(lambda work: work.jobs.renew([second.claimed.lease], work.now + LEASE))
    assert held == {second.claimed.job.id}
    clock.advance(timedelta(seconds=2))
    assert (await kernel.dispatch(ReapStaleLeases(stale_threshold=LEASE))).released == 1
    done = await ServerlessHost(kernel, "other").process_available_jobs(5)
    assert (done.processed, done.succeeded) == (1, 1)

    turn = await kernel.turn([first, second], late, 0)
    assert [one.verdict for one in turn.settled] == ["ghost", "completed"]
    run: RunDetail = await kernel.inspector.run(run_id)
    assert run.status == "COMPLETED"
    assert sorted((one.attempt, one.worker_id) for one in run.stages) == [(1, "late"), (2, "other")]


async def test_a_job_reaped_and_claimed_again_by_the_same_worker(
    kernel: KernelForTests, clock: FakeClock, late: Taker
) -> None:
    run_id = await create(kernel, "chain", "k")
    delivery = await executed(kernel, (await kernel.turn([], late, 1)).claimed[0])
    await reap(kernel, clock, released=1)
    [again] = (await kernel.turn([], late, 1)).claimed
    assert (again.job.id, again.job.worker_id, again.job.attempt) == (delivery.claimed.job.id, "late", 2)
    await settle_late(kernel, late, delivery)
    turn = await kernel.turn([await executed(kernel, again)], late, 0)
    assert [one.verdict for one in turn.settled] == ["completed"]
    assert (await kernel.inspector.run(run_id)).stages[0].attempt == 2


async def test_a_second_delivery_of_a_job_here_ends_the_first(
    kernel: KernelForTests, clock: FakeClock, late: Taker, crowd: Crowd
) -> None:
    run_id = await create(kernel, "crowd", "k")
    [first] = (await kernel.turn([], late, 1)).claimed
    former = asyncio.create_task(kernel.carry_out(first, LEASE))
    await crowd.until_inside(1)
    await reap(kernel, clock, released=1)
    [second] = (await kernel.turn([], late, 1)).claimed
    latter = asyncio.create_task(kernel.carry_out(second, LEASE))
    async with asyncio.timeout(30):
        assert await former is None
    await crowd.until_inside(1)
    assert not latter.done()
    crowd.gate.set()
    delivery = await latter
    assert delivery is not None
    assert [one.verdict for one in (await kernel.turn([delivery], late, 0)).settled] == ["completed"]
    assert (await kernel.inspector.run(run_id)).stages[0].attempt == 2


async def test_a_look_at_a_lease_writes_nothing(
    kernel: KernelForTests, late: Taker, crowd: Crowd, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A write would be news to everybody who waits for news, and make them look in turn, without end."""
    run_id = await create(kernel, "crowd", "k")
    [claimed] = (await kernel.turn([], late, 1)).claimed
    body = asyncio.create_task(kernel.carry_out(claimed, LEASE))
    await crowd.until_inside(1)
    clock.advance(timedelta(seconds=1))
    looks: list[Future[object]] = []
    submit = kernel.persistence.submit

    def spy(fn: Callable[..., object], *, urgent: bool = False) -> Future[object]:
        future = submit(fn, urgent=urgent)
        if threading.current_thread().name == "wfconsole-keeper":
            looks.append(future)
        return future

    monkeypatch.setattr(kernel.persistence, "submit", spy)
    async with asyncio.timeout(30):
        while len(looks) < 3:
            kernel.keeper.check_soon()
            await asyncio.sleep(0)
    held: set[str] = {claimed.job.id}
    assert [look.result(30) for look in looks] == [held, held, held]
    [job] = await kernel.persistence.transact(lambda work: work.jobs.of_run(run_id))
    assert (job.renewed_at, job.leased_until) == (claimed.job.renewed_at, claimed.job.leased_until)
    crowd.gate.set()
    assert await body is not None
