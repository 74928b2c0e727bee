"""Deferred and recurring commands: due rows, fired once whoever looks, on a clock that a test moves."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from kernel_driver import Drive, Driver
from kernel_workflows import MINUTE, Acts, batch, flow, step

from engine import CancelRun, Completion, CreateRun, ExecuteJob, InvalidInput
from engine.inspector import ScheduleView

HOUR = timedelta(hours=1)


def create(key: str = "k", **fields: Any) -> CreateRun:
    return CreateRun(idempotency_key=key, workflow_id="flow", **fields)


async def tick(d: Driver) -> int:
    return (await d.host.run_maintenance_tick()).schedules_fired


async def the_one(d: Driver) -> ScheduleView:
    (found,) = await d.inspector.schedules()
    return found


async def test_a_command_put_off_is_carried_out_at_its_time_and_once(drive: Drive) -> None:
    d = drive(flow(step("one")))
    at = d.clock.now() + HOUR
    schedule_id = await d.kernel.scheduler.schedule(create(input=7), at)
    assert (await tick(d), await d.count_runs()) == (0, 0)
    work = d.kernel.persistence.transact
    assert await work(lambda one: one.next_upkeep_due(["flow"], events=False)) == at
    d.clock.advance(HOUR)
    assert (await tick(d), await tick(d), await d.count_runs()) == (1, 0, 1)
    found = await the_one(d)
    assert (found.id, found.command, found.workflow_id, found.due_at, found.fired, found.last_fired_at) == (
        schedule_id,
        "run.create",
        "flow",
        None,
        1,
        at,
    )
    await d.drain()
    assert (await d.run((await d.inspector.runs()).items[0].id)).output == 7


async def test_any_command_of_one_transaction_can_be_put_off(drive: Drive) -> None:
    d = drive(flow(batch("ask")))
    run_id = (await d.through()).id
    await d.kernel.scheduler.schedule({"type": "run.cancel", "run_id": run_id, "reason": "too long"}, d.clock.now())
    assert await tick(d) == 1
    assert (await d.run(run_id)).status == "CANCELLED"
    (row,) = (await d.inspector.audit(run_id)).items
    assert (row.actor, row.reason) == (d.kernel.actor, "too long")


@pytest.mark.parametrize(
    "command",
    [
        ExecuteJob(run_id="r", workflow_id="w", stage_id="s"),
        {"type": "outbox.flush"},
        {"type": "no.such"},
        {"type": "run.cancel"},
    ],
)
async def test_what_can_not_be_put_off_is_refused_at_once(drive: Drive, command: Any) -> None:
    d = drive(flow(step("one")))
    with pytest.raises(InvalidInput):
        await d.kernel.scheduler.schedule(command, d.clock.now())
    with pytest.raises(InvalidInput, match="zone"):
        await d.kernel.scheduler.schedule(create(), datetime(2030, 1, 1))  # noqa: DTZ001
    assert await d.inspector.schedules() == []


async def test_a_cancelled_one_does_not_fire(drive: Drive) -> None:
    d = drive(flow(step("one")))
    schedule_id = await d.kernel.scheduler.schedule(create(), d.clock.now() + HOUR)
    assert await d.kernel.scheduler.cancel(schedule_id)
    assert not await d.kernel.scheduler.cancel(schedule_id)
    assert not await d.kernel.scheduler.cancel("nothing")
    d.clock.advance(2 * HOUR)
    assert (await tick(d), await d.count_runs()) == (0, 0)


async def test_one_that_fails_says_why_and_keeps_nobody_up(drive: Drive) -> None:
    d = drive(flow(step("one")))
    await d.kernel.scheduler.schedule({"type": "run.rerunFrom", "run_id": "x", "from_stage_id": "y"}, d.clock.now())
    await d.kernel.scheduler.schedule(create(), d.clock.now() + MINUTE)
    assert await tick(d) == 1
    failed = next(one for one in await d.inspector.schedules() if one.due_at is None)
    assert (failed.last_error, failed.fired) == ("no run 'x'", 1)
    d.clock.advance(MINUTE)
    assert (await tick(d), await d.count_runs()) == (1, 1)


async def test_a_recurring_one_fires_at_each_moment_and_makes_up_for_missed_ones_once(drive: Drive) -> None:
    d = drive(flow(step("one")))
    first = await d.kernel.scheduler.schedule_cron("nightly", "*/10 * * * *", create())
    assert first is not None
    assert await d.kernel.scheduler.schedule_cron("nightly", "*/10 * * * *", create()) == first
    d.clock.advance(first - d.clock.now())
    assert await tick(d) == 1
    d.clock.advance(timedelta(minutes=10))
    assert await tick(d) == 1
    d.clock.advance(timedelta(days=3))
    assert (await tick(d), await tick(d)) == (1, 0)
    keys = {run.idempotency_key for run in (await d.inspector.runs()).items}
    assert keys == {
        f"nightly@{first.isoformat()}",
        f"nightly@{(first + timedelta(minutes=10)).isoformat()}",
        f"nightly@{(first + timedelta(minutes=20)).isoformat()}",
    }
    found = await the_one(d)
    assert found.due_at is not None
    assert d.clock.now() < found.due_at <= d.clock.now() + timedelta(minutes=10)
    assert found.fired == 3
    changed = await d.kernel.scheduler.schedule_cron("nightly", "0 0 * * *", create(), zone="Asia/Kathmandu")
    assert changed is not None
    assert (changed.hour, changed.minute) == (18, 15)


async def test_a_recurring_one_goes_on_after_an_error(drive: Drive) -> None:
    d = drive(flow(step("one")))
    await d.kernel.scheduler.schedule_cron("c", "0 * * * *", {"type": "run.cancel", "run_id": "x"})
    await d.kernel.scheduler.schedule_cron("r", "0 * * * *", {"type": "run.retryFailed", "run_id": "x"})
    d.clock.advance(HOUR)
    assert await tick(d) == 2
    errors = {one.id: (one.last_error, one.due_at is None) for one in await d.inspector.schedules()}
    assert errors == {"c": (None, False), "r": ("no run 'x'", False)}


@pytest.mark.parametrize(
    ("cron", "zone"), [("nonsense", "UTC"), ("0 0 30 2 *", "UTC"), ("99 * * * *", "UTC"), ("0 0 * * *", "Mars/Base")]
)
async def test_an_impossible_moment_is_refused(drive: Drive, cron: str, zone: str) -> None:
    d = drive(flow(step("one")))
    with pytest.raises(InvalidInput):
        await d.kernel.scheduler.schedule_cron("c", cron, create(), zone=zone)


async def test_many_that_look_at_once_fire_each_once(drive: Drive, tmp_path: Path) -> None:
    drivers = [drive(flow(step("one")), path=tmp_path / "runs.db")]
    drivers += [drive(flow(step("one")), path=tmp_path / "runs.db", clock=drivers[0].clock) for _ in range(3)]
    one = drivers[0]
    for number in range(60):
        await one.kernel.scheduler.schedule(CancelRun(run_id=f"r{number}"), one.clock.now())
    fired = await asyncio.gather(*(d.kernel.scheduler.fire_due() for d in drivers))
    assert sum(fired) == 60
    assert {schedule.fired for schedule in await one.inspector.schedules()} == {1}


async def test_whatever_waits_waits_in_the_database(drive: Drive, tmp_path: Path) -> None:
    """A start put off, a backoff, a poll and a schedule outlive the process that made them."""
    path = tmp_path / "runs.db"
    body, check = Acts(OSError("busy"), "done"), Acts(Completion.ready("ready"))
    workflows = flow(step("one", body), id="retry"), flow(batch("ask", check), id="wait"), flow(step("one"))
    before = drive(*workflows, path=path)
    retried, waiting = (await before.through("retry")).id, (await before.through("wait")).id
    later = await before.create(start_at=before.clock.now() + MINUTE)
    await before.kernel.scheduler.schedule(create("scheduled"), before.clock.now() + MINUTE)
    await before.close()
    after = drive(*workflows, path=path, clock=before.clock)
    after.clock.advance(2 * MINUTE)
    await after.host.run_maintenance_tick()
    await after.drain()
    await after.host.run_maintenance_tick()
    await after.drain()
    assert {(await after.run(run_id)).status for run_id in (retried, waiting, later)} == {"COMPLETED"}
    assert await after.count_runs() == 4


def test_daylight_saving_is_minded() -> None:
    from engine.kernel.rules.cron import next_firing

    spring = datetime(2026, 3, 28, 12, tzinfo=UTC)
    first = next_firing("30 2 * * *", "Europe/Berlin", spring)
    assert first is not None
    assert first == datetime(2026, 3, 29, 1, 0, tzinfo=UTC), "2:30 does not exist that night: it fires at 3:00"
