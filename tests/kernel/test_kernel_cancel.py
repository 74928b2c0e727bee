"""Cancelling: the first terminal state wins, and what still runs is told."""

from __future__ import annotations

import asyncio
import threading
from datetime import timedelta
from typing import Any

import pytest
from kernel_driver import Drive, Driver
from kernel_workflows import Acts, batch, flow, step

from engine import RerunFrom, RetryPolicy
from engine.model.status import TERMINAL_JOB

ONCE = RetryPolicy(max_attempts=1)


async def active_jobs(d: Driver, run_id: str) -> list[str]:
    jobs = await d.kernel.persistence.transact(lambda work: work.jobs.of_run(run_id))
    return [job.stage_id for job in jobs if job.status not in TERMINAL_JOB]


@pytest.mark.parametrize("begun", [False, True], ids=["pending", "running"])
async def test_b115_a_run_on_its_way_is_cancelled(drive: Drive, begun: bool) -> None:
    d = drive(flow(step("one")))
    run_id = await (d.begun() if begun else d.create())
    assert await d.cancel(run_id, reason="no longer needed")
    run = await d.run(run_id)
    assert (run.status, run.completed_at, run.error) == ("CANCELLED", d.clock.now(), None)
    assert await d.payloads(run_id, "workflow:cancelled") == [{"reason": "no longer needed"}]
    assert await d.drain() == 0


async def test_b116_what_is_over_is_not_cancelled(drive: Drive) -> None:
    d = drive(flow(step("good")), flow(step("bad", Acts(ValueError("x")), retry=ONCE), id="failing"))
    completed, failed = (await d.through()).id, (await d.through("failing")).id
    cancelled = await d.create()
    await d.cancel(cancelled)
    for run_id in (completed, failed, cancelled):
        before = await d.events(run_id)
        assert not await d.cancel(run_id)
        assert await d.events(run_id) == before
    assert not await d.cancel("0" * 20)
    statuses = [(await d.run(run_id)).status for run_id in (completed, failed, cancelled)]
    assert statuses == ["COMPLETED", "FAILED", "CANCELLED"]


async def test_b117_stages_and_jobs_go_with_the_run(drive: Drive) -> None:
    retried = step("retried", Acts(ValueError("x")))
    d = drive(flow(step("first"), [step("queued"), batch("asked"), retried, step("running")]))
    run_id = await d.begun()
    for stage_id in ("first", "asked", "retried"):
        await d.execute(run_id, stage_id)
    (claimed,) = [one for one in await d.take(free=2) if one.job.stage_id == "running"]
    assert await d.cancel(run_id)
    assert await d.statuses(run_id) == {
        "first": "COMPLETED",
        "queued": "CANCELLED",
        "asked": "CANCELLED",
        "retried": "CANCELLED",
        "running": "CANCELLED",
    }
    run = await d.run(run_id)
    assert [(one.next_poll_at, one.retry_at) for one in run.stages] == [(None, None)] * 5
    assert await active_jobs(d, run_id) == []
    told = [event["stage_id"] for event in await d.payloads(run_id, "stage:cancelled")]
    assert told == ["queued", "asked", "retried", "running"]
    assert await d.settle(await d.carry_out(claimed)) == ["ghost"]


async def test_b118_what_a_body_brings_after_the_cancel_is_dropped(drive: Drive) -> None:
    async def body(ctx: Any) -> str:
        ctx.annotate("kept", False)
        ctx.progress(0.5, "half")
        assert await d.cancel(ctx.run_id)
        return "late"

    d = drive(flow(step("one", body), step("two")))
    run_id = await d.begun()
    result = await d.execute(run_id, "one")
    assert (result.outcome, result.ghost, result.retryable, result.output) == ("failed", True, False, None)
    run = await d.run(run_id)
    assert (run.status, await d.statuses(run_id), run.stages[0].output) == ("CANCELLED", {"one": "CANCELLED"}, None)
    assert (await d.types(run_id))[-1] == "workflow:cancelled"
    assert await d.notes(run_id) == []


@pytest.mark.parametrize("error", [ValueError("late"), TimeoutError("late")])
async def test_b118_a_failure_after_the_cancel_is_not_tried_again(drive: Drive, error: Exception) -> None:
    async def body(ctx: Any) -> str:
        await d.cancel(ctx.run_id)
        raise error

    d = drive(flow(step("one", body)))
    run_id = await d.begun()
    assert (await d.execute(run_id, "one")).ghost
    d.clock.advance(timedelta(hours=1))
    assert await d.drain() == 0
    assert (await d.types(run_id))[-1] == "workflow:cancelled"


