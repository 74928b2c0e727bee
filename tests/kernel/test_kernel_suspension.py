"""Suspended stages: what waits outside, who asks, and what an answer does."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from kernel_driver import Drive
from kernel_workflows import MINUTE, SUBMITTED, Acts, batch, flow, step
from pydantic import BaseModel

from engine import Completion, NonRetryable, Suspend, TransitionRun
from engine.kernel.procedures import stage_poll_suspended

HOUR = timedelta(hours=1)


class Count(BaseModel):
    n: int


def waiting(*answers: Any) -> Acts:
    return Acts(*answers, Completion.waiting())


async def test_b078_d15_a_suspended_stage_waits_and_its_run_goes_on_running(drive: Drive) -> None:
    d = drive(flow(batch("ask")))
    run_id = await d.begun()
    result = await d.execute(run_id, "ask")
    due = d.clock.now() + MINUTE
    assert (result.outcome, result.next_poll_at, result.ghost) == ("suspended", due, False)
    run = await d.run(run_id)
    stage = run.stages[0]
    assert (run.status, run.waiting, stage.status) == ("RUNNING", True, "SUSPENDED")
    assert (stage.next_poll_at, stage.max_wait_until, stage.polls) == (due, d.clock.now() + HOUR, 0)
    assert (await d.types(run_id))[-2:] == ["stage:suspended", "workflow:suspended"]


async def test_b079_without_a_word_it_is_asked_every_30_s_for_a_day(drive: Drive) -> None:
    d = drive(flow(batch("ask", submit=Suspend(state=None))))
    await d.through()
    stage = (await d.inspector.run((await d.inspector.runs()).items[0].id)).stages[0]
    assert stage.next_poll_at == d.clock.now() + timedelta(seconds=30)
    assert stage.max_wait_until == d.clock.now() + timedelta(hours=24)


async def test_b080_the_first_poll_may_have_a_time_of_its_own(drive: Drive) -> None:
    check = waiting()
    d = drive(flow(batch("ask", check, lambda ctx: Suspend(state={}, poll_every=MINUTE, first_poll_at=later))))
    later = d.clock.now() + 5 * MINUTE
    run = await d.through()
    assert run.stages[0].next_poll_at == later


async def test_b081_b097_nobody_asks_before_the_time(drive: Drive) -> None:
    check = waiting()
    d = drive(flow(batch("ask", check)))
    await d.through()
    d.clock.advance(MINUTE - timedelta(microseconds=1))
    polled = await d.poll()
    assert (polled.checked, polled.resumed, polled.failed, polled.resumed_run_ids) == (0, 0, 0, [])
    d.clock.advance(timedelta(microseconds=1))
    assert (await d.poll()).checked == check.calls == 1


@pytest.mark.parametrize("plain", [False, True], ids=["async", "plain"])
async def test_b082_b099_ready_completes_the_stage_and_moves_the_run_on(drive: Drive, plain: bool) -> None:
    check = Acts(lambda state, ctx: Completion.ready({"state": state, "again": ctx.resume_state}))
    last = Acts(lambda ctx: ctx.input)
    d = drive(flow(batch("ask", check, plain_check=plain), batch("more", Acts(Completion.ready(1))), step("end", last)))
    run_id = (await d.through()).id
    d.clock.advance(MINUTE)
    polled = await d.poll()
    assert (polled.checked, polled.resumed, polled.failed, polled.resumed_run_ids) == (1, 1, 0, [run_id])
    stage = await d.stage(run_id, "ask")
    assert (stage.status, stage.next_poll_at, stage.polls) == ("COMPLETED", None, 1)
    assert stage.output == {"state": {"batch": "b-1"}, "again": {"batch": "b-1"}}
    assert (await d.stage(run_id, "more")).status == "PENDING"
    await d.drain()
    d.clock.advance(MINUTE)
    await d.poll()
    await d.drain()
    run = await d.run(run_id)
    assert (run.status, run.output, run.waiting) == ("COMPLETED", 1, False)
    assert (await d.types(run_id)).count("stage:completed") == 3


async def test_b082_two_stages_of_one_run_are_one_resumed_run(drive: Drive) -> None:
    ready = Acts(Completion.ready("out"))
    d = drive(flow([batch("a", ready), batch("b", ready)]))
    run_id = await d.begun()
    await d.drain()
    d.clock.advance(MINUTE)
    polled = await d.poll()
    assert (polled.resumed, polled.resumed_run_ids) == (2, [run_id])
    assert (await d.run(run_id)).output == {"a": "out", "b": "out"}


async def test_d06_the_body_is_not_called_again_by_an_answer(drive: Drive) -> None:
    submit = Acts(SUBMITTED)
    d = drive(flow(batch("ask", Acts(Completion.ready("out")), submit)))
    run_id = (await d.through()).id
    d.clock.advance(MINUTE)
    await d.poll()
    assert ((await d.run(run_id)).output, submit.calls) == ("out", 1)


@pytest.mark.parametrize("output", [None, {"n": "many"}, "text"])
async def test_b083_b084_an_answer_the_schema_refuses_fails_the_stage(drive: Drive, output: Any) -> None:
    d = drive(flow(batch("ask", Acts(Completion.ready(output)), output=Count), step("end")))
    run_id = (await d.through()).id
    d.clock.advance(MINUTE)
    polled = await d.poll()
    run = await d.run(run_id)
    assert (polled.failed, polled.resumed_run_ids, run.status, run.error_code) == (1, [], "FAILED", "INVALID_OUTPUT")
    assert run.stages[0].output is None


async def test_b085_b086_not_yet_asks_again_and_keeps_the_state(drive: Drive) -> None:
    check = waiting(Completion.waiting(timedelta(seconds=5)), Completion.waiting())
    d = drive(flow(batch("ask", check)))
    run_id = (await d.through()).id
    states = []
    for pause in (timedelta(seconds=5), MINUTE, MINUTE):
        stage = await d.stage(run_id, "ask")
        assert stage.next_poll_at is not None
        d.clock.set(stage.next_poll_at)
        assert (await d.poll()).checked == 1
        after = await d.stage(run_id, "ask")
        assert (after.next_poll_at, after.last_poll_at) == (d.clock.now() + pause, d.clock.now())
        states.append(check.seen[-1].resume_state)
    assert states == [{"batch": "b-1"}] * 3
    assert (await d.types(run_id)).count("stage:suspended") == 1


async def test_b087_a_given_up_batch_fails_stage_and_run_at_once(drive: Drive) -> None:
    d = drive(flow(batch("ask", Acts(Completion.failed("expired"))), step("end")))
    run_id = (await d.through()).id
    d.clock.advance(MINUTE)
    polled = await d.poll()
    run = await d.run(run_id)
    assert (polled.failed, run.status, run.error, run.stages[0].error) == (1, "FAILED", "expired", "expired")
    events = await d.events(run_id)
    assert [event.type for event in events[-2:]] == ["stage:failed", "workflow:failed"]
    assert len({event.causation_id for event in events[-2:]}) == 1


async def test_d06_a_broken_check_is_asked_again_with_backoff_five_times_in_a_row(drive: Drive) -> None:
    check = Acts(ConnectionError("down"))
    d = drive(flow(batch("ask", check, Suspend(state={}, poll_every=MINUTE, max_wait=timedelta(days=9)))))
    run_id = (await d.through()).id
    for errors in range(1, 6):
        stage = await d.stage(run_id, "ask")
        assert (stage.status, stage.polls) == ("SUSPENDED", errors - 1)
        assert stage.next_poll_at is not None
        d.clock.set(stage.next_poll_at)
        await d.poll()
    run = await d.run(run_id)
    assert (run.status, run.error_code, check.calls) == ("FAILED", "POLL_FAILED", 5)
    assert run.error == "POLL_FAILED: check_completion failed 5 times in a row: ConnectionError: down"


async def test_d06_an_answer_between_errors_starts_the_count_afresh(drive: Drive) -> None:
    down = ConnectionError("down")
    check = Acts(down, down, down, down, Completion.waiting(), down, down, down, down, Completion.ready("out"))
    d = drive(flow(batch("ask", check, Suspend(state={}, poll_every=MINUTE, max_wait=timedelta(days=9)))))
    run_id = (await d.through()).id
    for _ in range(10):
        stage = await d.stage(run_id, "ask")
        assert stage.next_poll_at is not None
        d.clock.set(stage.next_poll_at)
        await d.poll()
    run = await d.run(run_id)
    assert (run.status, run.output, run.stages[0].error) == ("COMPLETED", "out", None)


async def test_a_check_that_can_not_be_helped_fails_at_once(drive: Drive) -> None:
    check = Acts(NonRetryable("wrong account"))
    d = drive(flow(batch("ask", check)))
    run_id = (await d.through()).id
    d.clock.advance(MINUTE)
    await d.poll()
    assert ((await d.run(run_id)).error, check.calls) == ("wrong account", 1)


async def test_a_check_that_answers_nonsense_fails_the_stage(drive: Drive) -> None:
    d = drive(flow(batch("ask", Acts("done"))))
    run_id = (await d.through()).id
    d.clock.advance(MINUTE)
    await d.poll()
    assert (await d.run(run_id)).error == "check_completion answered str, not a Completion"


async def test_b088_what_a_broken_check_said_is_kept(drive: Drive) -> None:
    def check(state: Any, ctx: Any) -> Any:
        ctx.annotate("asked", True)
        ctx.log("WARN", "no answer")
        raise ConnectionError("down")

    d = drive(flow(batch("ask", check)))
    run_id = (await d.through()).id
    d.clock.advance(MINUTE)
    await d.poll()
    assert [note.key for note in await d.notes(run_id)] == ["asked"]
    assert [line.message for line in (await d.inspector.logs(run_id)).items] == ["no answer"]


@pytest.mark.parametrize(
    "answer",
    [Completion.waiting(), ConnectionError("down"), Completion.failed("expired"), Completion.waiting(MINUTE)],
    ids=["waiting", "broken", "failed", "later"],
)
async def test_b089_past_the_deadline_it_fails_by_the_deadline(drive: Drive, answer: Any) -> None:
    d = drive(flow(batch("ask", Acts(answer))))
    run_id = (await d.through()).id
    stage = await d.stage(run_id, "ask")
    assert stage.max_wait_until is not None
    d.clock.set(stage.max_wait_until)
    assert (await d.poll()).failed == 1
    run = await d.run(run_id)
    assert (run.status, run.error_code) == ("FAILED", "MAX_WAIT")
    assert run.error is not None
    assert "max_wait_until 2025-01-01T01:00:00Z" in run.error


async def test_b090_before_the_deadline_it_is_asked_again(drive: Drive) -> None:
    d = drive(flow(batch("ask", waiting())))
    run_id = (await d.through()).id
    d.clock.advance(HOUR - timedelta(microseconds=1))
    await d.poll()
    assert (await d.stage(run_id, "ask")).status == "SUSPENDED"


async def test_b091_ready_past_the_deadline_still_completes(drive: Drive) -> None:
    d = drive(flow(batch("ask", Acts(Completion.ready("late")))))
    run_id = (await d.through()).id
    d.clock.advance(timedelta(days=3))
    await d.poll()
    assert (await d.run(run_id)).output == "late"


async def test_b092_others_write_while_a_check_is_under_way(drive: Drive) -> None:
    asked, answer = asyncio.Event(), asyncio.Event()

    async def check(state: Any, ctx: Any) -> Any:
        asked.set()
        await answer.wait()
        return Completion.ready("out")

    d = drive(flow(batch("ask", check)), flow(step("one"), id="other"))
    run_id = (await d.through()).id
    d.clock.advance(MINUTE)
    polling = asyncio.create_task(d.poll())
    await asked.wait()
    assert (await d.through("other")).status == "COMPLETED"
    answer.set()
    assert (await polling).resumed_run_ids == [run_id]


async def test_b093_a_cancelled_run_is_not_asked_about(drive: Drive) -> None:
    check = waiting()
    d = drive(flow(batch("ask", check)))
    run_id = (await d.through()).id
    await d.cancel(run_id)
    d.clock.advance(MINUTE)
    assert (await d.poll()).checked == check.calls == 0
    stage = await d.stage(run_id, "ask")
    assert (stage.status, stage.next_poll_at) == ("CANCELLED", None)


@pytest.mark.parametrize(
    "answer", [Completion.ready("late"), Completion.failed("no"), Completion.waiting(), ConnectionError("down")]
)
async def test_b094_a_cancel_during_the_check_wins(drive: Drive, answer: Any) -> None:
    async def check(state: Any, ctx: Any) -> Any:
        ctx.annotate("asked", True)
        assert await d.cancel(ctx.run_id)
        if isinstance(answer, Exception):
            raise answer
        return answer

    d = drive(flow(batch("ask", check), step("end")))
    run_id = (await d.through()).id
    d.clock.advance(MINUTE)
    polled = await d.poll()
    assert (polled.checked, polled.resumed, polled.failed) == (1, 0, 0)
    run = await d.run(run_id)
    assert (run.status, await d.statuses(run_id)) == ("CANCELLED", {"ask": "CANCELLED"})
    assert (await d.types(run_id))[-1] == "workflow:cancelled"
    assert await d.notes(run_id) == []


async def test_b095_one_poller_at_a_time(drive: Drive) -> None:
    asked, answer = asyncio.Event(), asyncio.Event()

    async def check(state: Any, ctx: Any) -> Any:
        calls.append(ctx)
        asked.set()
        await answer.wait()
        return Completion.ready("out")

    calls: list[Any] = []
    d = drive(flow(batch("ask", check)))
    run_id = (await d.through()).id
    d.clock.advance(MINUTE)
    first = asyncio.create_task(d.poll())
    await asked.wait()
    assert (await d.poll()).checked == 0
    answer.set()
    assert ((await first).resumed, len(calls)) == (1, 1)
    assert (await d.types(run_id)).count("stage:completed") == 1


async def test_b095_a_poller_whose_lease_ended_is_too_late(drive: Drive) -> None:
    """Its successor asked meanwhile: the first answer is dropped, whatever it is."""
    asked, answer = asyncio.Event(), asyncio.Event()

    async def slow(state: Any, ctx: Any) -> Any:
        ctx.annotate("asked", "first")
        asked.set()
        await answer.wait()
        return Completion.ready("first")

    check = Acts(slow, Completion.ready("second"))
    d = drive(flow(batch("ask", check)))
    run_id = (await d.through()).id
    d.clock.advance(MINUTE)
    late = asyncio.create_task(d.poll())
    await asked.wait()
    d.clock.advance(stage_poll_suspended.POLL_LEASE)
    assert (await d.poll()).resumed == 1
    answer.set()
    assert (await late).resumed == 0
    assert (await d.run(run_id)).output == "second"
    assert (await d.types(run_id)).count("stage:completed") == 1
    assert await d.notes(run_id) == []


async def test_b095_a_late_answer_does_not_overrule_not_yet(drive: Drive) -> None:
    asked, answer = asyncio.Event(), asyncio.Event()

    async def slow(state: Any, ctx: Any) -> Any:
        asked.set()
        await answer.wait()
        return Completion.failed("stale")

    d = drive(flow(batch("ask", waiting(slow))))
    run_id = (await d.through()).id
    d.clock.advance(MINUTE)
    late = asyncio.create_task(d.poll())
    await asked.wait()
    d.clock.advance(stage_poll_suspended.POLL_LEASE)
    await d.poll()
    before = await d.run(run_id)
    answer.set()
    assert (await late).failed == 0
    assert await d.run(run_id) == before
    assert before.stages[0].polls == 1


async def test_b096_no_more_checks_than_asked_for(drive: Drive) -> None:
    check = waiting()
    d = drive(flow(batch("ask", check)))
    for _ in range(25):
        await d.create()
    await d.drain()
    d.clock.advance(MINUTE)
    assert [(await d.poll(max_checks=10)).checked for _ in range(4)] == [10, 10, 5, 0]
    assert check.calls == 25


async def test_b098_a_sibling_that_is_done_waits_for_the_suspended_one(drive: Drive) -> None:
    d = drive(flow([batch("ask", Acts(Completion.ready(2))), step("one", Acts(1))], step("end")))
    run_id = await d.begun()
    await d.drain()
    assert (await d.dispatch(TransitionRun(run_id=run_id))).action == "noop"
    assert await d.statuses(run_id) == {"ask": "SUSPENDED", "one": "COMPLETED"}
    d.clock.advance(MINUTE)
    await d.poll()
    await d.drain()
    assert (await d.run(run_id)).output == {"ask": 2, "one": 1}
