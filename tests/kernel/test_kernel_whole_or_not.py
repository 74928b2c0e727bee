"""What can't be half done: each of these was a defect of an engine that wrote its rows and its queue apart."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from kernel_driver import Drive, Driver
from kernel_workflows import Acts, batch, flow, step
from pydantic import BaseModel

from engine import (
    CancelRun,
    ClaimPendingRuns,
    ExecuteJob,
    NonRetryable,
    RerunFrom,
    TransitionRun,
)
from engine.model.status import RunStatus, StageStatus
from engine.stores.sql.outbox import SqlOutbox


class Word(BaseModel):
    word: str = "hello"


class Interrupted(Exception):
    """What stands for a process that dies, in the middle of a transaction."""


@pytest.fixture
def interrupt(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """The next transaction that writes events breaks there, with rows and jobs already written."""
    append = SqlOutbox.append

    def breaks(self: SqlOutbox, records: Any) -> None:
        if records:
            monkeypatch.setattr(SqlOutbox, "append", append)
            raise Interrupted
        append(self, records)

    return lambda: monkeypatch.setattr(SqlOutbox, "append", breaks)


async def jobs_of(d: Driver, run_id: str) -> list[tuple[str, str]]:
    found = await d.kernel.persistence.transact(lambda work: work.jobs.of_run(run_id))
    return [(job.stage_id, str(job.status)) for job in found]


async def test_b032_an_interrupted_claim_leaves_no_rows_to_stumble_over(
    drive: Drive, interrupt: Callable[[], None]
) -> None:
    d = drive(flow([step("a"), step("b"), step("c")]))
    run_id = await d.create()
    interrupt()
    with pytest.raises(Interrupted):
        await d.begin()
    run = await d.run(run_id)
    assert (run.status, run.stages, await jobs_of(d, run_id)) == (RunStatus.PENDING, [], [])
    (claimed,) = (await d.dispatch(ClaimPendingRuns(worker_id="w"))).claimed
    assert len(claimed.job_ids) == 3


async def test_b033_what_is_under_way_is_not_claimed_a_second_time(drive: Drive) -> None:
    d = drive(flow(step("one")))
    run_id = await d.begun()
    await d.take_one()
    before = await d.stage(run_id, "one")
    assert (await d.dispatch(ClaimPendingRuns(worker_id="other"))).claimed == []
    assert await d.stage(run_id, "one") == before


@pytest.mark.parametrize("status", list(RunStatus))
async def test_b036_a_claim_tells_every_status_from_pending(drive: Drive, status: RunStatus) -> None:
    d = drive(flow(step("one")))
    run_id = await d.create()
    await d.raw(run_id, status=status)
    assert (await d.run(run_id)).status == status
    assert await d.begin() == ([run_id] if status is RunStatus.PENDING else [])


async def test_b054_config_and_input_hold_nothing_but_what_was_given(drive: Drive) -> None:
    d = drive(flow(step("one", lambda ctx: ctx.config.model_dump(), config=Word), step("two")))
    run = await d.through(input={"n": 1}, config={"one": {"word": "bye"}})
    assert (run.input, run.config) == ({"n": 1}, {"one": {"word": "bye"}, "two": {}})
    assert [(stage.input, stage.config) for stage in run.stages] == [
        ({"n": 1}, {"word": "bye"}),
        ({"word": "bye"}, {}),
    ]


async def test_b108_a_stage_that_failed_for_good_has_no_try_in_the_queue(drive: Drive) -> None:
    d = drive(flow([step("bad", Acts(NonRetryable("no"))), step("good")]))
    run_id = await d.begun()
    assert (await d.dispatch(ExecuteJob(run_id=run_id, workflow_id="flow", stage_id="bad"))).outcome == "failed"
    assert await jobs_of(d, run_id) == [("good", "PENDING")]
    assert (await d.run(run_id)).status == RunStatus.RUNNING
    await d.drain()
    assert (await d.run(run_id)).error == "no"


async def test_b110_two_that_end_a_group_at_once_open_the_next_one_once(drive: Drive) -> None:
    d = drive(flow([step("a"), step("b")], step("next")))
    run_id = await d.begun()
    deliveries = [await d.carry_out(claimed) for claimed in await d.take(free=2)]
    assert await d.settle(*deliveries) == ["completed", "completed"]
    assert (await d.dispatch(TransitionRun(run_id=run_id))).action == "noop"
    assert await jobs_of(d, run_id) == [("next", "PENDING")]
    assert [stage.stage_id for stage in (await d.run(run_id)).stages] == ["a", "b", "next"]


async def test_b126_b224_an_interrupted_rerun_changed_nothing_and_its_key_is_free(
    drive: Drive, interrupt: Callable[[], None]
) -> None:
    d = drive(flow(step("one"), step("two")))
    run = await d.through()
    command = RerunFrom(run_id=run.id, from_stage_id="two", idempotency_key="again")
    interrupt()
    with pytest.raises(Interrupted):
        await d.dispatch(command)
    assert await d.run(run.id) == run
    assert await jobs_of(d, run.id) == []
    assert (await d.dispatch(command)).deleted_stages == ["two"]
    assert await jobs_of(d, run.id) == [("two", "PENDING")]
    assert (await d.dispatch(command)).deleted_stages == ["two"], "the same answer, and no second rerun"
    assert await jobs_of(d, run.id) == [("two", "PENDING")]


async def test_b184_what_a_command_does_not_speak_of_stays(drive: Drive) -> None:
    d = drive(flow(step("one"), batch("ask")))
    run_id = await d.create(input={"n": 1}, metadata={"tenant": "x"}, priority=9)
    await d.drain()
    before = await d.run(run_id)
    await d.dispatch(CancelRun(run_id=run_id))
    after = await d.run(run_id)
    assert after.status == RunStatus.CANCELLED
    changed = {"status", "waiting", "completed_at", "duration_ms", "stages", "current_stages", "idle_ms", "progress"}
    assert before.model_dump(exclude=changed) == after.model_dump(exclude=changed)
    assert after.stages[0] == before.stages[0]
    kept = {"status", "completed_at", "duration_ms", "next_poll_at", "attempts"}
    assert before.stages[1].model_dump(exclude=kept) == after.stages[1].model_dump(exclude=kept)
    assert after.stages[1].status == StageStatus.CANCELLED
    assert after.stages[1].next_poll_at is None, "what it says is cleared"
