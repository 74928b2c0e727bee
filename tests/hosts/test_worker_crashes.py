"""Workers that freeze, die or don't let go of their loop: nothing is lost, nothing is done twice."""

from __future__ import annotations

import signal

import pytest
from worker_yard import GatedRun, Yard, until

from engine.bootstrap import Engine
from engine.inspector import RunDetail

LEASE = 1.0


async def finished(engine: Engine, run: GatedRun) -> RunDetail:
    return await engine.wait(run.id, timeout=45)


async def said_in(engine: Engine, run: GatedRun) -> list[tuple[str, int | None]]:
    """What the bodies said, oldest first."""
    return [(line.message, line.attempt) for line in reversed((await engine.inspector.logs(run.id)).items)]


@pytest.mark.parametrize("workflow", ["gated", "gated-deaf", "gated-plain", "gated-chatty"])
async def test_a_frozen_worker_whose_lease_was_reaped_can_write_nothing(
    yard: Yard, desk: Engine, workflow: str
) -> None:
    frozen = yard.start("frozen", lease=LEASE)
    run = await yard.create(desk, workflow)
    run.entered(1)
    until(lambda: yard.rows("SELECT 1 FROM workflow_logs WHERE message = 'before'"), "its words came live")
    yard.freeze(frozen)

    other = yard.start("other", lease=LEASE)
    done = await finished(desk, run)
    assert done.status == "COMPLETED"
    assert done.output == {"attempt": 2}
    assert {one.worker_id for one in done.stages} == {"other"}
    before = yard.everything()

    run.open()
    frozen.thaw()
    if workflow != "gated":
        until(lambda: run.has("left-1"), "the late body went on to its end")
    frozen.send(signal.SIGTERM)
    assert frozen.exit_code() == 0
    assert not other.gone
    assert yard.everything() == before


@pytest.mark.parametrize("workflow", ["gated", "gated-plain"])
async def test_a_killed_worker_loses_nothing(yard: Yard, desk: Engine, workflow: str) -> None:
    victim = yard.start("victim", lease=LEASE)
    run = await yard.create(desk, workflow)
    run.entered(1)
    until(lambda: yard.rows("SELECT 1 FROM workflow_logs WHERE message = 'before'"), "its words came live")
    victim.kill()

    yard.start("heir", lease=LEASE)
    done = await finished(desk, run)
    held = done.stages[0]
    assert (done.status, held.attempt, held.worker_id) == ("COMPLETED", 2, "heir")
    assert [(one.attempt, one.worker_id) for one in held.attempts] == [(1, "victim"), (2, "heir")]
    assert held.attempts[0].error is not None
    assert held.attempts[0].error.startswith("LEASE_LOST: victim")
    assert held.error is None
    assert await said_in(desk, run) == [("before", 1), ("before", 2), ("after", 2)]
    events = (await desk.inspector.events(run.id)).items
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
    assert [event.type for event in events].count("lease:reaped") == 1
    assert [event.type for event in events].count("stage:completed") == 2


async def test_a_stage_that_kills_every_worker_reaches_its_limit(yard: Yard, desk: Engine) -> None:
    run = await yard.create(desk, "gated-loop")
    for attempt in (1, 2, 3):
        victim = yard.start(f"victim-{attempt}", lease=0.5)
        run.entered(attempt)
        victim.kill()
    yard.start("last", lease=0.5)
    done = await finished(desk, run)
    assert (done.status, done.error_code) == ("FAILED", "CRASH_LIMIT")
    assert done.stages[0].attempt == 3
    assert not run.has("entered-4")


def leased_for(yard: Yard, run: GatedRun, leases: float) -> None:
    """Wait until every lease of the run was lengthened by so many times its length."""

    def ends() -> list[int]:
        rows = yard.rows("SELECT leased_until FROM job_queue WHERE run_id = ? AND status = 'RUNNING'", run.id)
        return [micros for (micros,) in rows if isinstance(micros, int)]

    first = max(ends())
    until(lambda: min(ends()) - first > leases * LEASE * 1_000_000, "renewed again and again")


async def test_a_body_that_blocks_the_loop_keeps_its_lease(yard: Yard, desk: Engine) -> None:
    yard.start("blocked", lease=LEASE, concurrency=1)
    run = await yard.create(desk, "gated-loop")
    run.entered(1)
    yard.start("waiting", lease=LEASE)
    leased_for(yard, run, 3)
    run.open()
    done = await finished(desk, run)
    assert (done.status, done.stages[0].attempt, done.stages[0].worker_id) == ("COMPLETED", 1, "blocked")
    assert not run.has("entered-2")
    assert "lease:reaped" not in [event.type for event in (await desk.inspector.events(run.id)).items]


async def test_an_outcome_behind_a_blocked_loop_keeps_its_lease(yard: Yard, desk: Engine) -> None:
    """The loop is blocked three turns after the body's end: the delivery is over, its outcome on its way."""
    yard.start("blocked", lease=LEASE)
    run = await yard.create(desk, "relay", tag="3")
    run.entered(1)
    until(lambda: run.has("leader-1"), "both began")
    yard.start("waiting", lease=LEASE)
    run.open()
    until(lambda: run.has("blocking"), "the loop is blocked")
    assert len(yard.rows("SELECT id FROM job_queue WHERE status = 'RUNNING'")) == 2
    leased_for(yard, run, 3)
    (run.folder / "release").touch()
    done = await finished(desk, run)
    assert (done.status, [one.attempt for one in done.stages]) == ("COMPLETED", [1, 1])
    assert not run.has("leader-2")
