"""The checker: silent on every sound database, and each rule speaks of its own defect."""

from __future__ import annotations

from typing import Any

import pytest
from kernel_driver import Drive, Driver
from kernel_workflows import MINUTE, Acts, batch, flow, step

from engine import Completion, RerunFrom, RetryFailed
from engine.inspector.fsck import Finding, check
from engine.stores.sql.fsck import RULES


async def fsck(d: Driver) -> list[Finding]:
    return await check(d.kernel.persistence, d.blobs)


async def busy(drive: Drive) -> Driver:
    """Runs in every state, of every history."""
    fails = Acts(RuntimeError("no"))
    d = drive(
        flow(step("one"), [step("two"), batch("ask", Acts(Completion.ready("x" * 300_000)))], step("end")),
        flow(step("only", fails), id="fails"),
    )
    done = (await d.through()).id
    d.clock.advance(MINUTE)
    await d.poll()
    await d.drain()
    await d.dispatch(RerunFrom(run_id=done, from_stage_id="end"))
    await d.drain()
    failed = (await d.exhaust(await d.begun("fails"))).id
    await d.dispatch(RetryFailed(run_id=failed))
    await d.exhaust(failed)
    await d.cancel(await d.create())
    again = await d.create()
    await d.cancel(again)
    await d.create("fails")
    executing = await d.begun()
    await d.take_one()
    await d.cancel(await d.begun())
    assert (await d.run(executing)).status == "RUNNING"
    return d


async def test_a_sound_database_has_nothing_to_say(drive: Drive) -> None:
    d = await busy(drive)
    assert await fsck(d) == []


DEFECTS: dict[str, tuple[str, ...]] = {
    "a run's money is that of its AI calls": ("UPDATE workflow_runs SET total_tokens = total_tokens + 1",),
    "events are numbered 1..n": ("DELETE FROM outbox_events WHERE sequence = 2",),
    "a run knows its last event": ("UPDATE workflow_runs SET last_sequence = last_sequence + 1",),
    "every life of a run ends once": (
        "UPDATE outbox_events SET type = 'workflow:failed' WHERE type = 'stage:completed'",
    ),
    "the last event tells the end": (
        "UPDATE outbox_events SET type = 'workflow:failed' WHERE type = 'workflow:completed'",
    ),
    "a run that is over has no open stage": (
        "UPDATE workflow_stages SET status = 'PENDING' WHERE stage_id = 'end' AND status = 'COMPLETED'",
    ),
    "a run that is over has no open job": (
        "UPDATE job_queue SET status = 'PENDING' WHERE stage_id = 'end' AND status = 'COMPLETED'",
    ),
    "a run that goes on has an open stage": ("UPDATE workflow_stages SET status = 'FAILED' WHERE status = 'RUNNING'",),
    "a run counts its open stages": ("UPDATE workflow_runs SET open_stages = 7 WHERE status = 'RUNNING'",),
    "a group starts after the one before is complete": (
        "UPDATE workflow_stages SET status = 'FAILED' WHERE stage_id = 'two'",
    ),
    "a completed stage has its output": ("UPDATE workflow_stages SET output = NULL WHERE stage_id = 'two'",),
    "an open stage has one open job": ("DELETE FROM job_queue WHERE status = 'RUNNING'",),
    "an executing job has an executing stage": (
        "UPDATE workflow_stages SET status = 'PENDING' WHERE status = 'RUNNING'",
    ),
    "an executing stage has an executing job": (
        "UPDATE job_queue SET status = 'PENDING', lease_token = NULL WHERE status = 'RUNNING'",
    ),
    "a lease is held while a job executes": ("UPDATE job_queue SET lease_token = NULL WHERE status = 'RUNNING'",),
    "no stage is tried more often than it may": ("UPDATE workflow_stages SET tries = 9 WHERE stage_id = 'two'",),
    "attempts that are over come before the current": ("UPDATE stage_attempts SET attempt = attempt + 50",),
    "every run has its definition": ("DELETE FROM workflow_definitions WHERE workflow_id = 'fails'",),
    "runs are counted right": ("UPDATE run_stats SET count = count + 1 WHERE status = 'COMPLETED'",),
    "no run is counted that isn't there": (
        "INSERT INTO run_stats (workflow_id, status, shard, count) VALUES ('ghost', 'FAILED', 0, 1)",
    ),
}


def test_every_rule_has_its_defect() -> None:
    assert set(DEFECTS) == set(RULES)


@pytest.mark.parametrize("rule", DEFECTS)
async def test_each_defect_is_found(drive: Drive, rule: str) -> None:
    d = await busy(drive)
    for statement in DEFECTS[rule]:
        await d.sql(statement)
    found = {finding.rule: finding for finding in await fsck(d)}
    assert rule in found, found
    assert found[rule].count >= 1
    assert found[rule].examples


async def test_a_blob_that_went_or_was_altered_is_found(drive: Drive) -> None:
    d = await busy(drive)
    keys = [key for key in await d.blobs.list() if key.endswith("output.json")]
    await d.blobs.put(keys[0], b'"other"')
    assert [(one.rule, one.examples) for one in await fsck(d)] == [("no blob was altered", keys[:1])]
    await d.blobs.delete(keys[0])
    found: list[Any] = [(one.rule, one.examples) for one in await fsck(d)]
    assert found == [("every blob that is pointed to is there", keys[:1])]
