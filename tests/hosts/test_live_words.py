"""What bodies say reaches the store while they run, and a cancel reaches them, whatever else their worker does."""

from __future__ import annotations

import asyncio
import json
import statistics
import time

import pytest
from gated_workflows import ROUNDS, mark
from worker_yard import GatedRun, Yard, until

from engine import CancelRun
from engine.bootstrap import Engine

KINDS = ["talk-async", "talk-plain", "talk-loop"]


def heard(yard: Yard, run: GatedRun, turn: int) -> float:
    """Seconds from saying a line to finding it in the store."""
    found: list[tuple[object, ...]] = []

    def look() -> bool:
        found[:] = yard.rows(
            "SELECT fields FROM workflow_logs WHERE run_id = ? AND message = ?", run.id, f"word {turn}"
        )
        return bool(found)

    until(look, f"word {turn}")
    seconds = time.time() - json.loads(str(found[0][0]))["at"]
    mark(run.folder / f"heard-{turn}")
    return seconds


def seen(yard: Yard, run: GatedRun, turn: int) -> float:
    """Seconds from reporting progress to finding it in the stage's row."""
    words: list[str] = []

    def look() -> bool:
        [(message, reached)] = yard.rows(
            "SELECT progress_message, progress FROM workflow_stages WHERE run_id = ?", run.id
        ) or [("", 0)]
        words[:] = str(message).split()
        return words[:2] == ["step", str(turn)] and reached == (turn + 1) / ROUNDS

    until(look, f"step {turn}")
    seconds = time.time() - float(words[2])
    mark(run.folder / f"heard-{turn}")
    return seconds


@pytest.mark.parametrize("workflow", KINDS)
async def test_d14_log_lines_are_live(yard: Yard, desk: Engine, workflow: str) -> None:
    yard.start("w")
    run = await yard.create(desk, workflow)
    delays = [heard(yard, run, turn) for turn in range(ROUNDS)]
    assert (await desk.wait(run.id, timeout=45)).status == "COMPLETED"
    assert statistics.median(delays) < 0.25, delays


@pytest.mark.parametrize("workflow", KINDS)
async def test_d14_progress_is_live(yard: Yard, desk: Engine, workflow: str) -> None:
    yard.start("w")
    run = await yard.create(desk, workflow, tag="progress")
    delays = [seen(yard, run, turn) for turn in range(ROUNDS)]
    done = await desk.wait(run.id, timeout=45)
    assert (done.status, done.stages[0].progress) == ("COMPLETED", 1.0)
    assert statistics.median(delays) < 0.5, delays
    told = [event for event in (await desk.inspector.events(run.id)).items if event.type == "stage:progress"]
    assert len(told) == ROUNDS


async def cancel(desk: Engine, run: GatedRun) -> float:
    """Cancel the run from this process; seconds until its body, in another, noticed."""
    asked = time.time()
    assert (await desk.dispatch(CancelRun(run_id=run.id, reason="enough"))).cancelled
    until(lambda: run.has("noticed"), "the body noticed")
    return float(run.text("noticed")) - asked


@pytest.mark.parametrize("workflow", ["watchful", "interrupted"])
async def test_a_cancel_reaches_a_body_in_another_process(yard: Yard, desk: Engine, workflow: str) -> None:
    worker = yard.start("w")
    run = await yard.create(desk, workflow)
    run.entered(1)
    assert await cancel(desk, run) < 1.0
    detail = await desk.inspector.run(run.id)
    assert (detail.status, detail.stages[0].status) == ("CANCELLED", "CANCELLED")
    assert not worker.gone


async def test_a_cancel_reaches_a_body_on_a_worker_that_never_rests(yard: Yard, desk: Engine) -> None:
    yard.start("w", concurrency=2)
    run = await yard.create(desk, "interrupted")
    run.entered(1)
    stop = asyncio.Event()
    flowing = asyncio.Event()

    async def keep_busy() -> None:
        while not stop.is_set():
            crowd = await asyncio.gather(*(yard.create(desk, "quick") for _ in range(20)))
            await desk.wait(crowd[0].id, timeout=45)
            flowing.set()

    busy = asyncio.create_task(keep_busy())
    await flowing.wait()
    asked = time.time()
    assert (await desk.dispatch(CancelRun(run_id=run.id))).cancelled
    while not run.has("noticed"):
        assert time.time() - asked < 10, "the body never noticed"
        await desk.changed(0.05)
    stop.set()
    await busy
    assert float(run.text("noticed")) - asked < 1.5
