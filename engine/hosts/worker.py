"""The worker: a process that claims, executes and looks after what waits, until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import TracebackType

from engine.errors import EngineError
from engine.hosts.identity import default_worker_id
from engine.hosts.maintenance import TickResult, tick
from engine.hosts.signals import StopSignals
from engine.kernel.ending import Delivery, GivenBack
from engine.kernel.keeper import Pulse
from engine.kernel.kernel import Kernel
from engine.model.json import dumps
from engine.model.records import Claimed, WorkerRecord
from engine.ports.persistence import Watch
from engine.ports.work import UnitOfWork

log = logging.getLogger(__name__)

MIN_PAUSE = 0.05
"""Seconds between looks when something is due that this worker can't take."""
ERROR_PAUSE = 1.0
LAST_WRITES_SECONDS = 30.0
"""How long a worker that leaves tries to write what ended while the store refuses; then leases run out."""
UPKEEP_PATIENCE = 1.0
"""Seconds a tick under way gets to end when the worker leaves."""


@dataclass(frozen=True, slots=True)
class WorkerStats:
    worker_id: str
    is_running: bool
    jobs_processed: int
    orchestration_ticks: int
    running: int
    uptime_ms: int


class WorkerHost:
    """Executes up to `concurrency` stages at once.

    It claims only as many jobs as it has free slots, whenever it is woken: by its own ends, by commits of any
    process, by the next due time. `orchestration_interval` and `job_poll_interval` are only the net below that.
    `stale_lease_threshold` is the length of the leases it takes, renewed every quarter, off the event loop.
    """

    def __init__(
        self,
        kernel: Kernel,
        worker_id: str | None = None,
        concurrency: int = 8,
        orchestration_interval: timedelta = timedelta(seconds=10),
        job_poll_interval: timedelta = timedelta(seconds=1),
        stale_lease_threshold: timedelta = timedelta(seconds=60),
        drain_timeout: timedelta = timedelta(seconds=30),
        *,
        only_run: str | None = None,
    ) -> None:
        if concurrency < 1:
            raise ValueError("concurrency is 1 or more")
        self.worker_id = worker_id or default_worker_id()
        self.concurrency = concurrency
        self._kernel = kernel
        self._taker = kernel.taker(self.worker_id, stale_lease_threshold, only_run)
        self._lease = stale_lease_threshold
        self._tick_every = orchestration_interval.total_seconds()
        self._look_every = job_poll_interval.total_seconds()
        self._drain = drain_timeout.total_seconds()
        self._running: dict[asyncio.Task[Delivery | None], Claimed] = {}
        self._ended: list[Delivery] = []
        self._one_by_one = 0
        """How many of `_ended` are settled each alone, because one of them broke their common turn."""
        self._stopping = False
        self._started_at: float | None = None
        self._began: datetime | None = None
        self._processed = 0
        self._ticks = 0
        self._watch: Watch | None = None
        self._upkeep_watch: Watch | None = None
        self._pulse: Pulse | None = None
        self._loops: list[asyncio.Task[None]] = []
        self._idle = asyncio.Event()
        self._leaving: asyncio.Task[None] | None = None
        self.exhausted = asyncio.Event()
        """Set once every slot is held by a body that was abandoned: only a new process helps."""

    # --- life -----------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Register, and begin to claim. Starting twice is one start."""
        if self._watch is not None:
            return
        self._stopping = False
        self._leaving = None
        self._started_at = time.monotonic()
        self._watch = self._kernel.persistence.watch()
        self._kernel.threads.on_freed = self._watch.wake
        self._began = self._kernel.clock.now()
        try:
            await self._kernel.persistence.transact(self._register)
        except BaseException:
            self._watch.close()
            self._watch = None
            raise
        self._pulse = Pulse(self._lease.total_seconds() / 4, self._put_row)
        self._kernel.keeper.add_pulse(self._pulse)
        self._loops = [asyncio.create_task(self._pump()), asyncio.create_task(self._upkeep())]

    async def stop(self, *, release: bool = False) -> None:
        """Claim no more, let what runs end for up to the drain time, give back the rest, and leave.

        With `release` give everything back at once. Who stops a worker that is stopping waits for the same end.
        """
        if self._watch is None:
            return
        if self._leaving is None:
            self._stopping = True
            self._watch.wake()
            self._leaving = asyncio.create_task(self._leave(0.0 if release else self._drain))
        elif release:
            self._give_all_back()
        await asyncio.shield(self._leaving)

    async def _leave(self, patience: float) -> None:
        if self._running and patience > 0:
            await asyncio.wait(list(self._running), timeout=patience)
        self._give_all_back()
        await self._end_loops()
        if self._pulse is not None:
            self._kernel.keeper.remove_pulse(self._pulse)
        if self._watch is not None:
            self._watch.close()
        self._watch = None
        with contextlib.suppress(Exception):
            await self._kernel.persistence.transact(lambda work: work.workers.leave(self.worker_id))

    def _give_all_back(self) -> None:
        for task in list(self._running):
            task.cancel()

    async def _end_loops(self) -> None:
        pump, upkeep = self._loops
        for watch in (self._watch, self._upkeep_watch):
            if watch is not None:
                watch.wake()
        # A tick cut off in the middle would leave its claims until they run out.
        await asyncio.wait([upkeep], timeout=UPKEEP_PATIENCE)
        upkeep.cancel()
        _, unwritten = await asyncio.wait([pump, upkeep], timeout=LAST_WRITES_SECONDS)
        for loop in unwritten:
            log.error("leaving; outcomes that could not be written: %d", len(self._ended))
            loop.cancel()
        await asyncio.gather(pump, upkeep, return_exceptions=True)
        self._loops = []

    async def __aenter__(self) -> WorkerHost:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop(release=error is not None)

    async def run_forever(self, *, install_signals: bool = True) -> None:
        """Until SIGTERM or SIGINT, which drain, a second one gives everything back at once; or until `exhausted`."""
        signals = StopSignals(enabled=install_signals)
        with signals:
            await self.start()
            enough = [asyncio.create_task(one.wait()) for one in (signals.first, self.exhausted)]
            await asyncio.wait(enough, return_when=asyncio.FIRST_COMPLETED)
            log.info("draining: %d running", len(self._running))
            stopping = asyncio.create_task(self.stop())
            second = asyncio.create_task(signals.second.wait())
            await asyncio.wait([stopping, second], return_when=asyncio.FIRST_COMPLETED)
            if not stopping.done():
                self._give_all_back()
            await stopping
            for waiting in (second, *enough):
                waiting.cancel()

    async def run_until_idle(self) -> None:
        """Work until nothing is due and nothing runs, then leave."""
        await self.start()
        while True:
            self._idle.clear()
            assert self._watch is not None
            self._watch.wake()
            await self._idle.wait()
            result = await tick(self._kernel, self.worker_id, self._lease, claim_runs=False)
            found = result != TickResult()
            if not (self._running or self._ended or found):
                break
        await self.stop()

    @property
    def stats(self) -> WorkerStats:
        running = self._watch is not None
        since = self._started_at if running and self._started_at is not None else time.monotonic()
        return WorkerStats(
            worker_id=self.worker_id,
            is_running=running,
            jobs_processed=self._processed,
            orchestration_ticks=self._ticks,
            running=len(self._running),
            uptime_ms=round((time.monotonic() - since) * 1000),
        )

    # --- work -----------------------------------------------------------------------------------------------------

    async def _pump(self) -> None:
        """One turn after the other while there is something to do: what ends during a commit goes into the next."""
        assert self._watch is not None
        while not (self._stopping and not self._running and not self._ended):
            ended = self._next_ended()
            free = 0 if self._stopping else self._free_slots()
            try:
                busy = await self._take_turn(ended, free)
            except Exception as error:
                if not self._put_up_with(error, ended):
                    await self._watch.wait(ERROR_PAUSE)
                continue
            if busy or self._ended:
                continue
            if not self._running:
                self._idle.set()
            await self._wait()

    def _free_slots(self) -> int:
        """A body that was abandoned keeps its slot until its thread ends: it still eats what the slot stands for."""
        lost = self._kernel.threads.abandoned
        if lost >= self.concurrency and not self.exhausted.is_set():
            log.error("all %d slots are held by bodies that were abandoned and don't end", self.concurrency)
            self.exhausted.set()
        return self.concurrency - len(self._running) - lost

    def _next_ended(self) -> list[Delivery]:
        if self._one_by_one:
            self._one_by_one -= 1
            return [self._ended.pop(0)]
        ended, self._ended = self._ended, []
        return ended

    def _put_up_with(self, error: Exception, ended: list[Delivery]) -> bool:
        """Whether to go on at once: not when the store is at fault, which every other turn would meet as well."""
        if isinstance(error, EngineError) or not ended:
            self._ended[:0] = ended
            log.warning("a turn failed, will try again: %s: %s", type(error).__name__, error)
            return False
        if len(ended) > 1:
            self._ended[:0] = ended
            self._one_by_one = len(ended)
            return True
        # Trying it again and again would keep the worker from everything else.
        job = ended[0].claimed.job
        log.error(
            "run %s, stage %s: can't be settled; its lease will run out", job.run_id, job.stage_id, exc_info=error
        )
        return True

    async def _take_turn(self, ended: list[Delivery], free: int) -> bool:
        if not ended and free <= 0:
            return False
        turn = await self._kernel.turn(ended, self._taker, free)
        self._processed += len(turn.settled)
        for claimed in turn.claimed:
            if self._stopping:
                # Claimed while the stop came: nobody waits for it any more.
                self._ended.append(Delivery(claimed, GivenBack()))
            else:
                self._begin(claimed)
        if self._kernel.sink is not None and self._upkeep_watch is not None:
            self._upkeep_watch.wake()
        return bool(turn.claimed)

    def _begin(self, claimed: Claimed) -> None:
        task = asyncio.create_task(self._kernel.carry_out(claimed, self._lease))
        self._running[task] = claimed
        task.add_done_callback(self._end)

    def _end(self, task: asyncio.Task[Delivery | None]) -> None:
        claimed = self._running.pop(task)
        if task.cancelled():
            self._ended.append(Delivery(claimed, GivenBack()))
        elif (error := task.exception()) is not None:
            log.error("a delivery broke; its lease will run out", exc_info=error)
        elif (delivery := task.result()) is not None:
            self._ended.append(delivery)
        if self._watch is not None:
            self._watch.wake()

    async def _wait(self) -> None:
        """Until somebody wakes us or something comes due."""
        assert self._watch is not None
        pause = self._look_every
        if not self._stopping and self._free_slots() > 0:
            due = await self._seconds_until(lambda work: work.next_claim_due())
            pause = min(pause, max(due, MIN_PAUSE))
        if await self._watch.wait(pause):
            self._kernel.keeper.check_soon()

    async def _upkeep(self) -> None:
        """The tick: at its interval, and as soon as a poll, the end of a lease or a delivery is due."""
        watch = self._kernel.persistence.watch()
        self._upkeep_watch = watch
        try:
            while not self._stopping:
                result = await tick(self._kernel, self.worker_id, self._lease, claim_runs=False)
                self._ticks += 1
                await self._until_upkeep(watch, barren=result == TickResult())
                # Several ends in a row are one tick.
                await asyncio.sleep(MIN_PAUSE)
        finally:
            watch.close()

    async def _until_upkeep(self, watch: Watch, *, barren: bool) -> None:
        workflows, events = list(self._taker.workflow_ids), self._kernel.sink is not None
        ticked = time.monotonic()
        while not self._stopping:
            left = self._tick_every - (time.monotonic() - ticked)
            due = await self._seconds_until(lambda work: work.next_upkeep_due(workflows, events=events))
            if due <= 0 and barren:
                # What is due was due for the last tick too, and not ours to do: a lease judged by a longer measure.
                due, barren = self._look_every, False
            if min(left, due) <= 0 or not await watch.wait(min(left, due)):
                return

    async def _seconds_until(self, ask: Callable[[UnitOfWork], datetime | None]) -> float:
        """Seconds until the moment the store names, by its clock; the look-up interval when it can't be asked."""
        try:
            due, now = await self._kernel.persistence.transact(lambda work: (ask(work), work.now))
        except EngineError as error:
            log.warning("can't ask what is due: %s", error)
            return self._look_every
        return float("inf") if due is None else (due - now).total_seconds()

    # --- registration ---------------------------------------------------------------------------------------------

    def _register(self, work: UnitOfWork) -> None:
        self._kernel.keep_definitions(work)
        work.workers.forget(work.now - timedelta(days=1))
        self._put_row(work)

    def _put_row(self, work: UnitOfWork) -> None:
        assert self._began is not None
        # Who is here for one run only is no worker that others may count on.
        known = () if self._taker.only_run else self._kernel.registry
        fingerprints = {workflow.id: workflow.fingerprint for workflow in known}
        work.workers.put(
            WorkerRecord(
                id=self.worker_id,
                host=socket.gethostname(),
                pid=os.getpid(),
                started_at=self._began,
                last_seen_at=work.now,
                alive_until=work.now + self._lease,
                concurrency=self.concurrency,
                running=len(self._running),
                workflows=dumps(fingerprints),
            )
        )
