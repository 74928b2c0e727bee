"""Marked runs: marking ranges and all that match, their logs."""

from __future__ import annotations

from engine.errors import EngineError
from engine.inspector import PageRequest
from wfconsole import formatting
from wfconsole.actions import Action
from wfconsole.frame_actions import LOGS
from wfconsole.tui.run_window import RunWindow
from wfconsole.tui.screens.operations import RunOperations
from wfconsole.tui.screens.run_logs import MOST_RUNS, RunLogsScreen
from wfconsole.tui.widgets.run_table import RunTable

MOST_MARKED = 10_000
"""Runs that `*` marks at most; whoever means more uses the command line's --filter."""
_PAGE = 1_000


class RunMarks(RunOperations):
    """A place with a run table whose marks its actions are about."""

    window: RunWindow

    def why_not(self, action: Action) -> str | None:
        if action is LOGS and not self.query_one(RunTable).marks and self.subject() is None:
            return "there is no run here"
        return super().why_not(action)

    def action_list_mark_range(self) -> None:
        self.query_one(RunTable).mark_to_cursor()

    def action_list_mark_invert(self) -> None:
        self.query_one(RunTable).invert_marks()

    def action_list_mark_all(self) -> None:
        self.run_worker(self._mark_all(), group="marking", exclusive=True)

    async def _mark_all(self) -> None:
        """Mark every run that matches now, those not loaded too."""
        found: set[str] = set()
        page = PageRequest(limit=_PAGE)
        try:
            while len(found) < MOST_MARKED:
                answer = await self.console.source().inspector.runs(self.window.filter, page)
                found |= {run.id for run in answer.items}
                if answer.next_cursor is None:
                    break
                page = page.model_copy(update={"cursor": answer.next_cursor})
            else:
                self.console.tell(
                    f"the first {formatting.count(len(found))} are marked, not all; "
                    "for more: wfconsole cancel|retry|rerun --filter",
                    severity="warning",
                )
        except EngineError as error:
            self.console.tell(f"mark all: {error}", severity="error")
            return
        table = self.query_one(RunTable)
        table.marks = table.marks | found

    def action_list_logs(self) -> None:
        if not self.allowed(LOGS):
            return
        table = self.query_one(RunTable)
        marked = sorted(table.marks)
        if len(marked) > MOST_RUNS:
            self.console.tell(f"logs of {MOST_RUNS} runs at most; {len(marked)} are marked", severity="warning")
        elif marked:
            self.app.push_screen(RunLogsScreen(marked))
        elif (run := self.subject()) is not None:
            self.console.open_run(run.id, tab="logs")
