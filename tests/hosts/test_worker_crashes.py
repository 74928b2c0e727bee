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


@pytest.mark.parametrize("workflow", ["gated", "gated-deaf", "gated-plain"])
async def test_a_frozen_worker_whose_lease_was_reaped_can_write_nothing(yard: Yard, desk: Engine, workflow: str) -> None:
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
    assert await said_in(desk, run) == [("before", 1), ("before", 2), ("after", 2)]


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


async def test_a_body_that_blocks_the_loop_keeps_its_lease(yard: Yard, desk: Engine) -> None:
    yard.start("blocked", lease=LEASE, concurrency=1)
    run = await yard.create(desk, "gated-loop")
    run.entered(1)
    yard.start("waiting", lease=LEASE)

    def lease_end() -> float:
        [(micros,)] = yard.rows("SELECT leased_until FROM job_queue WHERE run_id = ? AND status = 'RUNNING'", run.id)
        assert isinstance(micros, int)
        return micros / 1_000_000

    first = lease_end()
    until(lambda: lease_end() - first > 3 * LEASE, "renewed for three leases")
    run.open()
    done = await finished(desk, run)
    assert (done.status, done.stages[0].attempt, done.stages[0].worker_id) == ("COMPLETED", 1, "blocked")
    assert not run.has("entered-2")
    assert "lease:reaped" not in [event.type for event in (await desk.inspector.events(run.id)).items]
