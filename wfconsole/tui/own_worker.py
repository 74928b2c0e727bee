"""The console's own worker: whether it is needed, what the header says of it, what it is at, and how it ends."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from datetime import timedelta
from typing import TYPE_CHECKING

from engine.errors import EngineError
from engine.inspector import PageRequest, RunFilter
from wfconsole import embedded_worker
from wfconsole.embedded_worker import EmbeddedWorker
from wfconsole.tui.screens.quit import Leave

if TYPE_CHECKING:
    from wfconsole.gateway import Gateway
    from wfconsole.settings import Settings

DRAIN = timedelta(seconds=30)
PATIENCE = 0.5
"""Seconds the question what executes may take: quitting must not hang on a slow database."""


class OwnWorker:
    """At most one child, decided upon once."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._decided = False
        self._child: EmbeddedWorker | None = None

    async def start_if_needed(self, gateway: Gateway) -> None:
        """Start it unless another live worker knows the same workflows, or the settings say no."""
        if self._decided:
            return
        self._decided = True
        if embedded_worker.needed(self._settings, gateway.workflows, await gateway.inspector.workers()):
            self._child = EmbeddedWorker(self._settings)
            await self._child.start()

    @property
    def word(self) -> str:
        """For the header: `here`, `none`, or what it is going through."""
        if self._child is None:
            return "none"
        phase = self._child.state.phase
        return {"running": "here", "stopped": "none"}.get(phase, phase)

    async def executing(self, gateway: Gateway | None) -> int:
        """Runs it is at work on; 0 when there is none, or nobody can tell in time."""
        pid = self._child.state.pid if self._child is not None else None
        if pid is None or gateway is None:
            return 0
        try:
            async with asyncio.timeout(PATIENCE):
                workers = await gateway.inspector.workers()
                page = await gateway.inspector.runs(RunFilter(status=("RUNNING",)), PageRequest(limit=200))
        except (EngineError, TimeoutError):
            return 0
        ours = {worker.id for worker in workers if worker.pid == pid and worker.alive}
        return sum(run.worker_id in ours for run in page.items)

    async def stop(self, leave: Leave) -> None:
        """End it; a drain says so on standard error and is cut short by ctrl+c."""
        child, self._child = self._child, None
        if child is None:
            return
        if leave is Leave.DRAIN:
            sys.stderr.write("The worker drains: stages under way may end, 30 s at most (ctrl+c leaves now).\n")
            with contextlib.suppress(asyncio.CancelledError):
                await child.stop(DRAIN)
                return
        await child.stop()
