"""Large payloads: they lie in the blob store, and nobody who reads a run can tell."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from kernel_driver import Drive
from kernel_workflows import MINUTE, Acts, batch, flow, step

from engine import Completion, RerunFrom, RetryPolicy
from engine.blobs.memory import MemoryBlobStore

ONCE = RetryPolicy(max_attempts=1)
LIMIT = 256 * 1024
LARGE = ["x" * 300_000, 1]


def size(ctx: Any) -> Any:
    """The input by its digest: small whatever came in."""
    return hashlib.sha256(repr(ctx.input).encode()).hexdigest()


def digest(value: Any) -> str:
    return hashlib.sha256(repr(value).encode()).hexdigest()


@pytest.mark.parametrize(("length", "blobs"), [(LIMIT - 2, 0), (LIMIT - 1, 1)])
async def test_d17_an_output_over_256_kib_goes_to_the_blob_store(drive: Drive, length: int, blobs: int) -> None:
    store = MemoryBlobStore()
    d = drive(flow(step("one", Acts("x" * length)), step("two", size)), blobs=store)
    run = await d.through()
    assert len(await store.list("runs/")) == blobs
    assert run.stages[0].output == run.stages[1].input == "x" * length
    assert run.output == digest("x" * length)


async def test_large_outputs_go_on_through_groups_of_one_and_of_several(drive: Drive, tmp_path: Path) -> None:
    d = drive(
        flow(
            step("one", Acts(LARGE)),
            [step("a"), step("b", Acts(2)), step("sum", size)],
            [step("whole"), step("again", size)],
            step("end"),
        ),
        path=tmp_path / "runs.db",
    )
    run = await d.through()
    group = {"a": LARGE, "b": 2, "sum": digest(LARGE)}
    stages = {stage.stage_id: stage for stage in run.stages}
    assert stages["a"].input == LARGE
    assert stages["whole"].input == group
    assert stages["again"].output == digest(group)
    assert run.output == {"whole": group, "again": digest(group)}


async def test_a_large_output_of_one_stage_is_the_runs(drive: Drive) -> None:
    d = drive(flow(step("one", Acts(LARGE))))
    run = await d.through()
    assert run.output == LARGE
    assert (await d.payloads(run.id, "workflow:completed"))[0]["output"] is None


@pytest.mark.parametrize(
    "outputs",
    [[LARGE, "small"], [LARGE, LARGE], ["y" * 200_000, "z" * 200_000]],
    ids=["one in a blob", "both in blobs", "long together"],
)
async def test_large_outputs_of_a_parallel_last_group_are_the_runs(drive: Drive, outputs: list[Any]) -> None:
    d = drive(flow([step("a", Acts(outputs[0])), step("b", Acts(outputs[1]))]))
    run = await d.through()
    assert run.status == "COMPLETED"
    assert [stage.output for stage in run.stages] == outputs
    assert run.output == {"a": outputs[0], "b": outputs[1]}


async def test_large_outputs_of_a_group_reach_the_next(drive: Drive) -> None:
    d = drive(flow([step("a", Acts("y" * 200_000)), step("b", Acts("z" * 200_000))], step("end", size)))
    run = await d.through()
    assert run.output == digest({"a": "y" * 200_000, "b": "z" * 200_000})
    assert run.stages[2].input == {"a": "y" * 200_000, "b": "z" * 200_000}


async def test_require_and_the_command_read_through_the_pointer(drive: Drive) -> None:
    d = drive(
        flow(step("one", Acts(LARGE)), step("two", Acts(1)), step("three", lambda ctx: ctx.require("one") == LARGE))
    )
    run_id = await d.begun()
    assert (await d.execute(run_id, "one")).output == LARGE
    assert (await d.execute(run_id, "one")).output == LARGE
    await d.drain()
    assert (await d.run(run_id)).output is True


async def test_a_large_answer_of_a_batch(drive: Drive) -> None:
    seen = Acts(Completion.ready(LARGE))
    d = drive(flow(step("first", Acts(LARGE)), batch("ask", seen), step("end", size)))
    run_id = (await d.through()).id
    d.clock.advance(MINUTE)
    await d.poll()
    await d.drain()
    assert (await d.run(run_id)).output == digest(LARGE)
    assert seen.seen[0].input == LARGE


async def test_no_two_deliveries_share_a_blob(drive: Drive) -> None:
    store = MemoryBlobStore()
    d = drive(flow(step("one", Acts(LARGE))), blobs=store)
    run_id = (await d.through()).id
    await d.dispatch(RerunFrom(run_id=run_id, from_stage_id="one"))
    await d.drain()
    assert len(await store.list("runs/")) == 2
    assert (await d.run(run_id)).output == LARGE


@pytest.mark.parametrize("loss", ["deleted", "altered"])
async def test_a_blob_that_is_gone_fails_the_next_stage_by_name(drive: Drive, loss: str) -> None:
    store = MemoryBlobStore()
    d = drive(flow(step("one", Acts(LARGE)), step("two", retry=ONCE)), blobs=store)
    run_id = await d.begun()
    await d.execute(run_id, "one")
    (key,) = await store.list("runs/")
    if loss == "deleted":
        await store.delete(key)
    else:
        await store.put(key, b'"forged"')
    await d.drain()
    run = await d.run(run_id)
    assert run.status == "FAILED"
    assert run.error is not None
    assert key in run.error


async def test_a_batch_that_waits_for_a_lost_blob_is_asked_again(drive: Drive) -> None:
    store = MemoryBlobStore()
    d = drive(flow(step("one", Acts(LARGE)), batch("ask", Acts(Completion.ready("out")))), blobs=store)
    run_id = (await d.through()).id
    (key,) = await store.list("runs/")
    content = await store.get(key)
    await store.delete(key)
    d.clock.advance(MINUTE)
    await d.poll()
    assert (await d.stage(run_id, "ask")).status == "SUSPENDED"
    await store.put(key, content)
    d.clock.advance(timedelta(minutes=10))
    await d.poll()
    assert (await d.run(run_id)).output == "out"
