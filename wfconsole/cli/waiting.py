"""Waiting for runs to end, and executing one here when nobody else does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta

from engine.inspector.views import RunSummary
from engine.model.criteria import PageRequest, RunFilter
from engine.model.status import TERMINAL_RUN, RunStatus
from wfconsole.cli.encoding import page
from wfconsole.cli.exits import DONE, RUN_FAILED, NotFound, WaitTimedOut
from wfconsole.cli.output import talk
from wfconsole.cli.progress import ProgressLine
from wfconsole.cli.run_ids import resolve
from wfconsole.cli.runs import print_runs
from wfconsole.cli.session import Session
from wfconsole.gateway import Gateway

_SLICE_S = 1.0
"""The longest wait for a hint of change before looking anyway."""
_PACE_S = 0.05
"""The shortest time between two looks: a busy database changes hundreds of times a second."""
_TAKE_OVER_AFTER = timedelta(seconds=1)

Glance = Callable[[Sequence[RunSummary]], Awaitable[None]]


async def wait(session: Session) -> int:
    """Until all given runs have ended; exit code 1 if one of them failed or was cancelled."""
    timeout = session.duration("timeout")
    async with session.gateway(definitions=False) as gateway:
        run_ids = list(dict.fromkeys([await resolve(gateway, given) for given in session.arguments.runs]))
        await say_if_nobody_works(gateway, run_ids)
        runs = await until_ended(gateway, run_ids, timeout)
    if session.out.as_json:
        session.out.document(page(runs))
    else:
        print_runs(session.out, runs)
    return verdict(runs)


def verdict(runs: Sequence[RunSummary]) -> int:
    """The exit code of what was waited for."""
    return DONE if all(run.status is RunStatus.COMPLETED for run in runs) else RUN_FAILED


async def until_ended(
    gateway: Gateway,
    run_ids: Sequence[str],
    patience: timedelta | None,
    glance: Glance | None = None,
    *,
    quiet: bool = False,
) -> list[RunSummary]:
    """The runs once all are terminal, in the order given. `glance` sees every look, the last one too.

    On a terminal a progress line goes along, unless `quiet`. Raises `WaitTimedOut` when `patience`
    is used up, `NotFound` when a run vanishes.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + patience.total_seconds() if patience is not None else None
    with ProgressLine(enabled=not quiet) as progress:
        while True:
            runs = await _look(gateway, run_ids)
            if glance is not None:
                await glance(runs)
            progress.show(runs)
            if all(run.status in TERMINAL_RUN for run in runs):
                return runs
            left = _SLICE_S if deadline is None else min(_SLICE_S, deadline - loop.time())
            if left <= 0:
                running = sum(run.status not in TERMINAL_RUN for run in runs)
                raise WaitTimedOut(f"the wait timed out: {running} of {len(runs)} runs have not ended; they go on")
            await gateway.changed(left)
            await asyncio.sleep(min(_PACE_S, left))


async def until_ended_here(
    session: Session,
    gateway: Gateway,
    run_id: str,
    patience: timedelta | None,
    *,
    due: datetime,
    glance: Glance | None,
) -> RunSummary:
    """As `until_ended`, of one run; on SQLite executes it in this process when no live worker takes it.

    A worker has one second for that from when the run is `due`. Leaving early, by Ctrl-C or timeout,
    gives the lease back and leaves the run.
    """
    host = _OwnHost(session, gateway, run_id, due)

    async def look(runs: Sequence[RunSummary]) -> None:
        await host.consider(runs[0])
        if glance is not None:
            await glance(runs)

    async with host.stack:
        if not host.possible:
            await say_if_nobody_works(gateway, [run_id])
        return (await until_ended(gateway, [run_id], patience, look, quiet=glance is not None))[0]


async def say_if_nobody_works(gateway: Gateway, run_ids: Sequence[str]) -> None:
    """On standard error, when no live worker knows a workflow waited for."""
    runs = await _look(gateway, run_ids)
    waiting = {run.workflow_id for run in runs if run.status not in TERMINAL_RUN}
    for workflow_id in sorted(waiting - await known_to_live_workers(gateway)):
        talk(f"no live worker knows {workflow_id}: start one with `wfconsole worker`; waiting")


async def known_to_live_workers(gateway: Gateway) -> set[str]:
    """The ids of the workflows that live workers have."""
    workers = await gateway.inspector.workers()
    return {workflow_id for worker in workers if worker.alive for workflow_id in worker.workflows}


class _OwnHost:
    """A worker in this process for one run, started when it has to be."""

    def __init__(self, session: Session, gateway: Gateway, run_id: str, due: datetime) -> None:
        settings = session.settings
        self.possible = not settings.no_worker and (settings.in_memory or settings.database_file is not None)
        self.stack = AsyncExitStack()
        self._gateway, self._run_id = gateway, run_id
        self._patient_until = due + _TAKE_OVER_AFTER
        self._started = False

    async def consider(self, run: RunSummary) -> None:
        """Start, unless a live worker knows the workflow and has taken the run, or still may."""
        if self._started or not self.possible or run.status in TERMINAL_RUN:
            return
        if run.workflow_id in await known_to_live_workers(self._gateway):
            taken = run.status is not RunStatus.PENDING
            if taken or datetime.now(UTC) < self._patient_until:
                return
        self._started = True
        # Nothing executes any more when the run has ended; and who leaves before does not want to wait.
        worker = self._gateway.engine.worker(only_run=self._run_id, drain_timeout=timedelta(0))
        await self.stack.enter_async_context(worker)


async def _look(gateway: Gateway, run_ids: Sequence[str]) -> list[RunSummary]:
    found = await gateway.inspector.runs(RunFilter(ids=tuple(run_ids)), PageRequest(limit=max(len(run_ids), 1)))
    by_id = {run.id: run for run in found.items}
    for run_id in run_ids:
        if run_id not in by_id:
            raise NotFound(f"no run {run_id!r}")
    return [by_id[run_id] for run_id in run_ids]
