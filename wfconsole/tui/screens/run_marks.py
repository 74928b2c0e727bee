"""Marked runs: marking ranges and all that match, their logs."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from engine.errors import EngineError
from engine.inspector import FailureView, PageRequest, RunSummary
from wfconsole import formatting
from wfconsole.actions import CANCEL, RERUN, RETRY, RUN_OPERATIONS, Action, Operation, rerun_choices
from wfconsole.bulk_verbs import matching, runs_of
from wfconsole.frame_actions import LOGS, POLL
from wfconsole.tui.run_window import RunWindow
from wfconsole.tui.screens.bulk_dialog import BulkAnswer, BulkDialog
from wfconsole.tui.screens.bulk_plan import plan_of
from wfconsole.tui.screens.operations import RunOperations
from wfconsole.tui.widgets.run_table import RunTable

if TYPE_CHECKING:
    from wfconsole.gateway import Gateway

BULK = (CANCEL, RETRY, RERUN, POLL)
"""What can be done to many runs at once."""

MOST_MARKED = 10_000
"""Runs that `*` marks at most; whoever means more uses the command line's --filter."""
_PAGE = 1_000


class RunMarks(RunOperations):
    """A place with a run table whose marks its actions are about."""

    window: RunWindow

    @abstractmethod
    def chosen_causes(self) -> Sequence[FailureView]:
        """The causes that actions are about, where failures are folded; else none."""

    def why_not(self, action: Action) -> str | None:
        if action in RUN_OPERATIONS and (self.chosen_causes() or self.query_one(RunTable).marks):
            return self._why_not_many(action)
        if action is LOGS and not self.query_one(RunTable).marks and self.subject() is None:
            return "there is no run here"
        return super().why_not(action)

    def _why_not_many(self, action: Action) -> str | None:
        if action not in BULK:
            return "it is done to one run at a time: escape clears the marks"
        if self.chosen_causes() and action not in (RETRY, RERUN):
            return "failed runs are retried (F) or rerun (R)"
        if self.console.bulk is not None and self.console.bulk.report is None:
            return "a bulk action is under way: ctrl+c stops it"
        return self.console.why_no_writing()

    def action_go_diff(self) -> None:
        """Two marked runs side by side; without marks the run under the cursor and the last good one."""
        marked = sorted(self.query_one(RunTable).marks)
        if len(marked) == 2:
            self.run_worker(self.compare_runs(*marked), group="diff", exclusive=True)
        elif marked:
            self.console.tell(f"compare: mark two runs, not {len(marked)}", severity="warning")
        else:
            super().action_go_diff()

    # -- acting on many --------------------------------------------------------------------------

    def _ask(self, operation: Operation[RunSummary]) -> None:
        table, causes = self.query_one(RunTable), self.chosen_causes()
        if not causes and not table.marks:
            super()._ask(operation)
        elif self.allowed(operation):
            marked, elsewhere = sorted(table.marks), table.marks_elsewhere
            self.run_worker(self._gather(operation, causes, marked, elsewhere), group="gather", exclusive=True)

    async def _gather(
        self,
        operation: Operation[RunSummary],
        causes: Sequence[FailureView],
        marked: Sequence[str],
        elsewhere: Sequence[str],
    ) -> None:
        """Read the runs meant, then ask about exactly these."""
        try:
            gateway = self.console.source()
            if causes:
                runs, elsewhere = await self._of_causes(gateway, causes), ()
            else:
                runs = await runs_of(gateway, marked)
            stages, stage_id = await self._stages(gateway, runs) if operation is RERUN and runs else ((), "")
        except EngineError as error:
            self.console.tell(f"{operation.label}: {error}", severity="error")
            return
        if not runs:
            self.console.tell(f"{operation.label}: none of these runs is there any more", severity="warning")
            return

        def answered(answer: BulkAnswer | None) -> None:
            if answer is not None:
                self.console.start_bulk(plan_of(operation, runs, answer, self.console.source))

        self.app.push_screen(BulkDialog(operation, runs, elsewhere, stages, stage_id), answered)

    async def _of_causes(self, gateway: Gateway, causes: Sequence[FailureView]) -> list[RunSummary]:
        """The failed runs of these causes that match the filter."""
        found: dict[str, RunSummary] = {}
        for cause in causes:
            update = {"status": ("FAILED",), "workflow_id": (cause.workflow_id,)}
            if cause.fingerprint:
                update["fingerprint"] = (cause.fingerprint,)
            wanted = self.window.filter.model_copy(update=update)
            found.update({run.id: run for run in await matching(gateway, wanted, MOST_MARKED)})
        return list(found.values())

    async def _stages(self, gateway: Gateway, runs: Sequence[RunSummary]) -> tuple[Sequence[str], str]:
        """Where reruns of all these may begin, and the stage most of them failed in; of one workflow only."""
        if len({run.workflow_id for run in runs}) > 1:
            return (), ""
        whole = await gateway.inspector.run(runs[0].id)
        failed = Counter(stage for run in runs for stage in run.current_stages[:1])
        return rerun_choices(whole), failed.most_common(1)[0][0] if failed else ""

    # -- handing over ----------------------------------------------------------------------------

    def copied_runs(self) -> Sequence[str]:
        return sorted(self.query_one(RunTable).marks) or super().copied_runs()

    def exported(self) -> tuple[str, str]:
        """The marked rows that are loaded, else all of them, as one JSON document."""
        table = self.query_one(RunTable)
        rows = [run for run in table.rows if run.id in table.marks] or table.rows
        if not rows:
            return "", ".json"
        items = [run.model_dump(mode="json") for run in rows]
        return json.dumps({"items": items}, indent=2, ensure_ascii=True) + "\n", ".json"

    def action_go_export(self) -> None:
        text, suffix = self.exported()
        if text:
            self.console.export("wfconsole-runs", suffix, text)
        else:
            self.console.tell("there is no run here", severity="warning")

    # -- marking ---------------------------------------------------------------------------------

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
        from wfconsole.tui.screens.run_logs import MOST_RUNS, RunLogsScreen

        marked = sorted(self.query_one(RunTable).marks)
        if len(marked) > MOST_RUNS:
            self.console.tell(f"logs of {MOST_RUNS} runs at most; {len(marked)} are marked", severity="warning")
        elif marked:
            self.app.push_screen(RunLogsScreen(marked))
        elif (run := self.subject()) is not None:
            self.console.open_run(run.id, tab="logs")
