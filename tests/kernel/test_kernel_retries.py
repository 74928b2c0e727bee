"""Failures: what is tried again, when, and what is left of it."""

from __future__ import annotations

import asyncio
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from kernel_driver import Drive
from kernel_workflows import Acts, flow, step
from pydantic import BaseModel

from engine import DefinitionError, NonRetryable, RetryPolicy, StageResult, Suspend

SECOND = timedelta(seconds=1)


class Count(BaseModel):
    n: int
    unit: str = "pieces"


async def test_b043_b105_a_failed_try_waits_visibly_and_keeps_its_run_alive(drive: Drive) -> None:
    d = drive(flow([step("one", Acts(ValueError("boom"), "out")), step("two")], step("last")))
    run_id = await d.begun(priority=3)
    failed = await d.execute(run_id, "one")
    assert (failed.outcome, failed.error, failed.retryable, failed.ghost) == (
        "failed",
        "ValueError: boom",
        True,
        False,
    )
    await d.execute(run_id, "two")
    run = await d.run(run_id)
    stage = run.stages[0]
    assert (run.status, stage.status, stage.error) == ("RUNNING", "PENDING", "ValueError: boom")
    assert stage.retry_at == d.clock.now() + SECOND
    explained = await d.inspector.explain(run_id)
    assert explained.code in ("backoff", "no_worker")
    assert (await d.execute(run_id, "one")).ghost


async def test_b106_b222_a_retry_that_succeeds_clears_the_error(drive: Drive) -> None:
    body = Acts(ValueError("boom"), ValueError("again"), "out")
    d = drive(flow(step("one", body)))
    run = await d.exhaust(await d.begun())
    (stage,) = run.stages
    assert (run.status, run.output, run.error, body.calls) == ("COMPLETED", "out", None, 3)
    assert (stage.error, stage.error_code, stage.retry_at) == (None, None, None)
    assert (stage.attempt, stage.tries, stage.max_attempts) == (3, 3, 3)


async def test_b107_b044_b178_a_spent_budget_fails_the_run_with_the_stages_words(drive: Drive) -> None:
    body = Acts(ValueError("boom"))
    d = drive(flow(step("one", body), step("two")))
    run = await d.exhaust(await d.begun())
    assert (run.status, run.error, run.error_code, body.calls) == ("FAILED", "ValueError: boom", None, 3)
    assert run.completed_at is not None
    assert [one.stage_id for one in run.stages] == ["one"]
    assert (await d.types(run.id)).count("workflow:failed") == 1
    assert (await d.payloads(run.id, "workflow:failed"))[0]["error"] == "ValueError: boom"


async def test_b045_one_attempt_means_one_try(drive: Drive) -> None:
    body = Acts(ValueError("boom"))
    d = drive(flow(step("one", body, retry=RetryPolicy(max_attempts=1))))
    run = await d.through()
    assert (run.status, body.calls) == ("FAILED", 1)
    assert "stage:retrying" not in await d.types(run.id)


async def test_d04_retries_are_due_by_the_policy_and_not_before(drive: Drive) -> None:
    policy = RetryPolicy(
        max_attempts=5,
        initial_delay=timedelta(seconds=2),
        multiplier=3.0,
        max_delay=timedelta(seconds=20),
        jitter=False,
    )
    d = drive(flow(step("one", Acts(ValueError("boom")), retry=policy)))
    run_id = await d.begun()
    for seconds in (2, 6, 18, 20):
        await d.drain()
        due = d.clock.now() + timedelta(seconds=seconds)
        assert (await d.stage(run_id, "one")).retry_at == due
        d.clock.set(due - timedelta(microseconds=1))
        assert await d.drain() == 0
        d.clock.set(due)
    await d.drain()
    assert (await d.run(run_id)).status == "FAILED"
    told = await d.payloads(run_id, "stage:retrying")
    assert [(one["attempt"], one["error"]) for one in told] == [(n, "ValueError: boom") for n in (1, 2, 3, 4)]


async def test_jitter_stays_between_now_and_the_pause(drive: Drive) -> None:
    policy = RetryPolicy(max_attempts=30, initial_delay=timedelta(seconds=10), multiplier=1.0)
    d = drive(flow(step("one", Acts(ValueError("boom")), retry=policy)))
    run_id = await d.begun()
    pauses = []
    for _ in range(12):
        await d.drain()
        retry_at = (await d.stage(run_id, "one")).retry_at
        assert retry_at is not None
        pauses.append(retry_at - d.clock.now())
        d.clock.advance(timedelta(seconds=10))
    assert all(timedelta(0) <= pause <= timedelta(seconds=10) for pause in pauses)
    assert len(set(pauses)) > 6