async def test_b120_a_job_of_a_run_that_is_not_running_is_a_ghost(drive: Drive) -> None:
    body = Acts("out")
    d = drive(flow(step("one", body)))
    pending, cancelled = await d.create(), await d.create()
    await d.cancel(cancelled)
    for run_id in (pending, cancelled):
        before = await d.events(run_id)
        result = await d.execute(run_id, "one")
        assert (result.outcome, result.ghost, result.retryable) == ("failed", True, False)
        assert await d.events(run_id) == before
    assert body.calls == 0


async def test_d09_an_async_body_is_interrupted(drive: Drive) -> None:
    started, never = asyncio.Event(), asyncio.Event()
    seen: list[str] = []

    async def body(ctx: Any) -> None:
        started.set()
        try:
            await never.wait()
        except asyncio.CancelledError:
            seen.append(f"cancelled: {ctx.cancelled}")
            raise

    d = drive(flow(step("one", body)))
    run_id = await d.begun()
    executing = asyncio.create_task(d.execute(run_id, "one"))
    await started.wait()
    await d.cancel(run_id)
    d.kernel.keeper.check_soon()
    result = await asyncio.wait_for(executing, 10)
    assert (result.ghost, seen) == (True, ["cancelled: True"])


async def test_d09_a_plain_body_sees_that_it_was_cancelled(drive: Drive) -> None:
    started, finished = threading.Event(), threading.Event()
    seen: list[bool] = []

    def body(ctx: Any) -> str:
        seen.append(ctx.cancelled)
        started.set()
        while not ctx.cancelled:
            threading.Event().wait(0.01)
        ctx.log("INFO", "dropped")
        ctx.annotate("dropped", 1)
        ctx.progress(1.0)
        seen.append(ctx.cancelled)
        finished.set()
        return "late"

    d = drive(flow(step("one", body, plain=True)))
    run_id = await d.begun()
    executing = asyncio.create_task(d.execute(run_id, "one"))
    assert await asyncio.to_thread(started.wait, 10)
    await d.cancel(run_id)
    d.kernel.keeper.check_soon()
    assert (await asyncio.wait_for(executing, 10)).ghost
    assert await asyncio.to_thread(finished.wait, 10)
    assert seen == [False, True]
    assert await d.notes(run_id) == []
    assert (await d.inspector.logs(run_id)).items == []


async def test_b122_a_cancel_between_claim_and_body_leaves_nothing_running(drive: Drive) -> None:
    d = drive(flow(step("one")))
    run_id = await d.begun()
    claimed = await d.take_one()
    await d.cancel(run_id)
    assert await d.settle(await d.carry_out(claimed)) == ["ghost"]
    assert await d.statuses(run_id) == {"one": "CANCELLED"}


async def test_b123_cancel_and_completion_race_to_one_end(drive: Drive) -> None:
    d = drive(flow(step("one")))
    outcomes = set()
    for turn in range(12):
        run_id = await d.begun()
        ended = await d.carry_out(await d.take_one())
        acts = [d.settle(ended), d.cancel(run_id)]
        results = await asyncio.gather(*(acts if turn % 2 else reversed(acts)))
        verdicts, cancelled = results if turn % 2 else reversed(results)
        run, types = await d.run(run_id), await d.types(run_id)
        assert (verdicts, cancelled) in ((["completed"], False), (["ghost"], True))
        assert run.status == ("CANCELLED" if cancelled else "COMPLETED")
        assert ("workflow:completed" in types, "workflow:cancelled" in types) == (not cancelled, cancelled)
        outcomes.add(cancelled)
    assert outcomes == {False, True}


async def test_two_cancels_at_once_are_one(drive: Drive) -> None:
    d = drive(flow(step("one")))
    run_id = await d.begun()
    assert sorted(await asyncio.gather(*(d.cancel(run_id) for _ in range(5)))) == [False] * 4 + [True]
    assert (await d.types(run_id)).count("workflow:cancelled") == 1


async def test_a_delayed_run_that_was_cancelled_never_starts(drive: Drive) -> None:
    d = drive(flow(step("one")))
    run_id = await d.create(start_at=d.clock.now() + timedelta(hours=1))
    await d.cancel(run_id)
    d.clock.advance(timedelta(hours=2))
    assert (await d.begin(), await d.drain()) == ([], 0)


async def test_b133_a_body_of_the_life_before_can_not_touch_the_next(drive: Drive) -> None:
    """Cancelled, rerun, and only then the old body ends: b133 in our terms."""
    d = drive(flow(step("one"), step("two")))
    run_id = await d.begun(input="in")
    late = await d.carry_out(await d.take_one())
    await d.cancel(run_id)
    await d.dispatch(RerunFrom(run_id=run_id, from_stage_id="one"))
    assert await d.settle(late) == ["ghost"]
    assert await d.statuses(run_id) == {"one": "PENDING"}
    await d.drain()
    run = await d.run(run_id)
    assert (run.status, run.stages[0].attempt) == ("COMPLETED", 2)
