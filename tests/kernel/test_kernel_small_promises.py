"""Promises too small for a page of their own."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from kernel_driver import LEASE, Drive
from kernel_workflows import MINUTE, Acts, batch, flow, step

from engine import Completion, ReapStaleLeases
from engine.model.records import KeyRecord


async def test_b016_of_two_that_take_over_a_stale_key_one_wins(drive: Drive, tmp_path: Path) -> None:
    one = drive(flow(step("one")), path=tmp_path / "runs.db")
    other = drive(flow(step("one")), path=tmp_path / "runs.db", clock=one.clock)
    now = one.clock.now()
    record = KeyRecord("k", "job.execute", "hash", None, None, now, now + MINUTE)
    await one.kernel.persistence.transact(lambda work: work.keys.begin(record))
    one.clock.advance(2 * MINUTE)
    later = record._replace(created_at=one.clock.now(), leased_until=one.clock.now() + MINUTE)

    async def take(d: Any) -> bool:
        return bool(await d.kernel.persistence.transact(lambda work: work.keys.reclaim(later, work.now)))

    assert sorted(await asyncio.gather(take(one), take(other))) == [False, True]


async def test_b035_a_claim_makes_an_earlier_reading_of_the_run_worthless(drive: Drive) -> None:
    d = drive(flow(step("one")))
    run_id = await d.create()
    store = d.kernel.persistence
    before = (await store.transact(lambda work: work.runs.lock({run_id})))[run_id]
    await d.begin()
    with pytest.raises(RuntimeError, match="changed"):
        await store.transact(lambda work: work.runs.save([before]))
    assert (await d.run(run_id)).status == "RUNNING"


async def test_b046_a_retry_and_a_reap_leave_the_job_what_it_was(drive: Drive) -> None:
    d = drive(flow(step("one", Acts(OSError("busy"), "done"))))
    run_id = await d.begun(priority=8)
    store = d.kernel.persistence

    async def facts() -> set[tuple[Any, ...]]:
        jobs = await store.transact(lambda work: work.jobs.of_run(run_id))
        return {(job.id, job.workflow_id, job.stage_id, job.priority, job.created_at) for job in jobs}

    before = await facts()
    await d.drain()
    assert await facts() == before
    d.clock.advance(timedelta(minutes=2))
    await d.crash()
    await d.reap()
    assert await facts() == before


def test_b051_a_lease_counts_as_stale_after_five_minutes() -> None:
    assert ReapStaleLeases().stale_threshold == timedelta(seconds=300)


async def test_b113_a_failure_dates_the_run_and_stays_on_its_stage(drive: Drive) -> None:
    d = drive(flow(step("one", Acts(RuntimeError("no")))))
    run = await d.exhaust(await d.begun())
    assert run.completed_at is not None
    assert run.stages[0].error == "RuntimeError: no"
    assert run.stages[0].completed_at == run.completed_at


async def test_b177_a_run_that_is_answered_moves_on_in_the_same_tick(drive: Drive) -> None:
    d = drive(flow(batch("ask", Acts(Completion.ready("done")))))
    run_id = (await d.through()).id
    d.clock.advance(MINUTE)
    assert (await d.host.run_maintenance_tick()).suspended_checked == 1
    assert (await d.run(run_id)).status == "COMPLETED"


async def test_b185_stages_come_by_group_and_number(drive: Drive) -> None:
    d = drive(flow(step("z"), [step("m"), step("a")], step("b")))
    run = await d.through()
    assert [(stage.stage_id, stage.group, stage.number) for stage in run.stages] == [
        ("z", 1, 1),
        ("m", 2, 2),
        ("a", 2, 3),
        ("b", 3, 4),
    ]


async def test_a_run_suspended_with_hourly_polls_is_alive_after_a_day(drive: Drive) -> None:
    from engine import Suspend

    hourly = Suspend(state={}, poll_every=timedelta(hours=1), max_wait=timedelta(days=7))
    check = Acts(*[Completion.waiting()] * 24, Completion.ready("at last"))
    d = drive(flow(batch("ask", check, hourly)))
    run_id = (await d.through()).id
    for _ in range(24 * 12):
        d.clock.advance(timedelta(minutes=5))
        await d.host.run_maintenance_tick()
        assert (await d.run(run_id)).status == "RUNNING"
    assert check.calls == 24
    d.clock.advance(timedelta(hours=1))
    await d.host.run_maintenance_tick()
    assert (await d.run(run_id)).output == "at last"
    assert timedelta(hours=1) > LEASE
