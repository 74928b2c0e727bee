"""Place 6, Workflows: what can be started, and which workers have it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.message import Message
from textual.widgets import DataTable

from engine.inspector import WorkflowView
from wfconsole.actions import NEW_RUN
from wfconsole.tui.screens.live import LiveScreen, bindings_of
from wfconsole.tui.screens.new_run import NewRunDialog
from wfconsole.tui.widgets.line import Line, line_of
from wfconsole.tui.widgets.still_table import StillTable

if TYPE_CHECKING:
    from wfconsole.gateway import Gateway

COLUMNS = (("WORKFLOW", 26), ("STAGES", 44), ("WORKERS", 7), ("OPEN", 6), ("STATE", 18), ("DEFINITION", 10))


class WorkflowsScreen(LiveScreen):
    """Enter, or o, starts a run of the one under the cursor."""

    PLACE = "workflows"
    TITLE_TEXT = "Workflows"
    BINDINGS = bindings_of("workflows")
    AUTO_FOCUS = "#workflows"

    class Snapshot(Message):
        """The workflows as they are."""

        def __init__(self, workflows: Sequence[WorkflowView]) -> None:
            super().__init__()
            self.workflows = workflows

    def body(self) -> ComposeResult:
        yield Line(id="note")
        yield StillTable(COLUMNS, id="workflows")

    async def ask(self, gateway: Gateway, news: bool) -> Message:
        return self.Snapshot(await gateway.inspector.workflows())

    @on(Snapshot)
    def _paint(self, message: Snapshot) -> None:
        if not self.alive:
            return
        self.query_one(StillTable).tell([(workflow.id, _cells(workflow)) for workflow in message.workflows])
        words = " Workflows" if message.workflows else " No workflow is known here: --workflows MODULE"
        self.query_one("#note", Line).show(line_of((words, "bold")))
        self.refresh_frame()

    @on(DataTable.RowSelected)
    def action_run_new(self) -> None:
        if self.allowed(NEW_RUN):
            self.app.push_screen(NewRunDialog(self.query_one(StillTable).cursor_key), self.console.run_started)

    def copied(self) -> str:
        return self.query_one(StillTable).cursor_key or ""


def _cells(workflow: WorkflowView) -> tuple[str, ...]:
    groups = (" | ".join(stage.stage_id for stage in group) for group in workflow.groups)
    state = "paused" if workflow.paused else "registered" if workflow.registered else "not registered here"
    return (
        workflow.id,
        " > ".join(groups),
        str(workflow.live_workers),
        str(workflow.unfinished),
        state,
        workflow.fingerprint[:8],
    )
