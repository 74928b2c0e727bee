"""Yes or no about one run or dead letter; with a reason where the command wants one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import ClassVar, Generic, TypeVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Input

from engine.errors import EngineError
from engine.inspector import EventView, RunDetail, RunSummary, StageStatus
from engine.model.ids import new_token
from wfconsole.actions import Answer, Operation, rerun_choices
from wfconsole.formatting import short_id
from wfconsole.safe_text import safe_text
from wfconsole.tui.screens.dialog import Dialog
from wfconsole.tui.widgets.filter_bar import PRINTABLE
from wfconsole.tui.widgets.line import Part, Text, line_of

S = TypeVar("S", bound=RunSummary | EventView)


class ConfirmDialog(Dialog[Answer], Generic[S]):
    """Asks about the subject it was given; `details` completes the question once they are read."""

    def __init__(self, operation: Operation[S], subject: S, details: Callable[[], Awaitable[S]] | None = None) -> None:
        self.operation, self.subject, self._details = operation, subject, details
        self.answer = Answer(key=new_token())
        super().__init__(operation.question(subject, self.answer))

    def word(self) -> str:
        return short_id(self.subject.id) if self.typed_profile else ""

    def on_mount(self) -> None:
        super().on_mount()
        if self._details is not None:
            self.run_worker(self._complete(self._details), group="details", exclusive=True)

    async def _complete(self, details: Callable[[], Awaitable[S]]) -> None:
        try:
            self.learn(await details())
        except EngineError as error:
            self.problem(str(error))

    def learn(self, subject: S) -> None:
        """Ask again with all that is known by now."""
        self.subject = subject
        refusal = self.operation.valid_for(subject)
        if refusal is not None:
            self.problem(refusal)
        self.ask(self.operation.question(subject, self.answer))

    def result(self) -> Answer | None:
        refusal = self.operation.valid_for(self.subject)
        if refusal is not None:
            self.problem(refusal)
            return None
        return self.answer


class ReasonDialog(ConfirmDialog[S]):
    """Wants a reason too; the field takes the focus only by tab."""

    def body(self) -> ComposeResult:
        yield Input(id="reason", placeholder="reason (tab)", max_length=500, restrict=PRINTABLE, compact=True)

    def result(self) -> Answer | None:
        reason = self.query_one("#reason", Input).value.strip()
        if not reason:
            self.problem("It needs a reason: tab to the field.")
            return None
        return Answer(key=self.answer.key, reason=reason)


class RerunDialog(ConfirmDialog[RunSummary]):
    """Chooses the stage to rerun from, and shows what that runs again and what it reuses."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "choose(-1)", show=False),
        Binding("down,j", "choose(1)", show=False),
    ]

    def __init__(
        self,
        operation: Operation[RunSummary],
        run: RunSummary,
        details: Callable[[], Awaitable[RunSummary]],
        stage_id: str | None = None,
    ) -> None:
        super().__init__(operation, run, details)
        self._wanted = stage_id
        self._choices: list[tuple[str, str]] = []
        self._place = 0

    def body(self) -> ComposeResult:
        yield Text(id="stages")

    def learn(self, subject: RunSummary) -> None:
        if isinstance(subject, RunDetail):
            choices = rerun_choices(subject)
            names = {stage.stage_id: stage.name for group in subject.plan for stage in group}
            self._choices = [(stage, names.get(stage, "")) for stage in choices]
            if choices:
                self._place = (
                    choices.index(self._wanted) if self._wanted in choices else _first_broken(subject, choices)
                )
                self._show_choice()
        super().learn(subject)

    def action_choose(self, step: int) -> None:
        """Move the choice; the consequences follow it."""
        if self._choices:
            self._place = max(0, min(len(self._choices) - 1, self._place + step))
            self._show_choice()
            self.reword(self.operation.question(self.subject, self.answer))

    def _show_choice(self) -> None:
        self.answer = Answer(key=self.answer.key, stage_id=self._choices[self._place][0])
        parts: list[Part | str] = [("from", "$quiet"), ("  (↑ ↓ chooses)\n", "$quiet")]
        for place, (stage_id, name) in enumerate(self._choices):
            chosen = place == self._place
            text = f"{'>' if chosen else ' '} {safe_text(stage_id, limit=30):<24} {safe_text(name, limit=36)}"
            parts += [(text, "bold $primary" if chosen else ""), "\n"]
        self.query_one("#stages", Text).show(line_of(*parts[:-1]))

    def result(self) -> Answer | None:
        return super().result() if self.answer.stage_id else None


def _first_broken(run: RunDetail, choices: list[str]) -> int:
    """Where a rerun most likely starts: at the first stage that did not complete, else at the last one."""
    complete = {stage.stage_id for stage in run.stages if stage.status == StageStatus.COMPLETED}
    return next((place for place, stage in enumerate(choices) if stage not in complete), len(choices) - 1)
