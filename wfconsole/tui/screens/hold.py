"""Holding a workflow, and releasing it."""

from __future__ import annotations

from dataclasses import dataclass

from textual.app import ComposeResult
from textual.widgets import Input

from engine.inspector import WorkflowView
from wfconsole.actions import Question
from wfconsole.tui.screens.dialog import Dialog
from wfconsole.tui.widgets.filter_bar import PRINTABLE


@dataclass(frozen=True, slots=True)
class Hold:
    """What was confirmed: to hold or to release, and why."""

    workflow_id: str
    hold: bool
    reason: str


class HoldDialog(Dialog[Hold]):
    """A hold needs a reason: whoever waits for the workflow will want to know it."""

    def __init__(self, workflow: WorkflowView) -> None:
        self._workflow = workflow
        number = workflow.unfinished
        runs = f"{number} unfinished run{'' if number == 1 else 's'}"
        if workflow.paused:
            lines = [f"Its runs and jobs are claimed again, its batches polled: {runs}."]
            question = Question(f"Release {workflow.id}?", lines, "Yes, release")
        else:
            lines = [
                "Nothing new of it is claimed, nothing polled; what executes now ends.",
                f"It has {runs}; outside batches they wait for go on over there, and may bill.",
            ]
            question = Question(f"Hold {workflow.id}?", lines, "Yes, hold")
        super().__init__(question)

    def word(self) -> str:
        return self._workflow.id if self.typed_profile else ""

    def body(self) -> ComposeResult:
        yield Input(id="reason", placeholder="reason (tab)", max_length=500, restrict=PRINTABLE, compact=True)

    def result(self) -> Hold | None:
        reason = self.query_one("#reason", Input).value.strip()
        if not reason and not self._workflow.paused:
            self.problem("It needs a reason: tab to the field.")
            return None
        return Hold(self._workflow.id, not self._workflow.paused, reason)
