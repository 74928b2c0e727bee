"""`job.execute`: one job from its claim to its outcome, and what the body may ask for meanwhile."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from kernel_driver import Drive
from kernel_workflows import Acts, flow, step
from pydantic import BaseModel

from engine import (
    InvalidConfig,
    InvalidInput,
    NoConfig,
    NoInput,
    RetryPolicy,
    RunNotFound,
    StageContext,
    StageNotFound,
    StageResult,
    WorkflowNotFound,
    stage,
)

ONCE = RetryPolicy(max_attempts=1)


class Sizes(BaseModel):
    a: int = 1
    b: int = 2


async def test_b055_a_job_is_claimed_carried_out_and_settled(drive: Drive) -> None:
    d = drive(flow(step("one", Acts({"n": 1})), step("two")))
    run_id = await d.begun()
    result = await d.execute(run_id, "one")
    assert (result.outcome, result.output, result.error) == ("completed", {"n": 1}, None)
    assert (result.ghost, result.next_poll_at) == (False, None)
    assert (await d.types(run_id))[2:] == ["stage:started", "stage:completed"]
    stage = await d.stage(run_id, "one")
    assert (stage.status, stage.output, stage.attempt, stage.progress) == ("COMPLETED", {"n": 1}, 1, 1.0)
    assert (await d.stage(run_id, "two")).status == "PENDING"


async def test_b056_b057_others_read_and_write_while_a_body_runs(drive: Drive) -> None:
    started, go_on = asyncio.Event(), asyncio.Event()

    async def body(ctx: Any) -> str:
        started.set()
        await go_on.wait()
        return "out"

    d = drive(flow(step("one", body)), flow(step("one"), id="other"))
    run_id = await d.begun()
    executing = asyncio.create_task(d.execute(run_id, "one"))
    await started.wait()
    stage = await d.stage(run_id, "one")
    assert (stage.status, stage.started_at, stage.completed_at) == ("RUNNING", d.clock.now(), None)
    assert (await d.through("other")).status == "COMPLETED"
    go_on.set()
    assert (await executing).output == "out"


async def test_b058_progress_is_told_in_order_before_the_end(drive: Drive) -> None:
    def body(ctx: Any) -> str:
        for fraction, message in ((0.25, "a"), (2.0, "b"), (-1, "c"), ("x", "d")):
            ctx.progress(fraction, message, n=1)
        return "out"

    d = drive(flow(step("one", body)))
    run_id = (await d.through()).id
    told = await d.payloads(run_id, "stage:progress")
    assert [(one["progress"], one["message"]) for one in told] == [(0.25, "a"), (1.0, "b"), (0.0, "c"), (0.0, "d")]
    assert told[0] == {"stage_id": "one", "progress": 0.25, "message": "a", "details": {"n": 1}}
    assert (await d.types(run_id))[2:] == [
        "stage:started",
        *["stage:progress"] * 4,
        "stage:completed",
        "workflow:completed",
    ]


async def test_b063_a_later_stage_is_not_fed_the_runs_input(drive: Drive) -> None:
    seen: list[Any] = []

    def look(ctx: Any) -> Any:
        seen.append(ctx.input)
        return ctx.input

    d = drive(flow(step("one", Acts(None)), step("two", look)))
    await d.through(input={"n": 1})
    assert seen == [None]


async def test_b066_a_done_stage_answers_from_the_store(drive: Drive) -> None:
    body = Acts({"n": 1})
    d = drive(flow(step("one", body), step("two")))
    run_id = await d.begun()
    await d.execute(run_id, "one")
    before = await d.events(run_id)
    again = await d.execute(run_id, "one")
    assert (again.outcome, again.output, again.ghost, body.calls) == ("completed", {"n": 1}, False, 1)
    assert await d.events(run_id) == before


async def test_b067_what_is_unknown_is_an_error(drive: Drive) -> None:
    d = drive(flow(step("one")), flow(step("other"), id="other"))
    run_id = await d.begun()
    with pytest.raises(WorkflowNotFound):
        await d.execute(run_id, "one", workflow_id="nope")
    with pytest.raises(StageNotFound):
        await d.execute(run_id, "nowhere")
    with pytest.raises(RunNotFound):
        await d.execute("0" * 20, "one")
    assert (await d.execute(run_id, "other", workflow_id="other")).ghost
    assert (await d.stage(run_id, "one")).status == "PENDING"


async def test_b062_b074_config_given_to_execute_counts_for_this_delivery(drive: Drive) -> None:
    d = drive(flow(step("one", lambda ctx: ctx.config.model_dump(), config=Sizes), step("two", config=Sizes)))
    run_id = await d.begun(config={"one": {"a": 5}})
    with pytest.raises(InvalidConfig) as caught:
        await d.execute(run_id, "one", config={"one": {"a": "many"}})
    assert [problem.path for problem in caught.value.problems] == ["one.a"]
    assert (await d.stage(run_id, "one")).status == "PENDING"
    result = await d.execute(run_id, "one", config={"one": {"b": 7}})
    assert result.output == {"a": 1, "b": 7}


async def test_without_config_the_runs_own_counts_and_a_row_holds_its_slice(drive: Drive) -> None:
    d = drive(flow(step("one", lambda ctx: ctx.config.model_dump(), config=Sizes), step("two", config=Sizes)))
    run_id = await d.begun(config={"one": {"a": 5}})
    assert (await d.execute(run_id, "one")).output == {"a": 5, "b": 2}
    assert (await d.stage(run_id, "one")).config == {"a": 5, "b": 2}
    assert (await d.stage(run_id, "two")).config == {"a": 1, "b": 2}


async def test_b073_log_lines_carry_where_they_come_from(drive: Drive) -> None:
    def body(ctx: Any) -> None:
        ctx.log("debug", "low", n=1)
        ctx.log("warning", "a\x00\ud800", text="b\x00", odd=object)
        ctx.log("nonsense", 42)

    d = drive(flow(step("one", body)))
    run_id = (await d.through()).id
    lines = list(reversed((await d.inspector.logs(run_id)).items))
    assert [(line.level, line.message) for line in lines] == [
        ("DEBUG", "low"),
        ("WARN", "a\ufffd\ufffd\ufffd\ufffd"),
        ("INFO", "42"),
    ]
    assert {(line.run_id, line.stage_id, line.attempt) for line in lines} == {(run_id, "one", 1)}
    assert lines[0].fields == {"n": 1}
    assert lines[1].fields["text"] == "b\ufffd"


async def test_b165_b166_annotations_come_with_the_outcome(drive: Drive) -> None:
    def body(ctx: Any) -> None:
        ctx.annotate("model", {"name": "m", "n": [1, None]})
        ctx.annotate("nothing", None)
        ctx.annotate("model", "twice")

    d = drive(flow(step("one", body)))
    run_id = (await d.through()).id
    notes = await d.notes(run_id)
    assert [(note.key, note.value) for note in notes] == [("model", {"name": "m", "n": [1, None]}), ("model", "twice")]
    assert {(note.scope, note.scope_id, note.attempt) for note in notes} == {("stage", "one", 1)}


async def test_what_can_not_be_annotated_is_an_error_of_the_body(drive: Drive) -> None:
    d = drive(flow(step("one", lambda ctx: ctx.annotate("bad", float("nan")), retry=ONCE)))
    run = await d.through()
    assert run.error is not None
    assert run.error.startswith("NotJson: ")


async def test_b069_artifacts_are_kept_by_name_and_attempt(drive: Drive) -> None:
    names = {"report.json": {"n": 1}, "plot.png": b"\x89PNG", "a/b": b"1", "a_2Fb": b"22", "..": b"333", "ä" * 200: b""}
    d = drive(flow(step("one", Acts(StageResult(output="out", artifacts=names, metrics={"rows": 3}))), step("two")))
    run = await d.through()
    assert (run.status, run.stages[0].metrics, run.stages[0].output) == ("COMPLETED", {"rows": 3}, "out")
    kept = {one.name: one for one in run.stages[0].artifacts}
    assert {name: one.size for name, one in kept.items()} == {
        "report.json": 7,
        "plot.png": 4,
        "a/b": 1,
        "a_2Fb": 2,
        "..": 3,
        "ä" * 200: 0,
    }
    assert kept["report.json"].media_type == "application/json"
    assert kept["plot.png"].media_type == "image/png"
    records = await d.kernel.persistence.read(lambda reads: reads.artifacts(run.id))
    assert len({record.blob_key for record in records}) == len(names)
    blobs = d.kernel._deliveries.executor.blobs
    assert {record.name: await blobs.get(record.blob_key) for record in records}["a/b"] == b"1"


async def test_storage_is_private_to_run_and_stage_and_outlives_a_retry(drive: Drive) -> None:
    async def write(ctx: Any) -> Any:
        if ctx.attempt == 1:
            assert await ctx.storage.list() == []
            await ctx.storage.put("a/ä \x00", {"n": 1})
            await ctx.storage.put("bytes", b"\x00\xff")
            await ctx.storage.put("k" * 300, [ctx.input])
            raise ValueError("once more")
        assert await ctx.storage.list() == ["a/ä \x00", "bytes", "k" * 300]
        assert await ctx.storage.list("k") == ["k" * 300]
        assert (await ctx.storage.get("a/ä \x00"), await ctx.storage.get("bytes")) == ({"n": 1}, b"\x00\xff")
        await ctx.storage.delete("bytes")
        await ctx.storage.delete("bytes")
        assert not await ctx.storage.has("bytes")
        return await ctx.storage.get("k" * 300)

    async def peek(ctx: Any) -> Any:
        with pytest.raises(KeyError, match="bytes"):
            await ctx.storage.get("bytes")
        return await ctx.storage.list()

    d = drive(flow(step("write", write), step("peek", peek)))
    ids = [await d.begun(input=n) for n in range(2)]
    for run_id in ids:
        await d.exhaust(run_id)
    for n, run_id in enumerate(ids):
        run = await d.run(run_id)
        assert (run.status, run.output, run.stages[0].output) == ("COMPLETED", [], [n])


async def test_a_plain_body_reaches_coroutines_through_block_on(drive: Drive) -> None:
    def body(ctx: Any) -> Any:
        ctx.block_on(ctx.storage.put("k", [1]))
        return ctx.block_on(ctx.storage.get("k"))

    d = drive(flow(step("one", body, plain=True), step("on the loop".replace(" ", "-"), body, retry=ONCE)))
    run = await d.through()
    assert run.stages[0].output == [1]
    assert run.error is not None
    assert run.error.startswith("RuntimeError: block_on was called on the event loop's own thread")


async def test_a_plain_body_does_not_hold_up_the_loop(drive: Drive) -> None:
    import threading

    release = threading.Event()
    d = drive(flow(step("slow", lambda ctx: release.wait(10), plain=True)), flow(step("one"), id="quick"))
    slow = await d.begun()
    executing = asyncio.create_task(d.execute(slow, "slow"))
    assert (await d.through("quick")).status == "COMPLETED"
    release.set()
    assert (await executing).output is True


async def test_what_a_body_knows_of_its_delivery(drive: Drive) -> None:
    seen: list[dict[str, Any]] = []

    @stage(id="second", name="The Second")
    async def second(ctx: StageContext[NoInput, NoConfig]) -> int:
        names = (
            "run_id",
            "workflow_id",
            "stage_id",
            "stage_name",
            "stage_number",
            "attempt",
            "resume_state",
            "cancelled",
        )
        seen.append({name: getattr(ctx, name) for name in names})
        return 1

    d = drive(flow(step("first"), second))
    run = await d.through()
    assert seen == [
        {
            "run_id": run.id,
            "workflow_id": "flow",
            "stage_id": "second",
            "stage_name": "The Second",
            "stage_number": 2,
            "attempt": 1,
            "resume_state": None,
            "cancelled": False,
        }
    ]


async def test_b179_jobs_are_processed_up_to_the_number_asked_for(drive: Drive) -> None:
    d = drive(flow(step("one", Acts("out", ValueError("x"), "out"))))
    for _ in range(3):
        await d.begun()
    first = await d.host.process_available_jobs(2)
    assert (first.processed, first.succeeded, first.failed) == (2, 1, 1)
    assert (await d.host.process_available_jobs(9)).processed == 1
    with pytest.raises(InvalidInput, match="job_id"):
        await d.host.handle_job({"run_id": "x", "workflow_id": "flow", "stage_id": "one"})
    gone = await d.host.handle_job({"job_id": "x", "run_id": "0" * 20, "workflow_id": "flow", "stage_id": "one"})
    assert gone.outcome == "failed"


async def test_b225_a_duplicate_message_meanwhile_does_no_harm(drive: Drive) -> None:
    body = Acts(ValueError("x"), "out")
    d = drive(flow(step("one", body)))
    run_id = await d.begun()
    message = {"job_id": "x", "run_id": run_id, "workflow_id": "flow", "stage_id": "one"}
    outcomes = await asyncio.gather(*(d.host.handle_job(message) for _ in range(4)))
    assert ([one.outcome for one in outcomes], body.calls) == (["failed"] * 4, 1)
    d.clock.advance(timedelta(seconds=1))
    assert (await d.host.handle_job(message)).outcome == "completed"


async def test_cancelling_a_serverless_call_ends_it_and_gives_the_job_back(drive: Drive) -> None:
    begun = asyncio.Event()

    async def body(ctx: StageContext[Any, Any]) -> str:
        begun.set()
        await asyncio.Event().wait()
        return "never"

    d = drive(flow(step("one", body)))
    run_id = await d.begun()
    call = asyncio.create_task(d.host.process_available_jobs(5))
    await begun.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    (stage,) = (await d.run(run_id)).stages
    assert (stage.status, stage.tries, stage.attempt) == ("PENDING", 0, 1)
