"""Suspended stages in trouble: redelivered bodies, lost definitions, checks that hang, stores that fail."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from kernel_driver import LEASE, Drive
from kernel_workflows import MINUTE, SUBMITTED, Acts, batch, flow, step

from engine import Completion, RetryFailed, Suspend, Workflow
from engine.blobs.memory import MemoryBlobStore
from engine.kernel.procedures import stage_poll_suspended
from engine.model.status import JobStatus

LARGE = "x" * 300_000


class FullDisk(MemoryBlobStore):
    """Refuses the first puts."""

    def __init__(self, refusals: int) -> None:
        super().__init__()
        self.refusals = refusals

    async def put(self, key: str, data: bytes) -> None:
        if self.refusals:
            self.refusals -= 1
            raise OSError(28, "No space left on device")
        await super().put(key, data)


async def test_b136_a_retried_body_has_its_state_again(drive: Drive) -> None:
    """The batch failed and is retried by hand: the body runs again and may look at what it had submitted."""
    submit = Acts(SUBMITTED)
    d = drive(flow(batch("ask", Acts(Completion.failed("expired"), Completion.ready("out")), submit)))
    run_id = (await d.through()).id
    d.clock.advance(MINUTE)
    await d.poll()
    await d.dispatch(RetryFailed(run_id=run_id))
    await d.drain()
    d.clock.advance(MINUTE)
    await d.poll()
    assert (await d.run(run_id)).output == "out"
    assert submit.calls == 2


async def test_b136_a_redelivered_body_has_the_state_it_submitted(drive: Drive) -> None:
    states: list[Any] = []

    def submit(ctx: Any) -> Any:
        states.append(ctx.resume_state)
        return SUBMITTED

    d = drive(flow(batch("ask", submit=submit)))
    run_id = (await d.through()).id
    await d.kernel.persistence.transact(lambda work: _make_due(work, run_id))
    await d.drain()
    assert states == [None, {"batch": "b-1"}]
    assert (await d.stage(run_id, "ask")).attempt == 2


def _make_due(work: Any, run_id: str) -> None:
    """As if the outcome of the job had been lost on an older engine."""
    work.jobs.save([job._replace(status=JobStatus.PENDING) for job in work.jobs.of_run(run_id)])


async def test_b221_an_answer_the_disk_has_no_room_for_is_asked_for_again(drive: Drive) -> None:
    check = Acts(Completion.ready(LARGE))
    d = drive(flow(batch("ask", check)), blobs=FullDisk(1))
    run_id = (await d.through()).id
    d.clock.advance(MINUTE)
    await d.poll()
    stage = await d.stage(run_id, "ask")
    assert (stage.status, stage.error) == ("SUSPENDED", "OSError: [Errno 28] No space left on device")
    d.clock.advance(10 * MINUTE)
    await d.poll()
    run = await d.run(run_id)
    assert (run.status, run.output == LARGE, check.calls) == ("COMPLETED", True, 2)


async def test_b221_an_output_the_disk_has_no_room_for_is_a_failed_try(drive: Drive) -> None:
    body = Acts(LARGE)
    d = drive(flow(step("one", body)), blobs=FullDisk(1))
    run_id = (await d.through()).id
    stage = await d.stage(run_id, "one")
    assert (stage.status, stage.tries) == ("PENDING", 1)
    d.clock.advance(MINUTE)
    await d.drain()
    assert ((await d.run(run_id)).output == LARGE, body.calls) == (True, 2)


@pytest.mark.parametrize(
    "now_known", [[], [flow(step("renamed"))], [flow(step("ask"))]], ids=["workflow", "stage", "check"]
)
async def test_b100_a_definition_that_vanished_leaves_its_stage_waiting(
    drive: Drive, tmp_path: Path, now_known: list[Workflow]
) -> None:
    """Whatever its deadline: nobody here can know that the work outside is not done."""
    d = drive(flow(batch("ask", Acts(Completion.ready("out")))), path=tmp_path / "runs.db")
    newer = drive(*now_known, path=tmp_path / "runs.db", clock=d.clock)
    run_id = (await d.through()).id
    d.clock.advance(timedelta(days=2))
    assert (await newer.poll()).checked == 0
    stage = await newer.stage(run_id, "ask")
    assert (stage.status, stage.polls, stage.error, stage.last_poll_at) == ("SUSPENDED", 0, None, None)
    d.clock.advance(MINUTE)
    assert (await d.poll()).resumed == 1
    assert (await d.run(run_id)).output == "out"


async def test_a_check_that_hangs_is_cut_off_and_asked_again(drive: Drive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage_poll_suspended, "CHECK_SECONDS", 0.03)
    never = asyncio.Event()
    check = Acts(lambda state, ctx: never.wait(), Completion.ready("out"))
    d = drive(flow(batch("ask", check)))
    run_id = (await d.through()).id
    d.clock.advance(MINUTE)
    await d.poll()
    stage = await d.stage(run_id, "ask")
    assert (stage.status, stage.error) == ("SUSPENDED", "check_completion took longer than 0.03 s")
    d.clock.advance(10 * MINUTE)
    await d.poll()
    assert (await d.run(run_id)).output == "out"


async def test_a_timeout_of_the_checks_own_is_told_as_such(drive: Drive) -> None:
    d = drive(flow(batch("ask", Acts(TimeoutError("upstream")))))
    run_id = (await d.through()).id
    d.clock.advance(MINUTE)
    await d.poll()
    assert (await d.stage(run_id, "ask")).error == "TimeoutError: upstream"


async def test_b095_a_check_that_waited_too_long_for_its_turn_is_not_made(
    drive: Drive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its lease could end during the check, and somebody else ask at the same time."""
    monkeypatch.setattr(stage_poll_suspended, "AT_ONCE", 1)
    monkeypatch.setattr(stage_poll_suspended, "POLL_LEASE", timedelta(seconds=stage_poll_suspended.CHECK_SECONDS))
    check = Acts(Completion.waiting())
    d = drive(flow([batch("a", check), batch("b", check)]))
    await d.through()
    d.clock.advance(MINUTE)
    polled = await d.poll()
    assert (polled.checked, check.calls) == (0, 0)
    d.clock.advance(MINUTE)
    monkeypatch.setattr(stage_poll_suspended, "POLL_LEASE", timedelta(seconds=60))
    assert ((await d.poll()).checked, check.calls) == (2, 2)


