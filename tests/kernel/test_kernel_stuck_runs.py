"""Stuck runs: nobody works on them and nothing is waited for. Healthy ones are never touched."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from kernel_driver import Drive, Driver
from kernel_workflows import Acts, batch, flow, step

from engine import ReapStuckRuns, ReapStuckRunsResult, RetryFailed, TransitionRun
from engine.kernel import kernel as kernel_module

LONG = timedelta(minutes=15)


async def reap_stuck(d: Driver, threshold: timedelta = LONG) -> tuple[int, int]:
    result: ReapStuckRunsResult = await d.dispatch(ReapStuckRuns(stuck_threshold=threshold))
    return result.transitioned, result.failed


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "runs.db"


async def test_b140_d08_a_run_nobody_works_on_fails_with_its_stages_named(drive: Drive, path: Path) -> None:
    d = drive(flow([step("one"), step("two")]), path=path)
    run_id = await d.begun()
    await d.take_one()
    await d.sql("DELETE FROM job_queue")
    d.clock.advance(LONG)
    assert await reap_stuck(d) == (0, 1)
    run = await d.run(run_id)
    assert (run.status, run.error_code) == ("FAILED", "STUCK_RUN")
    assert run.error is not None
    assert "one RUNNING, two PENDING" in run.error
    assert set((await d.statuses(run_id)).values()) == {"CANCELLED"}
    assert (await d.types(run_id)).count("workflow:failed") == 1
    assert await reap_stuck(d) == (0, 0)


async def test_a_stuck_run_can_be_retried(drive: Drive, path: Path) -> None:
    d = drive(flow([step("one"), step("two")], step("end")), path=path)
    run_id = await d.begun(input=1)
    await d.take_one()
    await d.sql("DELETE FROM job_queue")
    d.clock.advance(LONG)
    await reap_stuck(d)
    await d.dispatch(RetryFailed(run_id=run_id))
    await d.drain()
    assert (await d.run(run_id)).output == {"one": 1, "two": 1}


async def test_b141_a_run_polled_rarely_is_healthy(drive: Drive) -> None:
    d = drive(flow(batch("ask")))
    run_id = (await d.through()).id
    d.clock.advance(timedelta(days=30))
    assert await reap_stuck(d) == (0, 0)
    assert (await d.run(run_id)).status == "RUNNING"


async def test_b142_a_long_body_is_healthy_while_its_lease_lives(drive: Drive) -> None:
    d = drive(flow(step("one")))
    run_id = await d.begun()
    claimed = await d.take_one()
    d.clock.advance(timedelta(minutes=4))
    assert await reap_stuck(d, timedelta(minutes=3)) == (0, 0)
    assert await d.settle(await d.carry_out(claimed)) == ["completed"]
    assert (await d.run(run_id)).status == "COMPLETED"


@pytest.mark.parametrize("act", [lambda ctx: "out", Acts(ValueError("x"))], ids=["queued", "in backoff"])
async def test_b143_a_job_in_a_backlog_is_healthy(drive: Drive, act: Any) -> None:
    d = drive(flow([step("one", act), step("two")]))
    run_id = await d.begun()
    await d.execute(run_id, "one")
    d.clock.advance(timedelta(days=1))
    assert await reap_stuck(d) == (0, 0)
    assert (await d.run(run_id)).status == "RUNNING"


async def test_b144_b145_a_stage_without_its_job_gets_one_and_the_run_lives(drive: Drive, path: Path) -> None:
    d = drive(flow([step("one"), step("two")], step("end")), path=path)
    run_id = await d.begun(input=1)
    await d.sql("DELETE FROM job_queue WHERE stage_id = 'one'")
    await d.drain()
    assert await d.statuses(run_id) == {"one": "PENDING", "two": "COMPLETED"}
    d.clock.advance(LONG)
    assert await reap_stuck(d) == (1, 0)
    d.clock.advance(LONG)
    assert await reap_stuck(d) == (0, 0)
    await d.drain()
    assert (await d.run(run_id)).output == {"one": 1, "two": 1}


@pytest.mark.parametrize("command", [ReapStuckRuns(stuck_threshold=LONG), None], ids=["reaper", "transition"])
async def test_b114_a_run_whose_stages_are_all_done_is_moved_on(drive: Drive, path: Path, command: Any) -> None:
    d = drive(flow(step("one", Acts("out"))), path=path)
    run_id = await d.begun()
    await d.take_one()
    await d.sql("""UPDATE workflow_stages SET status = 'COMPLETED', output = '"out"'""")
    await d.sql("DELETE FROM job_queue")
    d.clock.advance(LONG)
    await d.dispatch(command or TransitionRun(run_id=run_id))
    run = await d.run(run_id)
    assert (run.status, run.output) == ("COMPLETED", "out")


async def test_b146_two_reapers_at_once_fail_it_once(drive: Drive, path: Path) -> None:
    d = drive(flow(step("one")), path=path)
    run_id = await d.begun()
    await d.take_one()
    await d.sql("DELETE FROM job_queue")
    d.clock.advance(LONG)
    assert sorted(await asyncio.gather(*(reap_stuck(d) for _ in range(4)))) == [(0, 0)] * 3 + [(0, 1)]
    assert (await d.types(run_id)).count("workflow:failed") == 1


async def test_b147_what_moved_lately_is_left_alone(drive: Drive, path: Path) -> None:
    d = drive(flow(step("one")), path=path)
    run_id = await d.begun()
    await d.take_one()
    await d.sql("DELETE FROM job_queue")
    d.clock.advance(LONG - timedelta(microseconds=1))
    assert await reap_stuck(d) == (0, 0)
    assert (await d.run(run_id)).status == "RUNNING"


async def test_b148_only_running_runs_are_looked_at(drive: Drive) -> None:
    d = drive(flow(step("one")))
    done = (await d.through()).id
    pending, cancelled = await d.create(), await d.create()
    await d.cancel(cancelled)
    d.clock.advance(timedelta(days=9))
    assert await reap_stuck(d) == (0, 0)
    statuses = [(await d.run(run_id)).status for run_id in (done, pending, cancelled)]
    assert statuses == ["COMPLETED", "PENDING", "CANCELLED"]


async def test_a_tick_does_it_all_in_turn(drive: Drive) -> None:
    d = drive(flow(step("one")))
    run_id = await d.create()
    tick = await d.host.run_maintenance_tick()
    assert (tick.claimed, tick.events_flushed) == (1, 2)
    await d.crash()
    tick = await d.host.run_maintenance_tick()
    assert (tick.stale_released, tick.stuck_reaped) == (1, 0)
    await d.drain()
    assert (await d.run(run_id)).status == "COMPLETED"


async def test_b150_one_step_that_fails_stops_none_of_the_others(drive: Drive, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(command: Any, scene: Any) -> None:
        raise RuntimeError("claiming is broken")

    d = drive(flow(step("one")))
    await d.begun()
    await d.crash()
    monkeypatch.setitem(kernel_module.HANDLERS, "run.claimPending", broken)
    tick = await d.host.run_maintenance_tick()
    assert (tick.claimed, tick.stale_released) == (0, 1)
    assert tick.events_flushed > 0
