"""Place 5, Workers and queue: who is alive and holds what, what waits for whom, where events go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.message import Message

from engine.inspector import LeaseView, QueueRow, SinkView, WorkerView
from wfconsole.actions import OPEN, Action
from wfconsole.formatting import TimeMode, count
from wfconsole.tui.layout.fleet_rows import LEASE, QUEUE, SINKS, WORKERS, queue_rows, sink_rows, worker_rows
from wfconsole.tui.screens.live import LiveScreen, bindings_of
from wfconsole.tui.widgets.line import Line, Part, line_of
from wfconsole.tui.widgets.line_table import LineTable

if TYPE_CHECKING:
    from wfconsole.gateway import Gateway

NO_WORKER = "Nobody executes anything.  Start one:  wfconsole worker"
NO_QUEUE = "Nothing waits, nothing executes."
NO_SINK = "No sink was used yet: events go where [sinks] in the settings and plugins say."


@dataclass(frozen=True, slots=True)
class Fleet:
    """What the place shows."""

    workers: Sequence[WorkerView] = ()
    leases: Sequence[LeaseView] = ()
    queue: Sequence[QueueRow] = ()
    sinks: Sequence[SinkView] = ()
    paused: frozenset[str] = frozenset()


class WorkersScreen(LiveScreen):
    """Three tables; tab goes to the next, enter on a job opens its run."""

    PLACE = "workers"
    TITLE_TEXT = "Workers"
    BINDINGS = bindings_of("workers")
    AUTO_FOCUS = "#workers"

    class Snapshot(Message):
        """The fleet as it is."""

        def __init__(self, fleet: Fleet) -> None:
            super().__init__()
            self.fleet = fleet

    def __init__(self) -> None:
        super().__init__()
        self._fleet: Fleet | None = None

    def body(self) -> ComposeResult:
        ascii_only = self.console.settings.ascii
        yield Line(id="workers-note")
        yield LineTable(WORKERS, id="workers", ascii_only=ascii_only, empty="Asking the database …")
        yield Line(id="queue-note")
        yield LineTable(QUEUE, id="queue", ascii_only=ascii_only)
        yield Line(id="sinks-note")
        yield LineTable(SINKS, id="sinks", ascii_only=ascii_only)

    async def ask(self, gateway: Gateway, news: bool) -> Message:
        inspector = gateway.inspector
        paused = frozenset(workflow.id for workflow in await inspector.workflows() if workflow.paused)
        return self.Snapshot(
            Fleet(
                await inspector.workers(),
                await inspector.leases(),
                await inspector.queue(),
                await inspector.sinks(),
                paused,
            )
        )

    @on(Snapshot)
    def _paint(self, message: Snapshot) -> None:
        if not self.alive:
            return
        self._fleet = message.fleet
        for table, words in (("#workers", NO_WORKER), ("#queue", NO_QUEUE), ("#sinks", NO_SINK)):
            self.query_one(table, LineTable).empty_text = words
        self._say(message.fleet)
        self.tick()
        self.refresh_frame()

    def _say(self, fleet: Fleet) -> None:
        alive = [worker for worker in fleet.workers if worker.alive]
        slots = sum(worker.concurrency for worker in alive)
        self._note("#workers-note", "Workers", f"{len(alive)} alive, {len(fleet.leases)} of {slots} slots busy")
        waits = sum(row.pending for row in fleet.queue)
        later = sum(row.scheduled for row in fleet.queue)
        self._note("#queue-note", "Queue", f"{count(waits)} waiting, {count(later)} due later")
        failing = sum(sink.failing_since is not None for sink in fleet.sinks)
        health = f"{failing} failing" if failing else "all well" if fleet.sinks else ""
        self._note("#sinks-note", "Sinks", health, "$status-failed" if failing else "$quiet")

    def _note(self, line: str, title: str, words: str, style: str = "$quiet") -> None:
        parts: list[Part | str] = [(f" {title}", "bold"), (f"  {words}", style)]
        self.query_one(line, Line).show(line_of(*parts))

    def tick(self) -> None:
        fleet, console = self._fleet, self.console
        if fleet is None:
            return
        now, zone, mode, ascii_only = console.now(), console.zone, console.time_mode, console.settings.ascii
        workers = worker_rows(fleet.workers, fleet.leases, now, zone, mode, ascii_only=ascii_only)
        self.query_one("#workers", LineTable).tell(workers)
        self.query_one("#queue", LineTable).tell(queue_rows(fleet.queue, fleet.paused, now, zone, mode))
        self.query_one("#sinks", LineTable).tell(sink_rows(fleet.sinks, now, zone, mode, ascii_only=ascii_only))

    def show_times(self, mode: TimeMode) -> None:
        self.tick()

    def _lease(self) -> LeaseView | None:
        key = self.query_one("#workers", LineTable).cursor_key or ""
        leases = self._fleet.leases if self._fleet is not None else ()
        return next((lease for lease in leases if key == f"{LEASE}{lease.job_id}"), None)

    def why_not(self, action: Action) -> str | None:
        if action is OPEN and self._lease() is None:
            return "the cursor is on no job"
        return super().why_not(action)

    @on(LineTable.CursorMoved)
    def _moved(self, event: LineTable.CursorMoved) -> None:
        event.stop()
        self.refresh_frame()

    @on(LineTable.Opened)
    def _enter(self, event: LineTable.Opened) -> None:
        event.stop()
        lease = self._lease() if event.table.id == "workers" else None
        if lease is not None:
            self.console.open_run(lease.run_id, stage=lease.stage_id)

    def copied(self) -> str:
        table = self.focused
        key = table.cursor_key if isinstance(table, LineTable) else None
        return (key or "").removeprefix("worker:").removeprefix(LEASE)
