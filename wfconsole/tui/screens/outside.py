"""Dialogs that end a wait for outside work: they name what goes on over there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from textual.app import ComposeResult
from textual.widgets import Input

from engine.errors import EngineError
from engine.inspector import RunDetail, RunSummary, StageStatus, StageView
from wfconsole.actions import Answer, Question
from wfconsole.formatting import duration
from wfconsole.run_actions import batch_ids, given_up_choices, outside_line, suspended_stages
from wfconsole.safe_text import safe_text
from wfconsole.tui.screens.confirm import ConfirmDialog, StageDialog
from wfconsole.tui.widgets.filter_bar import PRINTABLE

if TYPE_CHECKING:
    from wfconsole.tui.app import WorkflowConsole


class Outside:
    """What the suspended stages of a run wait for; read once the run is."""

    def __init__(self) -> None:
        self.ids: Mapping[str, Sequence[str]] = {}

    async def read(self, console: WorkflowConsole, run: RunDetail) -> None:
        inspector = console.source().inspector
        found = {stage: await inspector.suspended_state(run.id, stage) for stage in suspended_stages(run)}
        self.ids = {stage: batch_ids(state) for stage, state in found.items()}

    def lines(self, *stages: str) -> list[str]:
        """A sentence for each of these stages that waits; for all without any."""
        return [outside_line(stage, ids) for stage, ids in self.ids.items() if not stages or stage in stages]


class CancelDialog(ConfirmDialog[RunSummary]):
    """Cancelling a run; names the batches it leaves behind."""

    outside: Outside | None = None

    def learn(self, subject: RunSummary) -> None:
        super().learn(subject)
        if isinstance(subject, RunDetail) and suspended_stages(subject):
            self.run_worker(self._look_outside(subject), group="outside", exclusive=True)

    async def _look_outside(self, run: RunDetail) -> None:
        outside = Outside()
        try:
            await outside.read(cast("WorkflowConsole", self.app), run)
        except EngineError as error:
            self.problem(str(error))
        else:
            self.outside = outside
            self.ask(self.worded())

    def worded(self) -> Question:
        asked = super().worded()
        return asked if self.outside is None else replace(asked, lines=[*asked.lines, *self.outside.lines()])


def proposed_reason(stage: StageView, ids: Sequence[str], now: datetime) -> str:
    """What the facts say for giving this stage up, in one line."""
    since = stage.started_at or stage.queued_at
    waited = "" if since is None else f" after {duration((now - since).total_seconds() * 1000)}"
    if stage.status is not StageStatus.SUSPENDED:
        return f"given up{waited}, at try {stage.tries} of {stage.max_attempts}"
    return safe_text(f"no result{f' of {ids[0]}' if ids else ''}{waited}", limit=200)


class GiveUpDialog(StageDialog):
    """Chooses the waiting stage to give up, and wants a reason; proposes the one that the facts give."""

    HEADING = "give up"

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._outside = Outside()
        self._proposed = ""

    def body(self) -> ComposeResult:
        yield from super().body()
        yield Input(id="reason", placeholder="reason (tab)", max_length=500, restrict=PRINTABLE, compact=True)

    def choices_of(self, run: RunDetail) -> list[str]:
        return given_up_choices(run)

    def learn(self, subject: RunSummary) -> None:
        super().learn(subject)
        if isinstance(subject, RunDetail):
            self.run_worker(self._look_outside(subject), group="outside", exclusive=True)

    async def _look_outside(self, run: RunDetail) -> None:
        try:
            await self._outside.read(cast("WorkflowConsole", self.app), run)
        except EngineError as error:
            self.problem(str(error))
        else:
            self._propose()
            self.ask(self.worded())

    def _choose(self) -> None:
        super()._choose()
        self._propose()

    def _propose(self) -> None:
        """Put the reason of the chosen stage into the field, unless somebody wrote one."""
        run, chosen, field = self.subject, self.answer.stage_id, self.query_one("#reason", Input)
        stages = run.stages if isinstance(run, RunDetail) else []
        stage = next((one for one in stages if one.stage_id == chosen), None)
        if stage is not None and field.value == self._proposed:
            now = cast("WorkflowConsole", self.app).now()
            self._proposed = proposed_reason(stage, self._outside.ids.get(chosen, ()), now)
            field.value = self._proposed

    def worded(self) -> Question:
        asked = super().worded()
        return replace(asked, lines=[*asked.lines, *self._outside.lines(self.answer.stage_id)])

    def result(self) -> Answer | None:
        answer = super().result()
        reason = self.query_one("#reason", Input).value.strip()
        if answer is not None and not reason:
            self.problem("It needs a reason: tab to the field.")
            return None
        return None if answer is None else replace(answer, reason=reason)
