"""What all dialogs share: none can be answered unseen, all stand on No, only their own keys work in them."""

from __future__ import annotations

import time
from abc import abstractmethod
from typing import ClassVar, Generic, TypeVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Input

from wfconsole.actions import Question
from wfconsole.safe_text import safe_text
from wfconsole.tui.widgets.line import Line, Text, line_of

R = TypeVar("R")

SEEN_AFTER = 0.25
"""Seconds after its first paint before a dialog takes an answer."""


class Dialog(ModalScreen[R | None], Generic[R]):
    """A question over the place it came from; None is the answer No.

    `accepts` says whether something typed at a time may count. Whoever changes what is asked calls
    `look_again`, which starts the wait anew. Subclasses build the `body` and give the `result()`.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "yes", show=False),
        Binding("n,escape", "no", show=False),
        # At once, before the keys behind it: what is typed after a tab belongs to the next field.
        Binding("tab", "go_round(1)", show=False, priority=True),
        Binding("shift+tab", "go_round(-1)", show=False, priority=True),
        Binding("right", "app.focus_next", show=False),
        Binding("left", "app.focus_previous", show=False),
    ]
    AUTO_FOCUS = "#no"

    def __init__(self, question: Question) -> None:
        super().__init__()
        self.question = question
        self._armed_at: float | None = None

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog"):
            yield Line(id="dialog-title")
            yield Text(id="dialog-lines")
            yield from self.body()
            if self.word():
                yield Input(id="typed", placeholder=f"type {self.word()} (tab)", max_length=40, compact=True)
            yield Text(id="dialog-problem")
            with Horizontal(id="dialog-buttons"):
                yield Button(Content(f"{self.question.no} (n)"), id="no", compact=True)
                yield from self.other_answers()
                yield Button(Content(f"{self.question.yes} (y)"), id="yes", compact=True)

    def word(self) -> str:
        """What has to be typed before a yes counts; empty where a yes is enough."""
        return ""

    @property
    def typed_profile(self) -> bool:
        """Whether this database wants its confirmations typed."""
        return bool(getattr(getattr(self.app, "settings", None), "confirm", "ask") == "typed")

    def _typed(self) -> bool:
        """Whether the word was typed; says so when it was not."""
        word = self.word()
        if word and self.query_one("#typed", Input).value.strip() != word:
            self.problem(f"Type {word} to go on: tab to the field.")
            return False
        return True

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.action_yes()

    def body(self) -> ComposeResult:
        """The widgets between the lines and the buttons; none by default."""
        yield from ()

    def other_answers(self) -> ComposeResult:
        """Buttons between No and Yes; none by default."""
        yield from ()

    def on_mount(self) -> None:
        self.problem("")
        self.ask(self.question)

    def ask(self, question: Question) -> None:
        """Show this question; an answer given to the one before it does not count."""
        self.reword(question)
        self.look_again()

    def reword(self, question: Question) -> None:
        """Show the question after a choice made inside the dialog: who chose has seen it."""
        self.question = question
        self.query_one("#dialog-title", Line).show(line_of((safe_text(question.title, limit=200), "bold")))
        shown = "\n".join(safe_text(line, limit=300) for line in question.lines)
        self.query_one("#dialog-lines", Text).show(Content(shown))

    def look_again(self) -> None:
        self._armed_at = None
        self.call_after_refresh(self._painted)

    def _painted(self) -> None:
        self._armed_at = time.monotonic() + SEEN_AFTER

    def accepts(self, typed_at: float) -> bool:
        """Whether a key or click of that moment (monotonic seconds) came from somebody who saw this."""
        return self._armed_at is not None and typed_at >= self._armed_at

    @abstractmethod
    def result(self) -> R | None:
        """The answer behind Yes; None when it can't be given yet (then `problem` says why)."""

    def problem(self, text: str) -> None:
        """Say what is wrong, in place; an empty text takes it away."""
        said = self.query_one("#dialog-problem", Text)
        said.display = bool(text)
        said.show(line_of((safe_text(text, multiline=True, limit=1000), "$status-failed")))

    def action_yes(self) -> None:
        result = self.result() if self._typed() else None
        if result is not None:
            self.dismiss(result)

    def action_no(self) -> None:
        self.dismiss(None)

    def action_go_round(self, step: int) -> None:
        """From No through the fields to Yes; backwards from No to the last field, which is nearer than Yes."""
        buttons = [widget for widget in self.focus_chain if isinstance(widget, Button)]
        fields = [widget for widget in self.focus_chain if not isinstance(widget, Button)]
        round_ = [*buttons[:1], *fields, *buttons[1:]]
        here = next((at for at, widget in enumerate(round_) if widget is self.focused), 0)
        if here == 0 and step < 0 and fields:
            self.set_focus(fields[-1])
        elif round_:
            self.set_focus(round_[(here + step) % len(round_)])

    def on_button_pressed(self, event: Button.Pressed) -> None:
        event.stop()
        if event.button.id == "yes":
            self.action_yes()
        else:
            self.action_no()
