"""Idempotency keys: key, effect and result are one."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from kernel_driver import Drive
from kernel_workflows import Acts, flow, step

from engine import (
    CancelRun,
    CreateRun,
    ExecuteJob,
    IdempotencyConflict,
    IdempotencyInProgress,
    IllegalTransition,
    RerunFrom,
)
from engine.bootstrap import open_engine


async def test_b009_d11_many_at_once_with_one_key_make_one_run(drive: Drive) -> None:
    d = drive(flow(step("one")))
    command = CreateRun(idempotency_key="k", workflow_id="flow", input={"n": 1})
    results = await asyncio.gather(*(d.dispatch(command) for _ in range(30)))
    assert len({result.run_id for result in results}) == 1
    assert await d.count_runs() == 1
    assert await d.types(results[0].run_id) == ["workflow:created"]


async def test_b009_two_processes_with_one_key_make_one_run(tmp_path: Path) -> None:
    url, workflow = f"sqlite:///{tmp_path}/runs.db", flow(step("one"))
    command = CreateRun(idempotency_key="k", workflow_id="flow", input={"n": 1})
    async with open_engine(url, workflows=[workflow]) as one, open_engine(url, workflows=[workflow]) as other:
        results = await asyncio.gather(*(engine.dispatch(command) for engine in (one, other) * 10))
        assert len({result.run_id for result in results}) == 1
        assert len((await one.inspector.runs()).items) == 1


async def test_b011_one_text_is_a_key_of_its_own_for_each_command(drive: Drive) -> None:
    d = drive(flow(step("one")))
    run_id = await d.create(idempotency_key="k")
    assert (await d.dispatch(CancelRun(run_id=run_id, idempotency_key="k"))).cancelled
    rerun = await d.dispatch(RerunFrom(run_id=run_id, from_stage_id="one", idempotency_key="k"))
    assert rerun.from_stage_id == "one"
    assert (await d.run(run_id)).status == "RUNNING"


async def test_b013_after_an_error_the_key_is_free(drive: Drive) -> None:
    d = drive(flow(step("one")))
    run_id = await d.begun()
    command = RerunFrom(run_id=run_id, from_stage_id="one", idempotency_key="k")
    with pytest.raises(IllegalTransition):
        await d.dispatch(command)
    await d.drain()
    assert (await d.dispatch(command)).deleted_stages == ["one"]


async def test_b017_a_key_is_kept_as_long_as_its_run(drive: Drive) -> None:
    d = drive(flow(step("one")))
    run_id = await d.create(idempotency_key="k")
    d.clock.advance(timedelta(days=400))
    assert await d.create(idempotency_key="k") == run_id


async def test_b019_d01_an_error_half_way_leaves_no_event(drive: Drive) -> None:
    d = drive(flow(step("one"), step("two")))
    run_id = (await d.through()).id
    before = await d.types(run_id)
    with pytest.raises(Exception, match="nowhere"):
        await d.dispatch(RerunFrom(run_id=run_id, from_stage_id="nowhere"))
    assert await d.types(run_id) == before


async def test_a_repeated_cancel_gives_the_first_answer(drive: Drive) -> None:
    d = drive(flow(step("one")))
    run_id = await d.create()
    answers = [await d.cancel(run_id, idempotency_key="k") for _ in range(2)]
    assert answers == [True, True]
    assert not await d.cancel(run_id)
    with pytest.raises(IdempotencyConflict):
        await d.cancel(run_id, idempotency_key="k", reason="other words")


async def test_b068_one_key_executes_a_job_once(drive: Drive) -> None:
    body = Acts("out")
    d = drive(flow(step("one", body), step("two")))
    run_id = await d.begun()
    first = await d.execute(run_id, "one", idempotency_key="k")
    again = await d.execute(run_id, "one", idempotency_key="k")
    assert first.outcome == "completed"
    assert (again, body.calls) == (first, 1)


async def test_b068_a_failed_try_is_a_result_and_replayed_too(drive: Drive) -> None:
    body = Acts(ValueError("no"), "out")
    d = drive(flow(step("one", body)))
    run_id = await d.begun()
    first = await d.execute(run_id, "one", idempotency_key="k")
    d.clock.advance(timedelta(seconds=1))
    assert await d.execute(run_id, "one", idempotency_key="k") == first
    assert body.calls == 1
    assert (await d.execute(run_id, "one", idempotency_key="k2")).outcome == "completed"


async def test_b012_b015_a_key_under_way_is_in_progress(drive: Drive) -> None:
    started, go_on = asyncio.Event(), asyncio.Event()

    async def body(ctx: object) -> str:
        started.set()
        await go_on.wait()
        return "out"

    d = drive(flow(step("one", body)))
    run_id = await d.begun()
    first = asyncio.create_task(d.execute(run_id, "one", idempotency_key="k"))
    await started.wait()
    with pytest.raises(IdempotencyInProgress) as caught:
        await d.execute(run_id, "one", idempotency_key="k")
    assert (caught.value.key, caught.value.command_type) == ("k", "job.execute")
    with pytest.raises(IdempotencyConflict):
        await d.execute(run_id, "one", idempotency_key="k", config={"one": {}})
    ghost = await d.execute(run_id, "one", idempotency_key="other")
    assert (ghost.outcome, ghost.ghost, ghost.retryable) == ("failed", True, False)
    go_on.set()
    assert (await first).output == "out"


async def test_b014_b018_a_key_is_held_as_long_as_the_lease_of_its_job(drive: Drive) -> None:
    """The process died in the body: its lease of key and job ends, and the same message runs it again."""
    started, never = asyncio.Event(), asyncio.Event()

    async def hang(ctx: object) -> str:
        started.set()
        await never.wait()
        return "late"

    body = Acts(hang, "out")
    d = drive(flow(step("one", body)))
    run_id = await d.begun()
    dead = asyncio.create_task(d.execute(run_id, "one", idempotency_key="k"))
    await started.wait()
    d.clock.advance(timedelta(seconds=59))
    with pytest.raises(IdempotencyInProgress):
        await d.execute(run_id, "one", idempotency_key="k")
    d.clock.advance(timedelta(seconds=2))
    assert (await d.reap(timedelta(seconds=60))).released == 1
    assert (await d.execute(run_id, "one", idempotency_key="k")).output == "out"
    never.set()
    late = await dead
    assert (late.outcome, late.ghost) == ("failed", True)
    assert (await d.run(run_id)).output == "out"


async def test_a_key_of_a_job_that_is_done_already_is_not_left_in_progress(drive: Drive) -> None:
    d = drive(flow(step("one", Acts("out")), step("two")))
    run_id = await d.begun()
    await d.execute(run_id, "one")
    for _ in range(2):
        result = await d.execute(run_id, "one", idempotency_key="k")
        assert (result.outcome, result.output) == ("completed", "out")


async def test_b071_an_interrupted_execution_frees_its_key(drive: Drive) -> None:
    started, never = asyncio.Event(), asyncio.Event()

    async def hang(ctx: object) -> None:
        started.set()
        await never.wait()

    body = Acts(hang, "out")
    d = drive(flow(step("one", body)))
    run_id = await d.begun()
    executing = asyncio.create_task(d.execute(run_id, "one", idempotency_key="k"))
    await started.wait()
    executing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await executing
    assert (await d.stage(run_id, "one")).status == "PENDING"
    assert (await d.execute(run_id, "one", idempotency_key="k")).output == "out"


async def test_a_ghost_does_not_use_up_its_key(drive: Drive) -> None:
    d = drive(flow(step("one", Acts("out"))))
    run_id = await d.create()
    command = ExecuteJob(run_id=run_id, workflow_id="flow", stage_id="one", idempotency_key="k")
    assert (await d.dispatch(command)).ghost
    await d.begin()
    assert (await d.dispatch(command)).output == "out"


@pytest.mark.parametrize("length", [0, 256])
def test_a_key_has_1_to_255_characters(length: int) -> None:
    with pytest.raises(ValueError, match="idempotency_key"):
        CreateRun(idempotency_key="k" * length, workflow_id="flow")
