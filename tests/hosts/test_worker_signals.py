"""Signals to a worker: the first drains, the second gives everything back; either way it leaves with 0."""

from __future__ import annotations

import signal

import pytest
from worker_yard import GatedRun, WorkerProcess, Yard

from engine.bootstrap import Engine
from engine.inspector import RunDetail

STOPS = [signal.SIGTERM, signal.SIGINT]


def left_behind(yard: Yard) -> list[tuple[object, ...]]:
    """Jobs somebody still holds."""
    return yard.rows(
        "SELECT id FROM job_queue WHERE status = 'RUNNING' OR status = 'PENDING' AND lease_token IS NOT NULL"
    )


def statuses(run: RunDetail) -> dict[str, str]:
    return {one.stage_id: one.status for one in run.stages}


async def begun(yard: Yard, desk: Engine, workflow: str, **worker: float) -> tuple[WorkerProcess, GatedRun]:
    """A worker inside the first attempt of a run's first stage."""
    run = await yard.create(desk, workflow)
    started = yard.start("first", **worker)
    run.entered(1)
    return started, run


@pytest.mark.parametrize("stop", STOPS)
@pytest.mark.parametrize("workflow", ["gated", "gated-plain"])
async def test_the_first_signal_drains(yard: Yard, desk: Engine, workflow: str, stop: signal.Signals) -> None:
    worker, run = await begun(yard, desk, workflow)
    worker.send(stop)
    assert "1 running" in worker.says("draining")
    later = await yard.create(desk, "quick")
    run.open()
    assert worker.exit_code() == 0

    drained = await desk.inspector.run(run.id)
    assert statuses(drained) == {"hold": "COMPLETED", "after": "PENDING"}
    assert drained.stages[0].output == {"attempt": 1}
    # The turn that was under way when the signal came may have taken it: then it was given back untouched.
    untouched = (await desk.inspector.run(later.id)).stages
    assert [(stage.status, stage.tries) for stage in untouched] in ([], [("PENDING", 0)])
    assert left_behind(yard) == []
    assert await desk.inspector.workers() == []

    async with desk.worker("successor"):
        done = await desk.wait(run.id, timeout=45)
    assert (done.status, done.stages[0].attempt, done.stages[1].worker_id) == ("COMPLETED", 1, "successor")


@pytest.mark.parametrize("stop", STOPS)
@pytest.mark.parametrize("workflow", ["gated", "gated-plain", "gated-deaf"])
async def test_the_second_signal_gives_leases_back(
    yard: Yard, desk: Engine, workflow: str, stop: signal.Signals
) -> None:
    worker, run = await begun(yard, desk, workflow)
    worker.send(stop)
    worker.says("draining")
    worker.send(stop)
    if workflow == "gated-deaf":
        # This body does not let itself be interrupted; its job goes back all the same.
        run.wait_for_job(yard, "PENDING")
        run.open()
    assert worker.exit_code() == 0

    [(status, attempt, tries, due)] = yard.rows(
        "SELECT status, attempt, tries, due_at FROM job_queue WHERE run_id = ?", run.id
    )
    assert (status, attempt, tries, due) == ("PENDING", 1, 0, None)
    given_back = (await desk.inspector.run(run.id)).stages[0]
    assert (given_back.status, given_back.tries, given_back.retry_at) == ("PENDING", 0, None)
    assert left_behind(yard) == []
    assert await desk.inspector.workers() == []

    async with desk.worker("successor"):
        done = await desk.wait(run.id, timeout=45)
    held = done.stages[0]
    assert (done.status, held.attempt, held.tries, held.worker_id) == ("COMPLETED", 2, 1, "successor")
    assert "after" not in [line.message for line in (await desk.inspector.logs(run.id)).items if line.attempt == 1]


async def test_a_drain_ends_at_its_limit(yard: Yard, desk: Engine) -> None:
    worker, run = await begun(yard, desk, "gated", drain=0.2)
    worker.send(signal.SIGTERM)
    assert worker.exit_code() == 0
    assert not run.has("left-1")
    assert left_behind(yard) == []
    async with desk.worker("successor"):
        done = await desk.wait(run.id, timeout=45)
    assert (done.status, done.stages[0].attempt, done.stages[0].tries) == ("COMPLETED", 2, 1)


async def test_a_plain_body_that_never_ends_holds_nobody_up(yard: Yard, desk: Engine) -> None:
    worker, run = await begun(yard, desk, "endless", drain=0.2)
    worker.send(signal.SIGTERM)
    assert worker.exit_code() == 0
    assert left_behind(yard) == []
    async with desk.worker("successor"):
        assert (await desk.wait(run.id, timeout=45)).output == {"attempt": 2}


async def test_a_body_that_exits_ends_its_stage_and_not_its_worker(yard: Yard, desk: Engine) -> None:
    worker = yard.start("first")
    leaving = await desk.wait((await yard.create(desk, "exits")).id, timeout=45)
    assert leaving.status == "FAILED"
    assert leaving.error == "SystemExit: 3"
    following = await desk.wait((await yard.create(desk, "quick")).id, timeout=45)
    assert (following.status, following.stages[0].worker_id) == ("COMPLETED", "first")
    worker.send(signal.SIGTERM)
    assert worker.exit_code() == 0


async def test_an_idle_worker_leaves_at_once(yard: Yard, desk: Engine) -> None:
    worker = yard.start("idle", drain=600)
    worker.send(signal.SIGTERM)
    assert "0 running" in worker.says("draining")
    assert worker.exit_code() == 0
    assert await desk.inspector.workers() == []
