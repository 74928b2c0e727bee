"""One field of a form in one line: its name, its value, and what may stand there or what is wrong with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Input

from wfconsole.safe_text import safe_text
from wfconsole.tui.layout.input_form import FormField
from wfconsole.tui.widgets.filter_bar import PRINTABLE
from wfconsole.tui.widgets.line import Line, line_of

LONGEST = 100_000


class ChoiceField(Widget, can_focus=True):
    """One of a few texts; left and right, or space, go through them."""

    DEFAULT_CSS = "ChoiceField { height: 1; width: 1fr; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("right,space,l", "turn(1)", show=False),
        Binding("left,h", "turn(-1)", show=False),
    ]

    class Changed(Message):
        """Another one was chosen."""

    def __init__(self, choices: Sequence[str], chosen: str, *, ascii_only: bool) -> None:
        super().__init__()
        self._choices, self._ascii_only = tuple(choices), ascii_only
        self.value = chosen

    def render(self) -> Content:
        before, after = ("< ", " >") if self._ascii_only else ("‹ ", " ›")
        shown = safe_text(self.value, limit=60) or "(default)"
        return line_of((before, "$quiet"), (shown, "bold $primary" if self.has_focus else ""), (after, "$quiet"))

    def action_turn(self, by: int) -> None:
        place = self._choices.index(self.value) + by if self.value in self._choices else 0
        self.value = self._choices[place % len(self._choices)]
        self.refresh()
        self.post_message(self.Changed())

    def on_click(self, _: events.Click) -> None:
        self.action_turn(1)


class FormRow(Horizontal):
    """A field; posts `Changed` with each key."""

    class Changed(Message):
        """The text of a field is another."""

    def __init__(self, field: FormField, *, ascii_only: bool = False) -> None:
        super().__init__(classes="form-row")
        self.field, self._ascii_only = field, ascii_only

    def compose(self) -> ComposeResult:
        yield Line(id="form-name")
        if self.field.choices:
            yield ChoiceField(self.field.choices, self.field.start, ascii_only=self._ascii_only)
        else:
            hint = safe_text(self.field.default or "", limit=60)
            yield Input(placeholder=hint, restrict=PRINTABLE, compact=True, max_length=LONGEST)
        yield Line(id="form-note")

    def on_mount(self) -> None:
        name = safe_text(self.field.name, limit=60)
        mark = ("*", "$status-retrying") if self.field.required else (" ", "")
        self.query_one("#form-name", Line).show(line_of(name, mark))
        self.judge("")

    @property
    def text(self) -> str:
        if self.field.choices:
            return self.query_one(ChoiceField).value
        return self.query_one(Input).value

    @text.setter
    def text(self, text: str) -> None:
        if self.field.choices:
            choice = self.query_one(ChoiceField)
            choice.value = text
            choice.refresh()
        else:
            self.query_one(Input).value = text

    def judge(self, problem: str) -> None:
        """Say what is wrong with the field; nothing is: what it takes."""
        note = (safe_text(problem, limit=200), "$status-failed") if problem else (safe_text(self.field.about), "$quiet")
        self.query_one("#form-note", Line).show(line_of(note))

    def enter(self) -> None:
        """Put the focus into the field."""
        self.query_one(ChoiceField if self.field.choices else Input).focus()

    @on(Input.Changed)
    @on(ChoiceField.Changed)
    def _changed(self, event: Input.Changed | ChoiceField.Changed) -> None:
        event.stop()
        self.post_message(self.Changed())
