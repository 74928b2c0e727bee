"""What a worker does next: the run at hand goes on, but not past a higher priority and not for ever."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import timedelta

import pytest
from counted_bodies import Number, chain, create, ended

from engine import NoConfig, StageContext
from engine.hosts import WorkerHost
from engine.kernel.ending import Completed, Delivery
from engine.kernel.rules.hand_off import MAX_IN_A_ROW
from engine.testing import make_kernel
from engine.testing.make_kernel import KernelForTests


class Journal:
    """The order of everything executed, and what to do when it comes to a certain stage."""

    def __init__(self) -> None:
        self.visits: list[tuple[str, int]] = []
        self.at: dict[tuple[str, int], Callable[[], object]] = {}

    def visit(self, ctx: StageContext[Number, NoConfig]) -> object:
        step = (ctx.workflow_id, ctx.stage_number)
        self.visits.append(step)
        return self.at[step]() if step in self.at else None

    def position(self, workflow_id: str, number: int) -> int:
        return self.visits.index((workflow_id, number))


@pytest.fixture
def journal() -> Journal:
    return Journal()


@pytest.fixture
async def kernel(journal: Journal) -> AsyncIterator[KernelForTests]:
    made = make_kernel([chain("long", 40, journal.visit), chain("short", 2, journal.visit)])
    yield made
    await made.close()


async def test_a_run_stays_on_its_worker_while_nothing_else_waits(kernel: KernelForTests, journal: Journal) -> None:
    first = await create(kernel, "long", "a")
    async with WorkerHost(kernel, "w", concurrency=1):
        assert await ended(kernel, [first]) == {first: "COMPLETED"}
    assert journal.visits == [("long", number) for number in range(1, 41)]


async def test_at_most_so_many_stages_of_a_run_in_a_row(kernel: KernelForTests, journal: Journal) -> None:
    """An older run's next stage becomes due while a younger one is on its way, at the same priority."""
    older = await create(kernel, "short", "older")
    elsewhere = kernel.taker("elsewhere", timedelta(seconds=60))
    [held] = (await kernel.turn([], elsewhere, 1)).claimed
    assert held.job.run_id == older
    younger = await create(kernel, "long", "younger")

    async def elsewhere_ends() -> None:
        turn = await kernel.turn([Delivery(held, Completed('{"n":1}'))], elsewhere, 0)
        assert [one.verdict for one in turn.settled] == ["completed"]

    journal.at["long", 3] = elsewhere_ends
    async with WorkerHost(kernel, "w", concurrency=1):
        assert set((await ended(kernel, [older, younger])).values()) == {"COMPLETED"}
    # The first stage comes with the claim of the run; it and those after it are hand-offs.
    assert journal.position("short", 2) == MAX_IN_A_ROW


async def test_a_higher_priority_goes_first(kernel: KernelForTests, journal: Journal) -> None:
    urgent: list[str] = []

    async def something_urgent() -> None:
        urgent.append(await create(kernel, "short", "urgent", priority=9))

    journal.at["long", 3] = something_urgent
    first = await create(kernel, "long", "a")
    async with WorkerHost(kernel, "w", concurrency=1):
        assert await ended(kernel, [first]) == {first: "COMPLETED"}
        assert await ended(kernel, urgent) == {urgent[0]: "COMPLETED"}
    assert journal.visits[:6] == [("long", 1), ("long", 2), ("long", 3), ("short", 1), ("short", 2), ("long", 4)]


async def test_a_lower_priority_waits_until_the_run_is_done(kernel: KernelForTests, journal: Journal) -> None:
    async def something_idle() -> None:
        idle.append(await create(kernel, "short", "idle", priority=1))

    idle: list[str] = []
    journal.at["long", 3] = something_idle
    first = await create(kernel, "long", "a")
    async with WorkerHost(kernel, "w", concurrency=1):
        assert await ended(kernel, [first]) == {first: "COMPLETED"}
        assert await ended(kernel, idle) == {idle[0]: "COMPLETED"}
    assert journal.visits[-2:] == [("short", 1), ("short", 2)]


async def test_waiting_runs_begin_in_order_of_priority_then_age(kernel: KernelForTests, journal: Journal) -> None:
    runs = [await create(kernel, "short", f"{number}", priority=number % 3) for number in range(9)]
    async with WorkerHost(kernel, "w", concurrency=1):
        await ended(kernel, runs)
        details = [await kernel.inspector.run(run_id) for run_id in runs]
    began = sorted(range(9), key=lambda number: details[number].started_at or details[number].created_at)
    assert began == [2, 5, 8, 1, 4, 7, 0, 3, 6]
