"""A cancel against the outcome of the same stage: one of them ends the run, the other finds it over."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from race_workflows import WORKFLOWS, check_counts, check_ended_once, create

from engine import CancelRun
from engine.bootstrap import Engine, open_engine
from engine.kernel.ending import Delivery, Verdict
from engine.kernel.settling import Settled

LEASE = timedelta(minutes=10)


@pytest.fixture
async def engines(url: str) -> AsyncIterator[tuple[Engine, Engine]]:
    """Two engines on one database: each with a writer of its own."""
    async with open_engine(url, workflows=WORKFLOWS) as here, open_engine(url, workflows=WORKFLOWS) as there:
        yield here, there


async def executed(engine: Engine, count: int) -> list[Delivery]:
    """So many runs, each with its body done and its outcome not yet written."""
    await create(engine, "single", count)
    taker = engine.kernel.taker("w", LEASE)
    claimed = (await engine.kernel.turn([], taker, count)).claimed
    found = await asyncio.gather(*(engine.kernel.carry_out(one, LEASE) for one in claimed))
    deliveries = [one for one in found if one is not None]
    assert len(deliveries) == count
    return deliveries


async def settle(engine: Engine, deliveries: list[Delivery]) -> list[Settled]:
    return (await engine.kernel.turn(deliveries, engine.kernel.taker("w", LEASE), 0)).settled


async def cancel(engine: Engine, deliveries: list[Delivery]) -> list[bool]:
    commands = [CancelRun(run_id=one.claimed.job.run_id) for one in deliveries]
    return [(await engine.dispatch(command)).cancelled for command in commands]


async def check_one_won(engine: Engine, delivery: Delivery, verdict: Verdict, cancelled: bool) -> str:
    """The run's status."""
    run = await check_ended_once(engine, delivery.claimed.job.run_id)
    [ended] = run.stages
    assert (run.status, ended.status, verdict, cancelled) in (
        ("COMPLETED", "COMPLETED", "completed", False),
        ("CANCELLED", "CANCELLED", "ghost", True),
    )
    assert (run.output is None) is cancelled
    logged = (await engine.inspector.logs(run.id)).items
    said = [line.message for line in logged if line.level == "INFO"]
    # What was said while the lease stood may have been written live.
    assert said == ["one"] or (cancelled and said == [])
    return run.status


async def race(here: Engine, there: Engine, count: int, together: int) -> Counter[str]:
    """Outcomes `together` in a turn against cancels of the same runs, begun in alternating order."""
    deliveries = await executed(here, count)
    statuses: Counter[str] = Counter()
    for start in range(0, count, together):
        batch = deliveries[start : start + together]
        settling, cancelling = settle(here, batch), cancel(there, batch)
        if (start // together) % 2:
            settled, cancelled = await asyncio.gather(settling, cancelling)
        else:
            cancelled, settled = await asyncio.gather(cancelling, settling)
        for delivery, one, was_cancelled in zip(batch, settled, cancelled, strict=True):
            statuses[await check_one_won(here, delivery, one.verdict, was_cancelled)] += 1
    await check_counts(here, "single", statuses)
    return statuses


async def test_b119_on_one_engine_whoever_comes_first_wins(engines: tuple[Engine, Engine]) -> None:
    statuses = await race(engines[0], engines[0], count=40, together=1)
    assert statuses == Counter(COMPLETED=20, CANCELLED=20)


async def test_between_two_engines_one_wins(engines: tuple[Engine, Engine]) -> None:
    assert (await race(*engines, count=40, together=1)).total() == 40


async def test_a_cancelled_run_does_not_take_its_neighbours_along(engines: tuple[Engine, Engine]) -> None:
    assert (await race(*engines, count=60, together=10)).total() == 60


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("together", [1, 10])
async def test_a_thousand_races(engines: tuple[Engine, Engine], together: int) -> None:
    statuses = await race(*engines, count=1000, together=together)
    assert statuses.total() == 1000
    print(dict(statuses))


async def test_many_cancels_of_one_run_are_one(engines: tuple[Engine, Engine]) -> None:
    here, there = engines
    [run_id] = await create(here, "single", 1)
    answers = await asyncio.gather(
        *((here if number % 2 else there).dispatch(CancelRun(run_id=run_id)) for number in range(32))
    )
    assert [answer.cancelled for answer in answers].count(True) == 1
    await check_ended_once(here, run_id)
