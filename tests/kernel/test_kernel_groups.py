"""Groups: what goes from one to the next, and how a run ends."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from kernel_driver import Drive
from kernel_workflows import MINUTE, Acts, batch, flow, step
from pydantic import BaseModel

from engine import Completion, RetryPolicy, StageOutputMissing, TransitionRun

ONCE = RetryPolicy(max_attempts=1)


class Word(BaseModel):
    word: str


async def test_b065_every_stage_of_the_first_group_gets_the_runs_input(drive: Drive) -> None:
    d = drive(flow([step("a"), step("b")]))
    assert (await d.through(input={"n": 1})).output == {"a": {"n": 1}, "b": {"n": 1}}


async def test_b104_several_hand_on_by_stage_id_and_one_alone_hands_on_bare(drive: Drive) -> None:
    d = drive(flow(step("one"), [step("a", Acts(1)), step("b", Acts(2))], [step("alone")], step("end")))
    run = await d.through(input="in")
    inputs = {stage.stage_id: stage.input for stage in run.stages}
    assert inputs == {"one": "in", "a": "in", "b": "in", "alone": {"a": 1, "b": 2}, "end": {"a": 1, "b": 2}}
    assert run.output == {"a": 1, "b": 2}


@pytest.mark.parametrize("value", [None, 0, "", False, [], {}])
async def test_b064_b075_what_looks_empty_is_there_all_the_same(drive: Drive, value: Any) -> None:
    seen: list[Any] = []

    def look(ctx: Any) -> Any:
        seen.extend([ctx.input, ctx.require("one"), ctx.optional("one")])
        return ctx.input

    d = drive(flow(step("one", Acts(value)), step("two", look)))
    run = await d.through(input="in")
    assert (run.status, run.output, seen) == ("COMPLETED", value, [value] * 3)


async def test_b076_a_missing_stage_is_named_with_what_is_there(drive: Drive) -> None:
    def look(ctx: Any) -> Any:
        assert ctx.optional("nowhere") is None
        assert ctx.optional("two") is None
        return ctx.require("nowhere")

    d = drive(flow(step("one"), step("two", look, retry=ONCE)))
    run = await d.through()
    assert run.error == f"StageOutputMissing: {StageOutputMissing('nowhere', ['one'])}"


async def test_require_by_stage_is_typed_and_by_id_is_json(drive: Drive) -> None:
    one = step("one", Acts({"word": "tea"}), output=Word)
    seen: list[Any] = []

    def look(ctx: Any) -> Any:
        seen.extend([ctx.require(one), ctx.require("one"), ctx.optional(one)])
        return 1

    d = drive(flow(one, step("two"), step("three", look)))
    assert (await d.through()).status == "COMPLETED"
    assert seen == [Word(word="tea"), {"word": "tea"}, Word(word="tea")]


async def test_b103_the_last_group_completes_the_run(drive: Drive) -> None:
    d = drive(flow(step("one"), step("two")))
    run_id = await d.begun(input={"n": 1})
    await d.execute(run_id, "one")
    d.clock.advance(timedelta(seconds=90))
    await d.execute(run_id, "two")
    run = await d.run(run_id)
    assert (run.status, run.output, run.duration_ms, run.progress) == ("COMPLETED", {"n": 1}, 90_000, 1.0)
    (told,) = await d.payloads(run_id, "workflow:completed")
    assert (told["output"], told["duration_ms"], told["total_tokens"]) == ({"n": 1}, 90_000, 0)


async def test_the_history_of_a_plain_run(drive: Drive) -> None:
    d = drive(flow(step("one"), [step("a"), step("b")]))
    run_id = (await d.through()).id
    events = await d.events(run_id)
    assert [(event.type, event.payload.get("stage_id")) for event in events] == [
        ("workflow:created", None),
        ("workflow:started", None),
        ("stage:started", "one"),
        ("stage:completed", "one"),
        ("stage:started", "a"),
        ("stage:completed", "a"),
        ("stage:started", "b"),
        ("stage:completed", "b"),
        ("workflow:completed", None),
    ]
    assert [event.sequence for event in events] == list(range(1, 10))


async def test_b109_siblings_that_end_together_open_the_next_group_once(drive: Drive) -> None:
    last = Acts("out")
    d = drive(flow([step(f"s{n}") for n in range(6)], step("end", last)))
    run_id = await d.begun()
    claims = await d.take(free=6)
    ended = [await d.carry_out(claimed) for claimed in claims]
    verdicts = await asyncio.gather(*(d.settle(one) for one in ended))
    assert verdicts == [["completed"]] * 6
    await d.drain()
    assert (last.calls, (await d.run(run_id)).status) == (1, "COMPLETED")


async def test_b109_one_transaction_settles_siblings_of_many_runs(drive: Drive) -> None:
    d = drive(flow([step("a"), step("b")], step("end")))
    ids = [await d.begun(input=n) for n in range(3)]
    ended = [await d.carry_out(claimed) for claimed in await d.take(free=6)]
    assert await d.settle(*ended) == ["completed"] * 6
    await d.drain()
    assert [(await d.run(run_id)).output for run_id in ids] == [{"a": n, "b": n} for n in range(3)]


async def test_d10_a_failed_stage_lets_its_siblings_finish_first(drive: Drive) -> None:
    later = Acts("out")
    d = drive(flow([step("bad", Acts(ValueError("boom")), retry=ONCE), step("good", Acts(1))], step("end", later)))
    run_id = await d.begun()
    await d.execute(run_id, "bad")
    run = await d.run(run_id)
    assert (run.status, await d.statuses(run_id)) == ("RUNNING", {"bad": "FAILED", "good": "PENDING"})
    assert (await d.dispatch(TransitionRun(run_id=run_id))).action == "noop"
    await d.execute(run_id, "good")
    run = await d.run(run_id)
    assert (run.status, run.error, await d.statuses(run_id)) == (
        "FAILED",
        "ValueError: boom",
        {"bad": "FAILED", "good": "COMPLETED"},
    )
    assert (await d.types(run_id))[-1] == "workflow:failed"
    assert later.calls == 0


@pytest.mark.parametrize("first", ["a", "b"])
async def test_b186_d10_the_first_failure_names_the_runs_error(drive: Drive, first: str) -> None:
    second = "ab".replace(first, "")
    stages = [step(name, Acts(ValueError(f"of {name}")), retry=ONCE) for name in "ab"]
    d = drive(flow(stages))
    run_id = await d.begun()
    await d.execute(run_id, first)
    await d.execute(run_id, second)
    run = await d.run(run_id)
    assert (run.status, run.error) == ("FAILED", f"ValueError: of {first}")
    assert len(await d.payloads(run_id, "workflow:failed")) == 1


async def test_d10_a_retry_under_way_counts_as_not_finished(drive: Drive) -> None:
    bad = step("bad", Acts(ValueError("boom")), retry=ONCE)
    d = drive(flow([bad, step("slow", Acts(ValueError("later"), "out"))]))
    run_id = await d.begun()
    await d.execute(run_id, "slow")
    await d.execute(run_id, "bad")
    assert (await d.run(run_id)).status == "RUNNING"
    d.clock.advance(timedelta(seconds=1))
    await d.drain()
    assert ((await d.run(run_id)).error, (await d.stage(run_id, "slow")).status) == ("ValueError: boom", "COMPLETED")


@pytest.mark.parametrize("answer", [Completion.failed("expired"), Completion.ready("out")], ids=["failed", "ready"])
async def test_b223_a_poll_ends_a_group_like_a_job_does(drive: Drive, answer: Any) -> None:
    bad = step("bad", Acts(ValueError("boom")), retry=ONCE)
    d = drive(flow([batch("ask", Acts(answer)), bad], step("end")))
    run_id = await d.begun()
    await d.drain()
    assert (await d.run(run_id)).status == "RUNNING"
    d.clock.advance(MINUTE)
    await d.poll()
    run = await d.run(run_id)
    assert (run.status, run.error) == ("FAILED", "ValueError: boom")
    assert [stage.stage_id for stage in run.stages] == ["ask", "bad"]


async def test_d10_a_failed_poll_waits_for_its_siblings_too(drive: Drive) -> None:
    d = drive(flow([batch("ask", Acts(Completion.failed("expired"))), step("late", Acts(ValueError("x"), "out"))]))
    run_id = await d.begun()
    await d.drain()
    # The sibling is in backoff when the poll fails; both are due at their own times.
    await d.kernel.persistence.transact(lambda work: _poll_now(work, run_id))
    assert (await d.poll()).failed == 1
    assert (await d.run(run_id)).status == "RUNNING"
    d.clock.advance(timedelta(seconds=1))
    await d.drain()
    run = await d.run(run_id)
    assert (run.status, run.error) == ("FAILED", "expired")


def _poll_now(work: Any, run_id: str) -> None:
    work.stages.save([one._replace(next_poll_at=work.now) for one in work.stages.of_run(run_id) if one.next_poll_at])


async def test_b112_a_failure_in_the_middle_keeps_what_was_done(drive: Drive) -> None:
    d = drive(flow(step("one", Acts(1)), step("two", Acts(ValueError("boom")), retry=ONCE), step("three")))
    run = await d.through()
    assert [(stage.stage_id, stage.status, stage.output) for stage in run.stages] == [
        ("one", "COMPLETED", 1),
        ("two", "FAILED", None),
    ]
    assert (run.status, run.output) == ("FAILED", None)


async def test_d19_a_run_goes_by_the_plan_it_was_created_with(drive: Drive, tmp_path: Path) -> None:
    """After a deployment the stage that is gone waits, and what else was planned is still done as planned."""
    d = drive(flow(step("one"), step("two"), step("three")), path=tmp_path / "runs.db")
    run_id = await d.begun(input="in")
    newer = drive(flow(step("one"), step("three"), step("new")), path=tmp_path / "runs.db", clock=d.clock)
    await newer.drain()
    run = await newer.run(run_id)
    assert (run.status, await newer.statuses(run_id)) == ("RUNNING", {"one": "COMPLETED", "two": "PENDING"})
    assert [[stage.stage_id for stage in group] for group in run.plan] == [["one"], ["two"], ["three"]]
    await d.execute(run_id, "two")
    await newer.drain()
    run = await newer.run(run_id)
    assert (run.status, run.output, [stage.stage_id for stage in run.stages]) == (
        "COMPLETED",
        "in",
        ["one", "two", "three"],
    )
