"""Deliveries: from a claimed job to its outcome in the store, one or many at a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from engine.definition.registry import WorkflowRegistry
from engine.kernel.call_ledger import close_calls
from engine.kernel.changes import Changes, Torn
from engine.kernel.claiming import Claiming, Taker
from engine.kernel.course import Course
from engine.kernel.ending import Delivery, Ending, Failed, GivenBack
from engine.kernel.executor import Executor
from engine.kernel.keeper import Keeper, Watched
from engine.kernel.plans import Plans
from engine.kernel.reporter import LiveReporter
from engine.kernel.settling import Settled, Settling
from engine.model.records import AICallRecord, Claimed
from engine.ports.clock import Clock
from engine.ports.persistence import Persistence
from engine.ports.work import UnitOfWork

Also = Callable[[UnitOfWork, list[Settled]], None]
"""Something to write in the same transaction, e.g. an idempotency key's result."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What one transaction settled, in order, and what it leased."""

    settled: list[Settled]
    claimed: list[Claimed]


@dataclass(frozen=True, slots=True)
class Deliveries:
    store: Persistence
    registry: WorkflowRegistry
    plans: Plans
    executor: Executor
    keeper: Keeper
    clock: Clock

    async def turn(self, ended: Sequence[Delivery], taker: Taker, free: int, also: Also | None = None) -> Turn:
        """Settle what ended and fill `free` slots, all in one transaction.

        A delivery whose lease is gone is a ghost: it alone falls out, and nothing of it is written.
        """
        try:
            return await self._turn(ended, taker, free, also)
        finally:
            for one in ended:
                self.keeper.remove(one.claimed)

    async def _turn(self, ended: Sequence[Delivery], taker: Taker, free: int, also: Also | None) -> Turn:
        ledger = self.executor.desk.ledger
        # Calls that could not be written before: the outcome never stands without them.
        left = ledger.unwritten({one.claimed.job.run_id for one in ended})
        try:
            turn = await self.store.transact(lambda work: self._take_turn(work, ended, taker, free, also, left))
            ledger.written(left)
            return turn
        except Torn:
            if len(ended) == 1:
                turn = await self.turn([], taker, free)
                return Turn([Settled("ghost")], turn.claimed)
        settled = [(await self.turn([one], taker, 0, also)).settled[0] for one in ended]
        turn = await self.turn([], taker, free)
        return Turn(settled, turn.claimed)

    def _take_turn(
        self,
        work: UnitOfWork,
        ended: Sequence[Delivery],
        taker: Taker,
        free: int,
        also: Also | None,
        calls: Sequence[AICallRecord] = (),
    ) -> Turn:
        if calls:
            close_calls(work, calls)
        changes = Changes(work)
        course = Course(changes, self.plans)
        changes.lock({one.claimed.job.run_id for one in ended})
        settled = _settle(work, Settling(course), ended)
        claiming = Claiming(course, taker)
        claiming.fill(free)
        claiming.claim_due()
        changes.write()
        if also is not None:
            also(work, settled)
        return Turn(settled, claiming.claimed())

    async def carry_out(self, claimed: Claimed, lease: timedelta) -> Delivery | None:
        """Run the body, its lease kept alive meanwhile. None: the lease was lost, there is nothing to settle.

        Cancelling the caller interrupts the body and gives the job back.
        """
        loop = asyncio.get_running_loop()
        reporter = LiveReporter(claimed, self.clock, self.keeper.news)
        workflow = self.registry.get(claimed.job.workflow_id)
        if workflow is None:
            return Delivery(claimed, GivenBack())
        body = asyncio.ensure_future(self.executor.execute(workflow, claimed, reporter))
        watched = Watched(claimed, reporter, lease, lambda: _cancel(loop, body), renewed=self._renewed(claimed, lease))
        self.keeper.add(watched)
        try:
            await asyncio.wait([body])
        except asyncio.CancelledError:
            # The operator's stop: what the body does after this is dropped.
            self.keeper.end(watched)
            said = reporter.close()
            reporter.cancel()
            body.cancel()
            return Delivery(claimed, GivenBack(), said)
        self.keeper.end(watched)
        if reporter.cancelled:
            self.keeper.remove(claimed)
            return None
        said = reporter.close()
        # A plain body that timed out still runs on its thread: it sees that nothing of it will be kept.
        reporter.cancel()
        if body.cancelled():
            return Delivery(claimed, Failed("the body was cancelled", None, retryable=True), said)
        return Delivery(claimed, body.result(), said)

    def _renewed(self, claimed: Claimed, lease: timedelta) -> float:
        """When the lease was taken, by the monotonic clock: a loop that was blocked may come to it late."""
        age = self.clock.now() - (claimed.job.renewed_at or self.clock.now())
        return time.monotonic() - min(max(age, timedelta(0)), lease).total_seconds()


def _settle(work: UnitOfWork, settling: Settling, ended: Sequence[Delivery]) -> list[Settled]:
    try:
        return [settling.settle(one) for one in ended]
    except Exception as error:
        # A ghost decides on a state of the run that it does not know, which may be impossible for it.
        leases = [one.claimed.lease for one in ended]
        if len(work.jobs.held(leases)) < len(leases):
            raise Torn from error
        raise


def _cancel(loop: asyncio.AbstractEventLoop, body: asyncio.Future[Ending]) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(body.cancel)