@pytest.mark.parametrize("place", ["poll_every", "max_wait"])
async def test_who_waits_for_ever_poisons_nothing(drive: Drive, place: str) -> None:
    """No instant is that late; whoever shares the transaction would go down with it."""
    submit = Suspend(state={}, **{"poll_every": MINUTE, "max_wait": MINUTE, place: timedelta.max})
    d = drive(flow([batch("ask", Acts(Completion.waiting(timedelta.max)), submit), step("one")]))
    run_id = await d.begun()
    ended = [await d.carry_out(claimed) for claimed in await d.take(free=2)]
    assert sorted(await d.settle(*ended)) == ["completed", "suspended"]
    stage = await d.stage(run_id, "ask")
    assert stage.next_poll_at is not None
    assert stage.max_wait_until is not None
    assert (max(stage.next_poll_at, stage.max_wait_until) - d.clock.now()).days == 36_500


async def test_a_failed_batch_leaves_no_job_behind(drive: Drive) -> None:
    d = drive(flow(batch("ask", Acts(Completion.failed("expired")))))
    run_id = (await d.through()).id
    d.clock.advance(MINUTE)
    await d.poll()
    jobs = await d.kernel.persistence.transact(lambda work: work.jobs.of_run(run_id))
    assert jobs == []


async def test_the_lease_of_a_submitting_body_may_end_like_any_other(drive: Drive) -> None:
    submit = Acts(Suspend(state={"n": 1}))
    d = drive(flow(batch("ask", submit=submit)))
    run_id = await d.begun()
    claimed = await d.take_one()
    late = await d.carry_out(claimed)
    d.clock.advance(LEASE)
    await d.reap()
    await d.drain()
    assert await d.settle(late) == ["ghost"]
    stage = await d.stage(run_id, "ask")
    assert (stage.status, stage.attempt) == ("SUSPENDED", 2)
    assert (await d.types(run_id)).count("stage:suspended") == 1
