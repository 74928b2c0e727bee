"""Place 4, DLQ: events no sink would take; replay or discard the one under the cursor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.message import Message
from textual.widgets import DataTable

from engine.inspector import EventView
from wfconsole.actions import DISCARD, EVENT_OPERATIONS, REPLAY, Action, Answer, Operation
from wfconsole.tui.screens.confirm import ConfirmDialog, ReasonDialog
from wfconsole.tui.screens.dialog import Dialog
from wfconsole.tui.screens.live import LiveScreen, bindings_of
from wfconsole.tui.widgets.event_table import EventTable
from wfconsole.tui.widgets.line import Line, line_of

if TYPE_CHECKING:
    from wfconsole.gateway import Gateway

EMPTY = " No dead letters: events no sink would take end here.  Failed runs are in place 1: / status:failed"


class DeadLettersScreen(LiveScreen):
    """The first page of dead letters, oldest first."""

    PLACE = "dlq"
    TITLE_TEXT = "dead letters"
    BINDINGS = bindings_of("dlq")
    AUTO_FOCUS = "#dead-letters"

    class Snapshot(Message):
        """The dead letters as they are."""

        def __init__(self, events: Sequence[EventView]) -> None:
            super().__init__()
            self.events = events

    def body(self) -> ComposeResult:
        yield Line(id="note")
        yield EventTable(id="dead-letters")

    async def ask(self, gateway: Gateway, news: bool) -> Message:
        return self.Snapshot((await gateway.inspector.dead_letters()).items)

    @on(Snapshot)
    def _paint(self, message: Snapshot) -> None:
        if not self.alive:
            return
        self.query_one(EventTable).tell(message.events, self.console.zone)
        many = len(message.events)
        words = EMPTY if not many else f" {many} dead letter{'s' if many > 1 else ''}; enter opens the run"
        self.query_one("#note", Line).show(line_of((words, "$quiet")))
        self.refresh_frame()

    def why_not(self, action: Action) -> str | None:
        event = self.query_one(EventTable).cursor_event
        if action in EVENT_OPERATIONS and event is None:
            return "there is no dead letter here"
        return super().why_not(action)

    @on(DataTable.RowHighlighted)
    def _moved(self) -> None:
        self.refresh_frame()

    @on(DataTable.RowSelected)
    def _open(self) -> None:
        event = self.query_one(EventTable).cursor_event
        if event is not None:
            self.console.open_run(event.run_id, tab="events")

    def action_dlq_replay(self) -> None:
        self._ask(REPLAY, ConfirmDialog[EventView])

    def action_dlq_discard(self) -> None:
        self._ask(DISCARD, ReasonDialog[EventView])

    def _ask(self, operation: Operation[EventView], kind: type[ConfirmDialog[EventView]]) -> None:
        event = self.query_one(EventTable).cursor_event
        if not self.allowed(operation) or event is None:
            return

        def answered(answer: Answer | None) -> None:
            if answer is not None:
                self.run_worker(self.console.carry_out(operation, event, answer), group="send")

        dialog: Dialog[Answer] = kind(operation, event)
        self.app.push_screen(dialog, answered)

    def copied(self) -> str:
        event = self.query_one(EventTable).cursor_event
        return event.id if event is not None else ""
