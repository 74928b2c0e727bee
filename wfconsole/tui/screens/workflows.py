"""Place 6, Workflows: definitions, how they do, which versions unfinished runs have; launch one, hold one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.message import Message

from engine.commands import PauseWorkflow, ResumeWorkflow
from engine.errors import EngineError
from engine.inspector import WorkflowView
from wfconsole.actions import HOLD, NEW_RUN, OPEN, Action, cli
from wfconsole.tui.layout.workflow_lines import COLUMNS, detail_parts, nodes_of_plan, rows_of, schema_parts
from wfconsole.tui.screens.hold import Hold, HoldDialog
from wfconsole.tui.screens.live import LiveScreen, bindings_of
from wfconsole.tui.screens.new_run import NewRunDialog
from wfconsole.tui.screens.reading import Reading
from wfconsole.tui.widgets.definition_graph import DefinitionGraph
from wfconsole.tui.widgets.line import Line, Text, line_of
from wfconsole.tui.widgets.line_table import LineTable
from wfconsole.tui.workflow_facts import WorkflowsSheet, read_sheet

if TYPE_CHECKING:
    from wfconsole.gateway import Gateway

EMPTY = "No workflow is known here.  Name a module:  wfconsole --workflows MODULE"


class WorkflowsScreen(LiveScreen):
    """Enter reads the definition, o starts a run of it, H holds or releases it."""

    PLACE = "workflows"
    TITLE_TEXT = "Workflows"
    BINDINGS = bindings_of("workflows")
    AUTO_FOCUS = "#workflows"

    class Snapshot(Message):
        """The workflows as they are."""

        def __init__(self, sheet: WorkflowsSheet) -> None:
            super().__init__()
            self.sheet = sheet

    def __init__(self) -> None:
        super().__init__()
        self._sheet: WorkflowsSheet | None = None

    def body(self) -> ComposeResult:
        ascii_only = self.console.settings.ascii
        yield Line(id="note")
        yield LineTable(COLUMNS, id="workflows", ascii_only=ascii_only, empty="Asking the database …")
        yield DefinitionGraph(id="definition", ascii_only=ascii_only)
        with VerticalScroll(id="workflow-facts", can_focus=False):
            yield Text(id="workflow-facts-text")

    async def ask(self, gateway: Gateway, news: bool) -> Message:
        return self.Snapshot(await read_sheet(gateway.inspector, self.query_one(LineTable).cursor_key))

    @on(Snapshot)
    def _paint(self, message: Snapshot) -> None:
        if not self.alive:
            return
        self._sheet = sheet = message.sheet
        table = self.query_one(LineTable)
        table.empty_text = EMPTY
        table.tell(rows_of(sheet.workflows, sheet.unfinished, ascii_only=self.console.settings.ascii))
        held = sum(workflow.paused for workflow in sheet.workflows)
        lost = sum(view.runs for view in sheet.unfinished if not view.survives)
        words = [f"{held} held"] if held else []
        words += (
            [f"{lost} unfinished run{'' if lost == 1 else 's'} would not survive these definitions"] if lost else []
        )
        style = "$status-failed" if lost else "$status-waiting"
        self.query_one("#note", Line).show(line_of((" Workflows", "bold"), (f"  {', '.join(words)}", style)))
        self._paint_detail()
        self.refresh_frame()

    def _paint_detail(self) -> None:
        workflow, sheet = self._workflow(), self._sheet
        shown = self.query_one("#workflow-facts-text", Text)
        if workflow is None or sheet is None:
            shown.show(line_of(""))
            return
        self.query_one(DefinitionGraph).show_plan(nodes_of_plan(workflow))
        shown.show(line_of(*detail_parts(workflow, sheet, self.console.now(), self.console.zone)))

    def tick(self) -> None:
        if self._sheet is not None:
            self._paint_detail()

    def _workflow(self) -> WorkflowView | None:
        key = self.query_one(LineTable).cursor_key
        workflows = self._sheet.workflows if self._sheet is not None else ()
        return next((workflow for workflow in workflows if workflow.id == key), None)

    @on(LineTable.CursorMoved)
    def _moved(self, event: LineTable.CursorMoved) -> None:
        event.stop()
        self._paint_detail()
        self.console.feed.poke(news=False)
        self.refresh_frame()

    def why_not(self, action: Action) -> str | None:
        workflow = self._workflow()
        if action in (HOLD, OPEN) and workflow is None:
            return "there is no workflow here"
        if action is NEW_RUN and workflow is not None and not workflow.registered:
            return super().why_not(action) or "it is not registered here: --workflows MODULE"
        return super().why_not(action)

    # -- keys ------------------------------------------------------------------------------------

    @on(LineTable.Opened)
    def _read(self, event: LineTable.Opened) -> None:
        event.stop()
        workflow = self._workflow()
        if workflow is not None:
            self.app.push_screen(Reading(workflow.name, line_of(*schema_parts(workflow))))

    def action_run_new(self) -> None:
        if self.allowed(NEW_RUN):
            self.app.push_screen(NewRunDialog(self.query_one(LineTable).cursor_key), self.console.run_started)

    def action_workflow_hold(self) -> None:
        workflow = self._workflow()
        if not self.allowed(HOLD) or workflow is None:
            return

        def answered(hold: Hold | None) -> None:
            if hold is not None:
                self.run_worker(self._carry_out(hold), group="send")

        self.app.push_screen(HoldDialog(workflow), answered)

    async def _carry_out(self, hold: Hold) -> None:
        command = PauseWorkflow if hold.hold else ResumeWorkflow
        try:
            await self.console.source().send(command(workflow_id=hold.workflow_id, reason=hold.reason or None))
        except EngineError as error:
            self.console.tell(f"hold: {error}", severity="error")
        else:
            reason = ["--reason", hold.reason] if hold.reason else []
            twin = cli("pause" if hold.hold else "resume", hold.workflow_id, *reason)
            self.console.tell_done(f"{hold.workflow_id} {'is held' if hold.hold else 'is released'}", twin)
        self.console.feed.poke()

    def copied(self) -> str:
        return self.query_one(LineTable).cursor_key or ""
