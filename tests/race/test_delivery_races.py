"""Two flushers, two pollers: an event is delivered once and in order, a check is asked by one at a time."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from race_workflows import WORKFLOWS, Number, check_ended_once, create

from engine import (
    ClaimPendingRuns,
    Completion,
    ExecuteJob,
    FlushOutbox,
    NoConfig,
    PollSuspendedStages,
    StageContext,
    Suspend,
    WorkflowBuilder,
    async_batch_stage,
)
from engine.bootstrap import Engine, open_engine
from engine.events import Event
from engine.testing import CollectingEventSink

RUNS = 100
EVENTS_OF_A_RUN = 5


class Ledger:
    """What two sinks were given, in the order in which it came."""

    def __init__(self) -> None:
        self.events: list[tuple[str, Event]] = []

    def of_run(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = defaultdict(list)
        for _, event in self.events:
            found[event.run_id].append(event.sequence)
        return found


class LedgerSink(CollectingEventSink):
    """Lets go of the loop during a delivery, as one over a network does."""

    def __init__(self, name: str, ledger: Ledger) -> None:
        super().__init__()
        self._name = name
        self._ledger = ledger

    async def emit(self, event: Event) -> None:
        await asyncio.sleep(0)
        self._ledger.events.append((self._name, event))


@contextlib.asynccontextmanager
async def flushers(url: str, ledger: Ledger, count: int) -> AsyncIterator[list[Engine]]:
    async with contextlib.AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(
                open_engine(url, workflows=WORKFLOWS, event_sink=LedgerSink(f"sink-{number}", ledger))
            )
            for number in range(count)
        ]


async def flush_all(engine: Engine) -> int:
    """How many events this flusher delivered until it found none."""
    delivered = 0
    while (result := await engine.dispatch(FlushOutbox(max_events=40))).published:
        assert (result.failed, result.dead_lettered) == (0, 0)
        delivered += result.published
    return delivered


async def check_delivery(url: str, runs: int, count: int) -> None:
    """So many flushers at once deliver every event of these runs once, each run's in order."""
    ledger = Ledger()
    async with open_engine(url, workflows=WORKFLOWS) as engine:
        run_ids = await create(engine, "single", runs)
        await engine.worker("w").run_until_idle()
        assert (await engine.inspector.overview()).undelivered == runs * EVENTS_OF_A_RUN
        async with flushers(url, ledger, count) as opened:
            delivered = await asyncio.gather(*map(flush_all, opened))
        assert (await engine.inspector.overview()).undelivered == 0
    assert sum(delivered) == runs * EVENTS_OF_A_RUN
    assert Counter(name for name, _ in ledger.events) == Counter(
        {f"sink-{number}": share for number, share in enumerate(delivered) if share}
    )
    assert len([share for share in delivered if share]) > 1
    assert ledger.of_run() == {run_id: list(range(1, EVENTS_OF_A_RUN + 1)) for run_id in run_ids}


@pytest.mark.parametrize("count", [2, 5])
async def test_flushers_deliver_each_event_once_and_in_order(url: str, count: int) -> None:
    await check_delivery(url, RUNS, count)


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_four_flushers_deliver_ten_thousand_events(url: str) -> None:
    await check_delivery(url, 10_000 // EVENTS_OF_A_RUN, 4)


class Desk:
    """An outside service: knows how many ask at once, and answers when its gate is open."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.asked = asyncio.Event()
        self.asking = 0
        self.most = 0
        self.checks = 0

        @async_batch_stage(id="batch")
        async def batch(ctx: StageContext[Number, NoConfig]) -> Number | Suspend:
            return Suspend(state={"n": ctx.input.n}, poll_every=timedelta(0), max_wait=timedelta(hours=1))

        @batch.check_completion
        async def check(state: dict[str, int], ctx: StageContext[Number, NoConfig]) -> Completion[Number]:
            self.asking += 1
            self.checks += 1
            self.most = max(self.most, self.asking)
            self.asked.set()
            await self.gate.wait()
            self.asking -= 1
            return Completion.ready(Number(n=state["n"]))

        self.workflow = WorkflowBuilder("batch", "Batch", input=Number).pipe(batch).build()


async def test_two_pollers_ask_once(url: str) -> None:
    desk = Desk()
    async with (
        open_engine(url, workflows=[desk.workflow]) as here,
        open_engine(url, workflows=[desk.workflow]) as there,
    ):
        [run_id] = await create(here, "batch", 1)
        await here.dispatch(ClaimPendingRuns(worker_id="w"))
        suspended = await here.dispatch(ExecuteJob(run_id=run_id, workflow_id="batch", stage_id="batch"))
        assert suspended.outcome == "suspended"

        polls = [asyncio.create_task(one.dispatch(PollSuspendedStages())) for one in (here, there) * 4]
        async with asyncio.timeout(30):
            await desk.asked.wait()
            # All but the one inside the check have come back with nothing.
            while len(asking := [one for one in polls if not one.done()]) > 1:
                await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED)
        assert (await there.dispatch(PollSuspendedStages())).checked == 0
        desk.gate.set()
        results = await asyncio.gather(*polls)
        assert sum(one.checked for one in results) == 1
        assert [one.resumed_run_ids for one in results if one.resumed] == [[run_id]]
        assert (desk.checks, desk.most) == (1, 1)
        run = await check_ended_once(here, run_id)
        assert (run.status, run.stages[0].polls) == ("COMPLETED", 1)
