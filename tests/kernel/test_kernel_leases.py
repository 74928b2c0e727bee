"""Leases: workers that go away, come back late, or are told to stop."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from kernel_driver import LEASE, Drive, Driver
from kernel_workflows import Acts, batch, flow, step

from engine import RetryPolicy


async def test_b134_b052_after_a_crash_another_worker_goes_on(drive: Drive) -> None:
    d = drive(flow(step("one"), step("two")))
    run_id = await d.begun(input=1, priority=7)
    lost = await d.crash("w1")
    reaped = await d.reap()
    assert (reaped.released, reaped.failed) == (1, 0)
    stage = await d.stage(run_id, "one")
    assert (stage.status, stage.worker_id, stage.retry_at) == ("PENDING", None, None)
    again = await d.take_one("w2")
    assert (again.job.id, again.job.priority, again.job.attempt) == (lost.job.id, 7, 2)
    await d.settle(await d.carry_out(again), worker_id="w2")
    await d.drain()
    assert (await d.run(run_id)).output == 1


async def test_a_reaped_lease_is_told(drive: Drive) -> None:
    d = drive(flow(step("one")))
    run_id = await d.begun()
    await d.crash("w1")
    await d.reap()
    assert await d.payloads(run_id, "lease:reaped") == [{"stage_id": "one", "attempt": 1, "worker_id": "w1"}]
    await d.drain()
    attempts = (await d.stage(run_id, "one")).attempts
    assert [(one.attempt, one.status, one.error) for one in attempts] == [
        (1, "FAILED", "LEASE_LOST: w1 stopped renewing its lease"),
        (2, "COMPLETED", None),
    ]


async def test_d03_a_live_lease_or_a_recent_renewal_is_left_alone(drive: Drive) -> None:
    d = drive(flow(step("one")))
    run_id = await d.begun()
    await d.take_one()
    d.clock.advance(LEASE - timedelta(microseconds=1))
    assert (await d.reap(timedelta(0))).released == 0
    d.clock.advance(timedelta(microseconds=1))
    assert (await d.reap(LEASE + timedelta(seconds=1))).released == 0
    assert (await d.stage(run_id, "one")).status == "RUNNING"
    assert (await d.reap(LEASE)).released == 1


async def test_b137_b048_a_renewed_lease_is_not_reaped(drive: Drive) -> None:
    """The keeper renews while the body runs, whatever the body does to the event loop."""
    started, go_on = asyncio.Event(), asyncio.Event()

    async def body(ctx: Any) -> str:
        started.set()
        await go_on.wait()
        return "out"

    d = drive(flow(step("one", body)))
    run_id = await d.begun()
    claimed = await d.take_one()
    running = asyncio.create_task(d.kernel.carry_out(claimed, timedelta(seconds=0.4)))
    await started.wait()
    for _ in range(3):
        d.clock.advance(LEASE)
        await _renewed(d, run_id)
        assert (await d.reap(timedelta(0))).released == 0
    go_on.set()
    delivery = await running
    assert delivery is not None
    assert await d.settle(delivery) == ["completed"]
    assert (await d.stage(run_id, "one")).attempt == 1


async def _renewed(d: Driver, run_id: str) -> None:
    """Until the store has a renewal of this instant: the keeper renews on real time, every quarter of the lease."""
    watch = d.kernel.persistence.watch()
    async with asyncio.timeout(10):
        while (await d.inspector.explain(run_id)).facts["renewed_at"] != d.clock.now():
            await watch.wait(0.05)
    watch.close()


async def test_b049_only_the_worker_that_is_gone_loses_its_job(drive: Drive) -> None:
    d = drive(flow([step("a"), step("b")]))
    run_id = await d.begun()
    gone = await d.take_one("gone")
    d.clock.advance(timedelta(minutes=3))
    alive = await d.take_one("alive")
    d.clock.advance(timedelta(minutes=2))
    assert (await d.reap()).released == 1
    statuses = await d.statuses(run_id)
    assert (statuses[gone.job.stage_id], statuses[alive.job.stage_id]) == ("PENDING", "RUNNING")


async def test_b050_what_is_not_leased_is_not_reaped(drive: Drive) -> None:
    d = drive(flow([step("queued"), batch("asked"), step("retried", Acts(ValueError("x"))), step("done")]))
    run_id = await d.begun()
    for stage_id in ("asked", "retried", "done"):
        await d.execute(run_id, stage_id)
    before = await d.statuses(run_id)
    d.clock.advance(timedelta(days=1))
    assert (await d.reap(timedelta(0))).released == 0
    assert await d.statuses(run_id) == before


async def test_b149_a_job_that_takes_its_workers_with_it_ends_at_the_crash_limit(drive: Drive) -> None:
    d = drive(flow(step("one", retry=RetryPolicy(max_attempts=3)), step("two")))
    run_id = await d.begun()
    reaped = []
    for _ in range(3):
        await d.crash("w1")
        result = await d.reap()
        reaped.append((result.released, result.failed))
    assert reaped == [(1, 0), (1, 0), (0, 1)]
    run = await d.run(run_id)
    assert (run.status, run.error_code, run.stages[0].status) == ("FAILED", "CRASH_LIMIT", "FAILED")
    assert run.error == "CRASH_LIMIT: w1 went away during try 3 of 3"
    assert await d.take() == []
    assert (await d.types(run_id)).count("lease:reaped") == 3


async def test_d03_crashes_and_failures_share_one_budget(drive: Drive) -> None:
    d = drive(flow(step("one", Acts(ValueError("boom")))))
    run_id = await d.begun()
    await d.crash()
    await d.reap()
    await d.drain()
    d.clock.advance(timedelta(minutes=1))
    await d.crash()
    await d.reap()
    assert ((await d.run(run_id)).error_code, (await d.stage(run_id, "one")).attempt) == ("CRASH_LIMIT", 3)


async def test_b138_a_worker_that_comes_back_late_can_not_complete(drive: Drive) -> None:
    d = drive(flow(step("one", Acts("late", "in time")), step("two")))
    run_id = await d.begun()
    late = await d.carry_out(await d.take_one("w1"))
    d.clock.advance(LEASE)
    await d.reap()
    await d.drain()
    before = await d.events(run_id)
    assert await d.settle(late) == ["ghost"]
    assert await d.events(run_id) == before
    assert (await d.run(run_id)).output == "in time"


async def test_b139_nor_fail_what_its_successor_completed(drive: Drive) -> None:
    body = Acts(ValueError("late"), "in time")
    d = drive(flow([step("one", body), step("other")]))
    run_id = await d.begun()
    claims = await d.take("w1", free=2)
    (claimed,) = [one for one in claims if one.job.stage_id == "one"]
    late = await d.carry_out(claimed)
    d.clock.advance(LEASE)
    await d.reap()
    await d.drain()
    assert await d.settle(late) == ["ghost"]
    assert (body.calls, (await d.stage(run_id, "one")).status) == (2, "COMPLETED")
    assert "stage:retrying" not in await d.types(run_id)


async def test_d02_a_late_worker_can_not_even_touch_its_successors_lease(drive: Drive) -> None:
    d = drive(flow(step("one")))
    run_id = await d.begun()
    late = await d.carry_out(await d.take_one("w1"))
    d.clock.advance(LEASE)
    await d.reap()
    holder = await d.take_one("w2")
    assert await d.settle(late) == ["ghost"]
    stage = await d.stage(run_id, "one")
    assert (stage.status, stage.worker_id, stage.output) == ("RUNNING", "w2", None)
    assert await d.settle(await d.carry_out(holder), worker_id="w2") == ["completed"]


async def test_d02_a_ghost_falls_out_of_its_list_alone(drive: Drive) -> None:
    d = drive(flow(step("one"), step("two")))
    first = await d.begun(input="ghost")
    late = await d.carry_out(await d.take_one())
    d.clock.advance(LEASE)
    await d.reap()
    await d.drain()
    ids = [await d.begun(input=n) for n in range(2)]
    good = [await d.carry_out(claimed) for claimed in await d.take(free=2)]
    assert await d.settle(good[0], late, good[1]) == ["completed", "ghost", "completed"]
    await d.drain()
    assert [(await d.run(run_id)).status for run_id in (first, *ids)] == ["COMPLETED"] * 3
    assert (await d.types(first)).count("stage:completed") == 2


async def test_d02_the_same_outcome_twice_counts_once(drive: Drive) -> None:
    d = drive(flow(step("one"), step("two")))
    run_id = await d.begun()
    ended = await d.carry_out(await d.take_one())
    assert [await d.settle(ended) for _ in range(2)] == [["completed"], ["ghost"]]
    assert (await d.types(run_id)).count("stage:completed") == 1


async def test_d03_a_stop_gives_the_job_back_and_is_not_charged(drive: Drive) -> None:
    started, never = asyncio.Event(), asyncio.Event()

    async def hang(ctx: Any) -> None:
        ctx.log("INFO", "said before the stop")
        started.set()
        await never.wait()

    d = drive(flow(step("one", Acts(*[hang] * 4, "out"))))
    run_id = await d.begun()
    for attempt in range(1, 5):
        claimed = await d.take_one()
        assert (claimed.job.attempt, claimed.job.tries) == (attempt, 1)
        body = asyncio.create_task(d.kernel.carry_out(claimed, LEASE))
        await started.wait()
        started.clear()
        body.cancel()
        delivery = await body
        assert delivery is not None
        assert await d.settle(delivery) == ["given-back"]
        assert (await d.stage(run_id, "one")).status == "PENDING"
    await d.drain()
    stage = await d.stage(run_id, "one")
    assert (stage.output, stage.attempt, stage.tries) == ("out", 5, 1)
    assert len((await d.inspector.logs(run_id)).items) == 4


@pytest.mark.parametrize("crashes", [0, 1])
async def test_b135_a_redelivered_message_of_a_done_job_gives_its_stored_output(drive: Drive, crashes: int) -> None:
    body = Acts({"n": 1})
    d = drive(flow(step("one", body), step("two")))
    run_id = await d.begun()
    for _ in range(crashes):
        await d.crash()
        await d.reap()
    message = {"job_id": "any", "run_id": run_id, "workflow_id": "flow", "stage_id": "one"}
    outcomes = [(await d.host.handle_job(message)).outcome for _ in range(2)]
    before = await d.events(run_id)
    again = await d.execute(run_id, "one")
    assert (outcomes, again.output, again.ghost) == (["completed"] * 2, {"n": 1}, False)
    assert (body.calls, await d.events(run_id)) == (1, before)
