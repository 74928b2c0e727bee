"""What an operator does to stages that wait: poll now, give up."""

from __future__ import annotations

from datetime import timedelta

import pytest
from kernel_driver import Drive
from kernel_workflows import MINUTE, Acts, batch, flow, step

from engine import Completion, FailStage, IllegalTransition, PollNow, RunNotFound, StageNotFound


async def test_d06_poll_now_makes_a_wait_due(drive: Drive) -> None:
    check = Acts(Completion.ready("done"))
    d = drive(flow(batch("ask", check), step("after")))
    run_id = (await d.through()).id
    assert (await d.poll()).checked == 0
    assert (await d.dispatch(PollNow(run_id=run_id))).stages == ["ask"]
    assert (await d.dispatch(PollNow(run_id=run_id))).stages == [], "it is due already"
    assert (await d.poll()).resumed == 1
    await d.drain()
    assert (await d.run(run_id)).output == "done"


async def test_poll_now_skips_a_backoff(drive: Drive) -> None:
    body = Acts(OSError("busy"), "done")
    d = drive(flow([step("one", body), step("two")]))
    run_id = (await d.through()).id
    assert (await d.stage(run_id, "one")).retry_at is not None
    assert (await d.dispatch(PollNow(run_id=run_id, stage_id="one"))).stages == ["one"]
    assert (await d.stage(run_id, "one")).retry_at is None
    await d.drain()
    run = await d.run(run_id)
    assert (run.status, run.output["one"], body.calls) == ("COMPLETED", "done", 2)


async def test_poll_now_of_one_stage_leaves_its_siblings(drive: Drive) -> None:
    d = drive(flow([batch("one"), batch("two")]))
    run_id = (await d.through()).id
    assert (await d.dispatch(PollNow(run_id=run_id, stage_id="two"))).stages == ["two"]
    assert (await d.stage(run_id, "two")).next_poll_at == d.clock.now()
    assert (await d.stage(run_id, "one")).next_poll_at == d.clock.now() + MINUTE


async def test_poll_now_where_there_is_nothing_to_poll(drive: Drive) -> None:
    d = drive(flow(step("one"), batch("ask")))
    with pytest.raises(RunNotFound):
        await d.dispatch(PollNow(run_id="0" * 20))
    run_id = await d.begun()
    assert (await d.dispatch(PollNow(run_id=run_id))).stages == []
    with pytest.raises(StageNotFound):
        await d.dispatch(PollNow(run_id=run_id, stage_id="nowhere"))
    await d.cancel(run_id)
    with pytest.raises(IllegalTransition):
        await d.dispatch(PollNow(run_id=run_id))


async def test_d06_a_wait_can_be_given_up(drive: Drive) -> None:
    d = drive(flow([batch("ask"), step("two")], step("end")))
    run_id = (await d.through()).id
    command = FailStage(run_id=run_id, stage_id="ask", reason="the provider lost it")
    assert (await d.dispatch(command)).failed
    run = await d.run(run_id)
    assert (run.status, run.error, run.error_code) == ("FAILED", "GIVEN_UP: the provider lost it", "GIVEN_UP")
    assert await d.statuses(run_id) == {"ask": "FAILED", "two": "COMPLETED"}
    assert (await d.types(run_id))[-2:] == ["stage:failed", "workflow:failed"]
    assert not (await d.dispatch(command)).failed, "it failed already"
    d.clock.advance(timedelta(hours=2))
    assert (await d.poll()).checked == 0


async def test_d10_siblings_of_one_given_up_still_finish(drive: Drive) -> None:
    d = drive(flow([batch("ask"), batch("other", Acts(Completion.ready(2)))]))
    run_id = (await d.through()).id
    await d.dispatch(FailStage(run_id=run_id, stage_id="ask", reason="no more"))
    assert (await d.run(run_id)).status == "RUNNING"
    d.clock.advance(MINUTE)
    await d.poll()
    run = await d.run(run_id)
    assert (run.status, run.error_code, await d.statuses(run_id)) == (
        "FAILED",
        "GIVEN_UP",
        {"ask": "FAILED", "other": "COMPLETED"},
    )


async def test_a_backoff_can_be_given_up(drive: Drive) -> None:
    body = Acts(OSError("busy"))
    d = drive(flow(step("one", body)))
    run_id = (await d.through()).id
    assert (await d.dispatch(FailStage(run_id=run_id, stage_id="one", reason="enough"))).failed
    d.clock.advance(timedelta(minutes=5))
    assert await d.drain() == 0
    assert ((await d.run(run_id)).status, body.calls) == ("FAILED", 1)


async def test_an_answer_that_comes_after_the_giving_up_is_dropped(drive: Drive) -> None:
    async def give_up(state: object, ctx: object) -> Completion[str]:
        await d.dispatch(FailStage(run_id=run_id, stage_id="ask", reason="meanwhile"))
        return Completion.ready("late")

    d = drive(flow(batch("ask", give_up)))
    run_id = (await d.through()).id
    d.clock.advance(MINUTE)
    assert (await d.poll()).resumed == 0
    run = await d.run(run_id)
    assert (run.status, run.error_code, run.stages[0].output) == ("FAILED", "GIVEN_UP", None)


async def test_what_executes_or_is_over_can_not_be_given_up(drive: Drive) -> None:
    d = drive(flow(step("one"), step("two")))
    run_id = await d.begun()
    claimed = await d.take_one()
    with pytest.raises(IllegalTransition, match="RUNNING"):
        await d.dispatch(FailStage(run_id=run_id, stage_id="one", reason="x"))
    with pytest.raises(StageNotFound):
        await d.dispatch(FailStage(run_id=run_id, stage_id="two", reason="not reached"))
    await d.settle(await d.carry_out(claimed))
    with pytest.raises(IllegalTransition):
        await d.dispatch(FailStage(run_id=run_id, stage_id="one", reason="x"))
