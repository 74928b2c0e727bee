"""Rerun and retry: the next life of a run that was over."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from kernel_driver import Drive, Driver
from kernel_workflows import Acts, batch, flow, step
from pydantic import BaseModel

from engine import (
    IllegalTransition,
    InvalidConfig,
    RerunFrom,
    RerunFromResult,
    RetryFailed,
    RetryPolicy,
    RunNotFound,
    StageNotFound,
)

ONCE = RetryPolicy(max_attempts=1)


class Sizes(BaseModel):
    a: int = 1
    b: int = 2


async def rerun(d: Driver, run_id: str, stage_id: str, **fields: Any) -> RerunFromResult:
    return await d.dispatch(RerunFrom(run_id=run_id, from_stage_id=stage_id, **fields))


def counting() -> Acts:
    """A body whose output is the number of its call."""
    acts = Acts(lambda ctx: acts.calls)
    return acts


async def test_b124_from_the_third_of_four(drive: Drive) -> None:
    bodies = [counting() for _ in range(4)]
    d = drive(flow(*(step(f"s{n}", body) for n, body in enumerate(bodies, 1))))
    run_id = (await d.through()).id
    d.clock.advance(timedelta(minutes=1))
    result = await rerun(d, run_id, "s3")
    assert result.deleted_stages == ["s3", "s4"]
    run = await d.run(run_id)
    assert (run.status, run.output, run.completed_at, run.error) == ("RUNNING", None, None, None)
    assert (run.started_at, run.duration_ms) == (d.clock.now(), 0)
    assert await d.statuses(run_id) == {"s1": "COMPLETED", "s2": "COMPLETED", "s3": "PENDING"}
    assert run.stages[2].output is None
    await d.drain()
    assert [body.calls for body in bodies] == [1, 1, 2, 2]
    assert (await d.run(run_id)).output == 2


async def test_d10_attempts_are_kept_and_counted_on(drive: Drive) -> None:
    d = drive(flow(step("one"), step("two", Acts(ValueError("boom"), "first", "second"))))
    run_id = (await d.exhaust(await d.begun())).id
    await rerun(d, run_id, "two")
    await d.drain()
    (stage,) = [stage for stage in (await d.run(run_id)).stages if stage.stage_id == "two"]
    assert (stage.output, stage.attempt, stage.tries) == ("second", 3, 1)
    assert [(one.attempt, one.generation, one.status, one.error) for one in stage.attempts] == [
        (1, 0, "FAILED", "ValueError: boom"),
        (2, 0, "COMPLETED", None),
        (3, 1, "COMPLETED", None),
    ]


async def test_attempts_begin_at_one_even_for_what_was_never_delivered(drive: Drive) -> None:
    d = drive(flow(step("one")))
    run_id = await d.begun()
    await d.cancel(run_id)
    await rerun(d, run_id, "one")
    await d.drain()
    stage = await d.stage(run_id, "one")
    assert [one.attempt for one in stage.attempts] == [stage.attempt] == [1]


async def test_b128_each_life_has_its_number_and_starts_with_fresh_tries(drive: Drive) -> None:
    d = drive(flow(step("one", Acts(ValueError("boom"), ValueError("boom"), "out"))))
    run_id = await d.begun()
    await d.execute(run_id, "one")
    await d.cancel(run_id)
    await rerun(d, run_id, "one")
    assert (await d.stage(run_id, "one")).tries == 0
    run = await d.exhaust(run_id)
    assert run.status == "COMPLETED"
    assert [(one.attempt, one.generation) for one in run.stages[0].attempts] == [(1, 0), (2, 1), (3, 1)]


async def test_b127_a_repeated_key_does_not_rerun_twice(drive: Drive) -> None:
    body = counting()
    d = drive(flow(step("one", body)))
    run_id = (await d.through()).id
    first = await rerun(d, run_id, "one", idempotency_key="k")
    await d.drain()
    assert await rerun(d, run_id, "one", idempotency_key="k") == first
    await d.drain()
    assert (body.calls, (await d.types(run_id)).count("run:rerun")) == (2, 1)


async def test_b129_annotations_outlive_the_stage_they_came_from(drive: Drive) -> None:
    d = drive(flow(step("one", lambda ctx: ctx.annotate("attempt", ctx.attempt))))
    run_id = (await d.through()).id
    await rerun(d, run_id, "one")
    await d.drain()
    assert [(note.value, note.attempt) for note in await d.notes(run_id)] == [(1, 1), (2, 2)]


async def test_b130_what_can_not_be_rerun_is_refused_and_stays_as_it_was(drive: Drive) -> None:
    d = drive(flow(step("one", Acts(ValueError("x")), retry=ONCE), step("two"), step("three")))
    failed, running, pending = (await d.through()).id, await d.begun(), await d.create()
    with pytest.raises(RunNotFound):
        await rerun(d, "0" * 20, "one")
    for run_id, stage_id, error in (
        (failed, "nowhere", StageNotFound),
        (failed, "two", IllegalTransition),
        (failed, "three", IllegalTransition),
        (running, "one", IllegalTransition),
        (pending, "one", IllegalTransition),
    ):
        before = await d.run(run_id), await d.events(run_id)
        with pytest.raises(error):
            await rerun(d, run_id, stage_id)
        assert (await d.run(run_id), await d.events(run_id)) == before


async def test_b131_from_the_first_stage_everything_goes_again_on_the_runs_input(drive: Drive) -> None:
    d = drive(flow(step("one"), step("two")))
    run_id = (await d.through(input={"n": 1})).id
    assert (await rerun(d, run_id, "one")).deleted_stages == ["one", "two"]
    await d.drain()
    run = await d.run(run_id)
    assert (run.output, [stage.attempt for stage in run.stages]) == ({"n": 1}, [2, 2])


async def test_b132_completed_siblings_of_the_target_go_again(drive: Drive) -> None:
    good = counting()
    d = drive(flow([step("bad", Acts(ValueError("x"), "out"), retry=ONCE), step("good", good)], step("end")))
    run_id = (await d.through()).id
    assert (await rerun(d, run_id, "bad")).deleted_stages == ["bad", "good"]
    await d.drain()
    assert ((await d.run(run_id)).output, good.calls) == ({"bad": "out", "good": 2}, 2)


@pytest.mark.parametrize("begun", [False, True], ids=["never begun", "begun"])
async def test_b121_a_cancelled_run_may_go_again(drive: Drive, begun: bool) -> None:
    d = drive(flow(step("one"), step("two")))
    run_id = await (d.begun(input=1) if begun else d.create(input=1))
    await d.cancel(run_id)
    assert (await rerun(d, run_id, "one")).deleted_stages == (["one"] if begun else [])
    await d.drain()
    assert (await d.run(run_id)).output == 1


async def test_a_rerun_tells_what_it_did(drive: Drive) -> None:
    d = drive(flow(step("one"), step("two")))
    run_id = (await d.through()).id
    await rerun(d, run_id, "two", idempotency_key="k")
    told = (await d.events(run_id))[-2:]
    assert [(event.type, event.causation_id) for event in told] == [("run:rerun", "k"), ("workflow:started", "k")]
    assert told[0].payload == {"from_stage_id": "two", "deleted_stages": ["two"]}


async def test_config_is_merged_field_by_field_and_the_former_stays_with_its_attempt(
    drive: Drive, tmp_path: Path
) -> None:
    body = Acts(lambda ctx: ctx.config.model_dump())
    d = drive(flow(step("one"), step("two", body, config=Sizes)), path=tmp_path / "runs.db")
    run_id = (await d.through(config={"two": {"a": 5, "b": 6}})).id
    await rerun(d, run_id, "two", config={"two": {"b": 7}})
    await d.drain()
    run = await d.run(run_id)
    assert (run.output, run.config["two"], run.stages[1].config) == ({"a": 5, "b": 7},) * 3
    archived = await d.sql("SELECT stage_id, attempt, config FROM stage_attempts")
    assert [(stage, attempt, json.loads(config)) for stage, attempt, config in archived] == [
        ("two", 1, {"a": 5, "b": 6})
    ]


@pytest.mark.parametrize(
    ("config", "path"),
    [
        ({"one": {"a": 3}}, "one"),
        ({"two": {"a": "many"}}, "two.a"),
        ({"two": {"c": 1}}, "two.c"),
        ({"nowhere": {}}, "nowhere"),
    ],
    ids=["an earlier stage's", "a wrong value", "an unknown field", "an unknown stage"],
)
async def test_a_config_that_does_not_fit_is_refused(drive: Drive, config: dict[str, Any], path: str) -> None:
    d = drive(flow(step("one", config=Sizes), step("two", config=Sizes)))
    run_id = (await d.through()).id
    before = await d.run(run_id)
    with pytest.raises(InvalidConfig) as caught:
        await rerun(d, run_id, "two", config=config)
    assert [problem.path for problem in caught.value.problems] == [path]
    assert await d.run(run_id) == before


async def test_d10_of_two_reruns_at_once_one_wins(drive: Drive) -> None:
    body = counting()
    d = drive(flow(step("one", body), step("two")))
    run_id = (await d.through()).id
    answers = await asyncio.gather(
        *(rerun(d, run_id, stage_id) for stage_id in ("one", "two", "one")), return_exceptions=True
    )
    assert [type(answer).__name__ for answer in answers] == ["RerunFromResult"] + ["IllegalTransition"] * 2
    await d.drain()
    assert (body.calls, (await d.types(run_id)).count("run:rerun")) == (2, 1)


async def test_retry_failed_goes_on_with_what_failed_and_keeps_the_rest(drive: Drive) -> None:
    good, first = counting(), counting()
    bad = [step(name, Acts(ValueError(name), "out"), retry=ONCE) for name in ("bad", "worse")]
    d = drive(flow(step("first", first), [*bad, step("good", good)], step("end")))
    run_id = (await d.through()).id
    assert (await d.run(run_id)).status == "FAILED"
    result = await d.dispatch(RetryFailed(run_id=run_id))
    assert result.retried_stages == ["bad", "worse"]
    run = await d.run(run_id)
    assert (run.status, run.error, run.error_code, run.completed_at) == ("RUNNING", None, None, None)
    assert [(stage.status, stage.tries, stage.attempt) for stage in run.stages[1:3]] == [("PENDING", 0, 1)] * 2
    await d.drain()
    run = await d.run(run_id)
    assert (run.status, run.output) == ("COMPLETED", {"bad": "out", "worse": "out", "good": 1})
    assert (first.calls, good.calls) == (1, 1)
    (stage,) = [stage for stage in run.stages if stage.stage_id == "bad"]
    assert [(one.attempt, one.generation, one.status) for one in stage.attempts] == [
        (1, 0, "FAILED"),
        (2, 0, "COMPLETED"),
    ]
    assert (stage.tries, stage.error) == (1, None)


async def test_retry_failed_may_fail_again(drive: Drive) -> None:
    d = drive(flow(step("one", Acts(ValueError("x")), retry=ONCE)))
    run_id = (await d.through()).id
    for _ in range(2):
        await d.dispatch(RetryFailed(run_id=run_id))
        await d.drain()
    run = await d.run(run_id)
    assert (run.status, run.error, run.stages[0].attempt) == ("FAILED", "ValueError: x", 3)
    assert (await d.types(run_id)).count("workflow:failed") == 3


async def test_retry_failed_is_for_failed_runs(drive: Drive) -> None:
    d = drive(flow(batch("ask")), flow(step("one"), id="quick"))
    waiting, done, cancelled = (await d.through()).id, (await d.through("quick")).id, await d.create()
    await d.cancel(cancelled)
    for run_id in (waiting, done, cancelled):
        with pytest.raises(IllegalTransition):
            await d.dispatch(RetryFailed(run_id=run_id))
    with pytest.raises(RunNotFound):
        await d.dispatch(RetryFailed(run_id="0" * 20))


async def test_the_key_for_outside_effects_outlives_a_retry_and_not_a_rerun(drive: Drive) -> None:
    body = Acts(ValueError("boom"), "out", "out")
    d = drive(flow(step("one", body, retry=ONCE)))
    run_id = (await d.through()).id
    await d.dispatch(RetryFailed(run_id=run_id))
    await d.drain()
    await rerun(d, run_id, "one")
    await d.drain()
    failed, retried, rerun_ = [ctx.idempotency_key for ctx in body.seen]
    assert failed == retried != rerun_
