"""Actions that write to runs: asked in a dialog, sent with the id taken when the key was pressed, told."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Awaitable, Callable, Sequence

from engine.errors import EngineError
from engine.inspector import PageRequest, RunFilter, RunStatus, RunSummary
from wfconsole import formatting
from wfconsole.actions import (
    CANCEL,
    EXPLAIN,
    NEW_RUN,
    RERUN,
    RETRY,
    RUN_OPERATIONS,
    Action,
    Answer,
    Operation,
)
from wfconsole.frame_actions import POLL
from wfconsole.run_actions import GIVE_UP, NOTE
from wfconsole.run_diff import diff_runs
from wfconsole.tui.screens.confirm import ConfirmDialog, NoteDialog
from wfconsole.tui.screens.dialog import Dialog
from wfconsole.tui.screens.diff import DiffScreen
from wfconsole.tui.screens.explain import ExplainScreen, why_of, why_panel
from wfconsole.tui.screens.live import LiveScreen
from wfconsole.tui.screens.new_run import NewRunDialog
from wfconsole.tui.screens.outside import CancelDialog, GiveUpDialog
from wfconsole.tui.screens.rerun import RerunDialog


class RunOperations(LiveScreen):
    """A place with a run under the cursor: `subject` is that run as last painted."""

    @abstractmethod
    def subject(self) -> RunSummary | None:
        """The run that actions are about; None where there is none."""

    def stage_under_cursor(self) -> str | None:
        """The stage a rerun proposes to start from."""
        return None

    def why_not(self, action: Action) -> str | None:
        run = self.subject()
        if run is None and action in (*RUN_OPERATIONS, EXPLAIN):
            return "there is no run here"
        operation = next((known for known in RUN_OPERATIONS if known is action), None)
        refusal = operation.valid_for(run) if operation is not None and run is not None else None
        return super().why_not(action) or refusal

    def action_run_cancel(self) -> None:
        self._ask(CANCEL)

    def action_run_retry(self) -> None:
        self._ask(RETRY)

    def action_run_rerun(self) -> None:
        self._ask(RERUN)

    def action_run_poll(self) -> None:
        self._ask(POLL)

    def action_run_give_up(self) -> None:
        self._ask(GIVE_UP)

    def action_run_note(self) -> None:
        self._ask(NOTE)

    def _ask(self, operation: Operation[RunSummary]) -> None:
        run = self.subject()
        if not self.allowed(operation) or run is None:
            return

        async def details() -> RunSummary:
            return await self.console.source().inspector.run(run.id)

        def answered(answer: Answer | None) -> None:
            if answer is not None:
                self.run_worker(self.console.carry_out(operation, run, answer), group="send")

        self.app.push_screen(self._dialog(operation, run, details), answered)

    def _dialog(
        self, operation: Operation[RunSummary], run: RunSummary, details: Callable[[], Awaitable[RunSummary]]
    ) -> Dialog[Answer]:
        if operation is RERUN:
            return RerunDialog(operation, run, details, self.stage_under_cursor())
        if operation is GIVE_UP:
            return GiveUpDialog(operation, run, details, self.stage_under_cursor())
        if operation is CANCEL:
            return CancelDialog(operation, run, details)
        return NoteDialog(operation, run) if operation is NOTE else ConfirmDialog(operation, run, details)

    def action_run_explain(self) -> None:
        run = self.subject()
        if self.allowed(EXPLAIN) and run is not None:
            self.run_worker(self._explain(run), group="explain", exclusive=True)

    async def _explain(self, run: RunSummary) -> None:
        try:
            why = await why_of(self.console.source().inspector, run)
        except EngineError as error:
            self.console.tell(f"why: {error}", severity="error")
        else:
            title = f"Why is {formatting.short_id(run.id)} where it is?"
            panel = why_panel(why, self.console.now(), self.console.zone)
            self.app.push_screen(ExplainScreen(title, panel, [step.key for step in why.explanation.next]))

    def action_go_diff(self) -> None:
        run = self.subject()
        if run is None:
            self.console.tell("diff: there is no run here", severity="warning")
        else:
            self.run_worker(self._compare_with_good(run), group="diff", exclusive=True)

    async def _compare_with_good(self, run: RunSummary) -> None:
        """Against the last run of the workflow that completed, this one left out."""
        lately = RunFilter(workflow_id=(run.workflow_id,), status=(RunStatus.COMPLETED,))
        try:
            found = (await self.console.source().inspector.runs(lately, PageRequest(limit=2))).items
        except EngineError as error:
            self.console.tell(f"diff: {error}", severity="error")
            return
        good = next((one for one in found if one.id != run.id), None)
        if good is None:
            self.console.tell(f"diff: no other run of {run.workflow_id} completed yet", severity="warning")
        else:
            await self.compare_runs(good.id, run.id)

    async def compare_runs(self, left_id: str, right_id: str) -> None:
        """Show two runs side by side."""
        inspector, console = self.console.source().inspector, self.console
        try:
            left, right = await inspector.run(left_id), await inspector.run(right_id)
        except EngineError as error:
            console.tell(f"diff: {error}", severity="error")
            return
        diff = diff_runs(left, right, console.now())
        self.app.push_screen(DiffScreen(diff, ascii_only=console.settings.ascii))

    def action_run_new(self) -> None:
        if self.allowed(NEW_RUN):
            run = self.subject()
            self.app.push_screen(NewRunDialog(run.workflow_id if run else None), self.console.run_started)

    def exported(self) -> tuple[str, str]:
        run = self.subject()
        return ("", ".json") if run is None else (run.model_dump_json(indent=2) + "\n", ".json")

    def copied_runs(self) -> Sequence[str]:
        run = self.subject()
        return () if run is None else (run.id,)

    def copied(self) -> str:
        run = self.subject()
        return run.id if run else ""
