"""A paused workflow: nothing new of it is claimed or polled; what executes ends."""

from __future__ import annotations

import pytest
from kernel_driver import LEASE, Drive, Driver
from kernel_workflows import MINUTE, Acts, batch, flow, step

from engine import Completion, PauseWorkflow, ResumeWorkflow, WorkflowNotFound


async def pause(d: Driver, workflow_id: str = "flow", reason: str | None = "the provider is down") -> bool:
    return (await d.kernel.dispatch(PauseWorkflow(workflow_id=workflow_id, reason=reason), actor="ann")).paused


async def resume(d: Driver, workflow_id: str = "flow") -> bool:
    return (await d.dispatch(ResumeWorkflow(workflow_id=workflow_id))).paused


async def test_d21_no_run_of_it_begins_until_it_is_resumed(drive: Drive) -> None:
    d = drive(flow(step("one")), flow(step("one"), id="other"))
    run_id, other = await d.create(), await d.create("other")
    assert await pause(d)
    assert await d.begin() == [other]
    assert [claimed.job.run_id for claimed in await d.take(free=5)] == [other]
    assert (await d.run(run_id)).status == "PENDING"
    assert not await resume(d)
    assert await d.drain() == 1
    assert (await d.run(run_id)).status == "COMPLETED"


async def test_d21_what_executes_ends_and_the_next_stage_waits(drive: Drive) -> None:
    d = drive(flow(step("one"), step("two")))
    run_id = await d.begun()
    claimed = await d.take_one()
    await pause(d)
    delivery = await d.carry_out(claimed)
    turn = await d.kernel.turn([delivery], d.kernel.taker("w", LEASE), 4)
    assert [one.verdict for one in turn.settled] == ["completed"]
    assert turn.claimed == [], "not even handed on"
    assert await d.statuses(run_id) == {"one": "COMPLETED", "two": "PENDING"}
    assert await d.drain() == 0
    result = await d.execute(run_id, "two")
    assert (result.outcome, result.ghost) == ("failed", True)
    await resume(d)
    assert await d.drain() == 1
    assert (await d.run(run_id)).status == "COMPLETED"


async def test_d21_nothing_of_it_is_polled(drive: Drive) -> None:
    check = Acts(Completion.ready("done"))
    d = drive(flow(batch("ask", check)))
    run_id = (await d.through()).id
    await pause(d)
    d.clock.advance(MINUTE)
    assert (await d.poll()).checked == 0
    work = d.kernel.persistence.transact
    assert await work(lambda one: one.next_upkeep_due(["flow"], events=False)) is None, "no reason to wake up"
    await resume(d)
    assert (await d.poll()).resumed == 1
    assert (await d.run(run_id)).status == "COMPLETED"


async def test_d21_who_paused_it_when_and_why_is_said(drive: Drive) -> None:
    d = drive(flow(step("one")))
    run_id = await d.create()
    await pause(d)
    d.clock.advance(MINUTE)
    found = await d.inspector.explain(run_id)
    assert (found.code, found.since) == ("paused", d.clock.now() - MINUTE)
    assert found.facts == {"workflow_id": "flow", "actor": "ann", "reason": "the provider is down"}
    assert found.summary.startswith("ann paused flow 1m")
    assert found.next[0].cli == "wfconsole resume flow"
    assert [one.paused for one in await d.inspector.workflows()] == [True]


async def test_pausing_twice_and_resuming_what_goes(drive: Drive) -> None:
    d = drive(flow(step("one")))
    assert not await resume(d)
    assert await pause(d, reason="first")
    paused_at = d.clock.now()
    d.clock.advance(MINUTE)
    assert await pause(d, reason="second")
    await d.create()
    found = await d.inspector.explain((await d.inspector.runs()).items[0].id)
    assert (found.since, found.facts["reason"]) == (paused_at, "second")
    with pytest.raises(WorkflowNotFound):
        await pause(d, "nowhere")


async def test_a_workflow_only_the_store_knows_can_be_paused(drive: Drive, tmp_path: object) -> None:
    from pathlib import Path

    path = Path(str(tmp_path)) / "runs.db"
    with_it = drive(flow(step("one")), path=path)
    await with_it.create()
    without = drive(path=path, clock=with_it.clock)
    assert await pause(without)
    assert await with_it.begin() == []
