"""Place 5, Workers and queue: who is alive, and what waits for whom."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.message import Message

from engine.inspector import QueueRow, WorkerView
from wfconsole import formatting
from wfconsole.tui.screens.live import LiveScreen, bindings_of
from wfconsole.tui.widgets.line import Line, line_of
from wfconsole.tui.widgets.still_table import StillTable

if TYPE_CHECKING:
    from wfconsole.gateway import Gateway

WORKERS = (
    ("", 1),
    ("WORKER", 28),
    ("HOST", 16),
    ("PID", 8),
    ("RUNS", 7),
    ("UP", 5),
    ("SEEN", 5),
    ("WORKFLOWS", 40),
)
QUEUE = (("WORKFLOW", 28), ("WAITING", 8), ("LATER", 8), ("RUNNING", 8), ("OLDEST", 7))


class WorkersScreen(LiveScreen):
    """Two small tables."""

    PLACE = "workers"
    TITLE_TEXT = "Workers"
    BINDINGS = bindings_of("workers")
    AUTO_FOCUS = "#workers"

    class Snapshot(Message):
        """Workers and queue as they are."""

        def __init__(self, workers: Sequence[WorkerView], queue: Sequence[QueueRow]) -> None:
            super().__init__()
            self.workers, self.queue = workers, queue

    def __init__(self) -> None:
        super().__init__()
        self._shown: WorkersScreen.Snapshot | None = None

    def body(self) -> ComposeResult:
        yield Line(id="workers-note")
        yield StillTable(WORKERS, id="workers")
        yield Line(id="queue-note")
        yield StillTable(QUEUE, id="queue")

    async def ask(self, gateway: Gateway, news: bool) -> Message:
        inspector = gateway.inspector
        return self.Snapshot(await inspector.workers(), await inspector.queue())

    @on(Snapshot)
    def _paint(self, message: Snapshot) -> None:
        if not self.alive:
            return
        self._shown = message
        none = "  none alive: start one with  wfconsole worker" if not message.workers else ""
        self.query_one("#workers-note", Line).show(line_of((" Workers", "bold"), (none, "$quiet")))
        idle = "  nothing waits" if not message.queue else ""
        self.query_one("#queue-note", Line).show(line_of((" Queue", "bold"), (idle, "$quiet")))
        self.tick()
        self.refresh_frame()

    def tick(self) -> None:
        if self._shown is None:
            return
        now, ascii_only = self.console.now(), self.console.settings.ascii
        workers = [
            (worker.id, (_alive(worker, ascii_only), worker.id, worker.host, str(worker.pid),
             f"{worker.running}/{worker.concurrency}", formatting.age(worker.started_at, now),
             formatting.age(worker.last_seen_at, now), ", ".join(sorted(worker.workflows))))
            for worker in self._shown.workers
        ]  # fmt: skip
        self.query_one("#workers", StillTable).tell(workers)
        queue = [
            (row.workflow_id, (row.workflow_id, str(row.pending), str(row.scheduled), str(row.running),
             formatting.age(row.oldest_pending_at, now)))
            for row in self._shown.queue
        ]  # fmt: skip
        self.query_one("#queue", StillTable).tell(queue)

    def copied(self) -> str:
        return self.query_one("#workers", StillTable).cursor_key or ""


def _alive(worker: WorkerView, ascii_only: bool) -> str:
    if worker.alive:
        return "*" if ascii_only else "●"
    return "x" if ascii_only else "✗"
