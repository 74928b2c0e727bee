"""Two operators at one run: one of them gets what they asked for, and the run has one history."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from race_workflows import WORKFLOWS, check_ended_once, create, event_types

from engine import CancelRun, CancelRunResult, IllegalTransition, RerunFrom, RerunFromResult
from engine.bootstrap import Engine, open_engine

ROUNDS = 12
LEASE = timedelta(minutes=10)


@pytest.fixture
async def engines(url: str) -> AsyncIterator[tuple[Engine, Engine]]:
    async with open_engine(url, workflows=WORKFLOWS) as here, open_engine(url, workflows=WORKFLOWS) as there:
        yield here, there


async def completed(engine: Engine, count: int) -> list[str]:
    run_ids = await create(engine, "double", count)
    async with engine.worker("w"):
        for run_id in run_ids:
            assert (await engine.wait(run_id, timeout=45)).status == "COMPLETED"
    return run_ids


async def rerun(engine: Engine, run_id: str, from_stage: str = "two") -> RerunFromResult | None:
    """None: refused, for the run was not over."""
    try:
        return await engine.dispatch(RerunFrom(run_id=run_id, from_stage_id=from_stage))
    except IllegalTransition:
        return None


async def cancel(engine: Engine, run_id: str) -> CancelRunResult:
    return await engine.dispatch(CancelRun(run_id=run_id))


async def finish(engine: Engine, run_id: str) -> list[str]:
    """The types of its events once the run is over."""
    async with engine.worker("w"):
        await engine.wait(run_id, timeout=45)
    await check_ended_once(engine, run_id)
    return await event_types(engine, run_id)


async def test_of_two_reruns_one_wins(engines: tuple[Engine, Engine]) -> None:
    here, there = engines
    for number, run_id in enumerate(await completed(here, ROUNDS)):
        stages = ("two", "one") if number % 2 else ("one", "two")
        found = await asyncio.gather(rerun(here, run_id, stages[0]), rerun(there, run_id, stages[1]))
        [won] = [one for one in found if one is not None]
        assert won.deleted_stages == (["one", "two"] if won.from_stage_id == "one" else ["two"])
        run = await here.inspector.run(run_id)
        assert (run.status, [one.status for one in run.stages][-1]) == ("RUNNING", "PENDING")
        types = await finish(here, run_id)
        assert types.count("run:rerun") == 1
        assert types.count("stage:completed") == 2 + len(won.deleted_stages)
        again = await here.inspector.run(run_id)
        # A stage that was not run again keeps its attempt; the others count on.
        assert {one.stage_id: one.attempt for one in again.stages} == {
            name: 2 if name in won.deleted_stages else 1 for name in ("one", "two")
        }


async def test_a_crowd_of_reruns_is_one(engines: tuple[Engine, Engine]) -> None:
    here, there = engines
    [run_id] = await completed(here, 1)
    found = await asyncio.gather(*(rerun(here if number % 2 else there, run_id) for number in range(32)))
    assert len([one for one in found if one is not None]) == 1
    assert (await finish(here, run_id)).count("run:rerun") == 1


@pytest.mark.parametrize("first", ["rerun", "cancel"])
async def test_a_rerun_against_a_cancel(engines: tuple[Engine, Engine], first: str) -> None:
    """Of a completed run: a cancel that comes first finds nothing to cancel, one that comes later ends the new life."""
    here, there = engines
    for run_id in await completed(here, ROUNDS):
        if first == "rerun":
            again, cancelled = await asyncio.gather(rerun(here, run_id), cancel(there, run_id))
        else:
            cancelled, again = await asyncio.gather(cancel(there, run_id), rerun(here, run_id))
        assert again is not None
        types = await finish(here, run_id)
        assert types.count("run:rerun") == 1
        assert types.count("workflow:cancelled") == int(cancelled.cancelled)
        assert (await here.inspector.run(run_id)).status == ("CANCELLED" if cancelled.cancelled else "COMPLETED")


async def test_a_cancel_against_a_rerun_of_a_running_run(engines: tuple[Engine, Engine]) -> None:
    """Of a run under way: the rerun is refused unless the cancel came before it."""
    here, there = engines
    taker = here.kernel.taker("w", LEASE)
    await create(here, "double", ROUNDS)
    for number, claimed in enumerate((await here.kernel.turn([], taker, ROUNDS)).claimed):
        run_id = claimed.job.run_id
        orders = [cancel(here, run_id), rerun(there, run_id, "one")]
        found = await asyncio.gather(*(reversed(orders) if number % 2 else orders))
        cancelled = next(one for one in found if isinstance(one, CancelRunResult))
        again = next((one for one in found if isinstance(one, RerunFromResult)), None)
        assert cancelled.cancelled
        # The delivery of the former life is a ghost either way.
        delivery = await here.kernel.carry_out(claimed, taker.lease)
        verdicts = [one.verdict for one in (await here.kernel.turn([delivery], taker, 0)).settled] if delivery else []
        assert verdicts in ([], ["ghost"])
        run = await here.inspector.run(run_id)
        assert (run.status, run.stages[0].status) == (
            ("CANCELLED", "CANCELLED") if again is None else ("RUNNING", "PENDING")
        )
        await finish(here, run_id)