async def test_earlier_attempts_are_kept_with_their_errors(drive: Drive) -> None:
    d = drive(flow(step("one", Acts(ValueError("boom"), KeyError("key"), "out"))))
    run = await d.exhaust(await d.begun())
    attempts = run.stages[0].attempts
    assert [(one.attempt, one.status, one.error) for one in attempts] == [
        (1, "FAILED", "ValueError: boom"),
        (2, "FAILED", "KeyError: 'key'"),
        (3, "COMPLETED", None),
    ]
    assert all(one.worker_id == "w" and one.started_at and one.completed_at for one in attempts)


async def test_b059_a_failed_try_keeps_what_was_said_before_it(drive: Drive) -> None:
    def say(ctx: Any) -> None:
        ctx.log("WARN", "about to fail", n=1)
        ctx.progress(0.25, "a quarter")
        ctx.annotate("seen", {"n": 1})
        raise RuntimeError("boom")

    d = drive(flow(step("one", say, retry=RetryPolicy(max_attempts=1))))
    run = await d.through()
    types = await d.types(run.id)
    assert types[-3:] == ["stage:progress", "stage:failed", "workflow:failed"]
    (line,) = (await d.inspector.logs(run.id)).items
    assert (line.level, line.message, line.fields, line.stage_id, line.attempt) == (
        "WARN",
        "about to fail",
        {"n": 1},
        "one",
        1,
    )
    (note,) = await d.notes(run.id)
    assert (note.key, note.value, note.scope, note.scope_id, note.attempt) == ("seen", {"n": 1}, "stage", "one", 1)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (NonRetryable("never"), "never"),
        (DefinitionError("declared wrongly"), "DefinitionError: declared wrongly"),
    ],
)
async def test_b042_d04_what_can_not_help_is_not_tried_again(drive: Drive, error: Exception, text: str) -> None:
    body = Acts(error)
    d = drive(flow(step("one", body)))
    run = await d.through()
    assert (run.status, run.error, body.calls) == ("FAILED", text, 1)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (Exception("plain"), "plain"),
        (ValueError(""), "ValueError: ValueError"),
        (RuntimeError("a\x00\ud800"), "RuntimeError: a\ufffd\ufffd\ufffd\ufffd"),
        (SystemExit(3), "SystemExit: 3"),
        (asyncio.CancelledError("self"), "CancelledError: self"),
    ],
    ids=["plain", "silent", "unfit text", "exit", "cancelled"],
)
async def test_b060_errors_are_text_with_the_name_of_their_class(drive: Drive, error: BaseException, text: str) -> None:
    d = drive(flow(step("one", Acts(error), retry=RetryPolicy(max_attempts=1))))
    run = await d.through()
    assert (run.status, run.stages[0].error) == ("FAILED", text)


async def test_a_long_error_is_cut(drive: Drive) -> None:
    d = drive(flow(step("one", Acts(Exception("x" * 100_000)), retry=RetryPolicy(max_attempts=1))))
    error = (await d.through()).error
    assert error is not None
    assert error.endswith("(100000 characters)")
    assert len(error) < 17_000


async def test_b061_input_the_stage_refuses_is_not_tried_again(drive: Drive) -> None:
    body = Acts("out")
    d = drive(flow(step("one", Acts({"n": "many"})), step("two", body, input=Count)))
    run = await d.through()
    stage = run.stages[1]
    assert (run.status, run.error_code, body.calls) == ("FAILED", "INVALID_INPUT", 0)
    assert stage.error is not None
    assert stage.error.startswith("INVALID_INPUT: ")
    assert "n: " in stage.error
    assert (stage.tries, stage.error_code) == (1, "INVALID_INPUT")


@pytest.mark.parametrize(
    ("output", "path"),
    [({"n": "many"}, "n"), ({}, "n"), ("text", ""), ({"n": 1, "unit": "a\x00"}, "unit")],
)
async def test_b077_d05_output_the_schema_refuses_fails_at_once_with_its_path(
    drive: Drive, output: Any, path: str
) -> None:
    body = Acts(output)
    d = drive(flow(step("one", body, output=Count), step("two")))
    run = await d.through()
    assert (run.status, run.error_code, body.calls) == ("FAILED", "INVALID_OUTPUT", 1)
    assert run.error is not None
    assert f"output: {path}" in run.error
    assert run.stages[0].output is None


