"""Yes or no about one run or dead letter; with a reason where the command wants one."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import ClassVar, Generic, TypeVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Input

from engine.errors import EngineError
from engine.inspector import EventView, RunDetail, RunSummary
from engine.model.ids import new_token
from wfconsole.actions import Answer, Operation, Question
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
        self.ask(self.worded())

    def worded(self) -> Question:
        """The question as far as the subject and the answer are known."""
        return self.operation.question(self.subject, self.answer)

    def result(self) -> Answer | None:
        refusal = self.operation.valid_for(self.subject)
        if refusal is not None:
            self.problem(refusal)
            return None
        return self.answer


class ReasonDialog(ConfirmDialog[S]):
    """Wants a reason too; the field takes the focus only by tab."""

    WORD: ClassVar[str] = "reason"

    def body(self) -> ComposeResult:
        yield Input(id="reason", placeholder=f"{self.WORD} (tab)", max_length=500, restrict=PRINTABLE, compact=True)

    def result(self) -> Answer | None:
        reason = self.query_one("#reason", Input).value.strip()
        if not reason:
            self.problem(f"It needs a {self.WORD}: tab to the field.")
            return None
        return replace(self.answer, reason=reason)


class NoteDialog(ReasonDialog[RunSummary]):
    """Words to keep with a run."""

    WORD = "note"


class StageDialog(ConfirmDialog[RunSummary]):
    """Chooses one of the run's stages; the consequences follow the choice."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "choose(-1)", show=False),
        Binding("down,j", "choose(1)", show=False),
    ]
    HEADING: ClassVar[str] = "stage"

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

    @abstractmethod
    def choices_of(self, run: RunDetail) -> list[str]:
        """The stages to choose from."""

    def first_choice(self, run: RunDetail, choices: list[str]) -> int:
        """The place of the stage proposed where the reader came from none."""
        return 0

    def learn(self, subject: RunSummary) -> None:
        if isinstance(subject, RunDetail):
            choices = self.choices_of(subject)
            names = {stage.stage_id: stage.name for group in subject.plan for stage in group}
            self._choices = [(stage, names.get(stage, "")) for stage in choices]
            if choices:
                known = self._wanted in choices
                self._place = choices.index(str(self._wanted)) if known else self.first_choice(subject, choices)
                self._choose()
        super().learn(subject)

    def action_choose(self, step: int) -> None:
        """Move the choice; the consequences follow it."""
        if self._choices:
            self._place = max(0, min(len(self._choices) - 1, self._place + step))
            self._choose()
            self.reword(self.worded())

    def _choose(self) -> None:
        self.answer = replace(self.answer, stage_id=self._choices[self._place][0])
        parts: list[Part | str] = [(self.HEADING, "$quiet"), ("  (↑ ↓ chooses)\n", "$quiet")]
        for place, (stage_id, name) in enumerate(self._choices):
            chosen = place == self._place
            text = f"{'>' if chosen else ' '} {safe_text(stage_id, limit=30):<24} {safe_text(name, limit=36)}"
            parts += [(text, "bold $primary" if chosen else ""), "\n"]
        self.query_one("#stages", Text).show(line_of(*parts[:-1]))

    def result(self) -> Answer | None:
        return super().result() if self.answer.stage_id else None
