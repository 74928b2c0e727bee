"""The logs of several runs as one, each run with a prefix in its own colour."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from engine.errors import RunNotFound
from engine.inspector import LogLine, PageRequest
from wfconsole.tui.screens.live import bindings_of
from wfconsole.tui.screens.logs import LogsScreen
from wfconsole.tui.widgets.log_pane import BATCH, FIRST, LogBatch, LogPane

if TYPE_CHECKING:
    from wfconsole.gateway import Gateway

MOST_RUNS = 20


class RunLogsPane(LogPane):
    """Reads the tail over all runs once and keeps the lines of those that are wanted."""

    def __init__(self, run_ids: Sequence[str], *, ascii_only: bool) -> None:
        super().__init__(None, ascii_only=ascii_only)
        self._wanted = frozenset(run_ids)

    async def read(self, gateway: Gateway) -> LogBatch:
        inspector = gateway.inspector
        if not self._opened:
            # The end of everything is taken first, so that no line falls between the questions.
            end = (await inspector.tail_logs(None, limit=1)).next_cursor
            pages = await asyncio.gather(*(self._first(gateway, run_id) for run_id in sorted(self._wanted)))
            lines = sorted((line for page in pages for line in page), key=lambda line: int(line.id))
            return LogBatch(tuple(line for line in lines if _before(line, end)), first=True, after=end)
        page = await inspector.tail_logs(None, after=self._after, limit=BATCH)
        wanted = tuple(line for line in page.items if line.run_id in self._wanted)
        return LogBatch(wanted, full=len(page.items) >= BATCH, after=page.next_cursor)

    async def _first(self, gateway: Gateway, run_id: str) -> Sequence[LogLine]:
        try:
            return (await gateway.inspector.logs(run_id, page=PageRequest(limit=FIRST // 2))).items
        except RunNotFound:
            return ()


def _before(line: LogLine, end: str | None) -> bool:
    return end is None or int(line.id) <= int(end)


class RunLogsScreen(LogsScreen):
    """Place 2 for the marked runs; escape goes back."""

    BINDINGS = bindings_of("logs")

    def __init__(self, run_ids: Sequence[str]) -> None:
        super().__init__()
        self._run_ids = tuple(run_ids)

    def pane(self) -> LogPane:
        return RunLogsPane(self._run_ids, ascii_only=self.console.settings.ascii)