async def test_b077_output_is_stored_as_parsed(drive: Drive) -> None:
    d = drive(flow(step("one", Acts({"n": "3", "more": 1}), output=Count), step("two")))
    assert (await d.through()).output == {"n": 3, "unit": "pieces"}


@pytest.mark.parametrize(
    "result",
    [
        float("nan"),
        StageResult(output=1, metrics={"n": float("nan")}),
        StageResult(output=1, artifacts={"report": {"n": float("nan")}}),
        object(),
    ],
    ids=["output", "metrics", "artifact", "no json at all"],
)
async def test_b221_what_can_not_be_kept_fails_the_stage_at_once(drive: Drive, result: Any) -> None:
    body = Acts(result)
    d = drive(flow(step("one", body)))
    run = await d.through()
    assert (run.status, run.error_code, body.calls) == ("FAILED", "INVALID_OUTPUT", 1)


async def test_a_suspend_of_an_ordinary_stage_is_a_mistake(drive: Drive) -> None:
    body = Acts(Suspend(state={}))
    d = drive(flow(step("one", body)))
    run = await d.through()
    assert (run.status, run.error_code, body.calls) == ("FAILED", "NOT_A_BATCH_STAGE", 1)


@pytest.mark.parametrize("plain", [False, True], ids=["async", "plain"])
async def test_a_body_that_takes_too_long_is_tried_again(drive: Drive, plain: bool) -> None:
    never, released = asyncio.Event(), threading.Event()

    def hang(ctx: Any) -> Any:
        return released.wait(10) if plain else never.wait()

    body = Acts(hang, "out")
    d = drive(flow(step("one", body, plain=plain, timeout=timedelta(milliseconds=30))))
    run_id = await d.begun()
    await d.drain()
    stage = await d.stage(run_id, "one")
    assert (stage.status, stage.error, stage.error_code) == (
        "PENDING",
        "TIMEOUT: the body took longer than 0.03 s",
        "TIMEOUT",
    )
    released.set()
    d.clock.advance(SECOND)
    await d.drain()
    assert (await d.run(run_id)).output == "out"


async def test_a_plain_body_that_timed_out_sees_that_it_is_over(drive: Drive) -> None:
    stopped = threading.Event()

    def body(ctx: Any) -> None:
        while not ctx.cancelled:
            threading.Event().wait(0.005)
        ctx.log("INFO", "dropped")
        stopped.set()

    once = RetryPolicy(max_attempts=1)
    d = drive(flow(step("one", body, plain=True, timeout=timedelta(milliseconds=20), retry=once)))
    run = await d.through()
    assert await asyncio.to_thread(stopped.wait, 10)
    assert run.error_code == "TIMEOUT"
    assert (await d.inspector.logs(run.id)).items == []


async def test_a_timeout_of_the_bodys_own_is_an_error_like_any_other(drive: Drive) -> None:
    once = RetryPolicy(max_attempts=1)
    d = drive(flow(step("one", Acts(TimeoutError("upstream")), timeout=timedelta(seconds=30), retry=once)))
    run = await d.through()
    assert (run.error, run.error_code) == ("TimeoutError: upstream", None)


async def test_d19_the_policy_of_the_stored_plan_counts(drive: Drive, tmp_path: Path) -> None:
    """A run keeps the retries it was created with; the workflow may change meanwhile."""
    body = Acts(ValueError("boom"))
    policies = [RetryPolicy(max_attempts=number, jitter=False) for number in (2, 9)]
    path = tmp_path / "runs.db"
    older = drive(flow(step("one", body, retry=policies[0])), path=path)
    newer = drive(flow(step("one", body, retry=policies[1])), path=path, clock=older.clock)
    run = await newer.exhaust(await older.begun())
    assert (run.status, body.calls, run.stages[0].max_attempts) == ("FAILED", 2, 2)


async def test_the_key_for_outside_effects_is_the_same_at_every_try(drive: Drive) -> None:
    body = Acts(ValueError("boom"), ValueError("boom"), "out")
    d = drive(flow([step("one", body), step("two", other := Acts("out"))]))
    await d.exhaust(await d.begun())
    assert [ctx.attempt for ctx in body.seen] == [1, 2, 3]
    assert len({ctx.idempotency_key for ctx in body.seen}) == 1
    assert other.seen[0].idempotency_key != body.seen[0].idempotency_key
