"""The filter line: what is shown, how many match, and the field that edits it."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.message import Message
from textual.widgets import Input

from wfconsole.safe_text import safe_text
from wfconsole.tui.widgets.line import Line, Part, line_of

MAX_FILTER = 500
PRINTABLE = r"[^\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]*"
"""What may be typed or pasted into a field: nothing that could steer the terminal that shows it."""


class _FilterInput(Input):
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", show=False),
        Binding("up,ctrl+p", "earlier", show=False),
    ]

    class Left(Message):
        """The operator gave up editing."""

    def action_leave(self) -> None:
        self.post_message(self.Left())

    def action_earlier(self) -> None:
        """Bound so that ctrl+p stays with the field; the history comes with it."""


class FilterBar(Horizontal):
    """Shows the filter; `edit()` opens the field. Posts `Changed` with a text that `check` accepts."""

    class Changed(Message):
        """The operator asked for another filter."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    def __init__(self, check: Callable[[str], str | None], prompt: str = "filter") -> None:
        """`check` gives None for a usable text, else what is wrong with it."""
        super().__init__(id="filter-bar")
        self._check, self._prompt = check, prompt
        self._text = ""

    def compose(self) -> ComposeResult:
        yield Line(id="filter-label")
        yield _FilterInput(
            id="filter-input", compact=True, max_length=MAX_FILTER, restrict=PRINTABLE, select_on_focus=False
        )
        yield Line(id="filter-note")

    def on_mount(self) -> None:
        self.query_one(_FilterInput).display = False
        self.show("")

    @property
    def text(self) -> str:
        return self._text

    @property
    def editing(self) -> bool:
        return bool(self.query_one(_FilterInput).display)

    def show(self, text: str) -> None:
        """Show this filter as the one in force; an empty one shows the key that sets it."""
        self._text = text
        label = self.query_one("#filter-label", Line)
        if self.editing:
            label.show(line_of((f" {self._prompt}: ", "$accent")))
        elif text:
            label.show(line_of((f" {self._prompt}: ", "$quiet"), (safe_text(text), "bold")))
        else:
            label.show(line_of((f" {self._prompt}: none (/)", "$quiet")))

    def note(self, content: Content) -> None:
        """What stands at the right end: how many match, how many are marked."""
        label = self.query_one("#filter-note", Line)
        if not (self.editing and self._check(self.query_one(_FilterInput).value)):
            label.styles.width = content.cell_length + 1
            label.show(content)

    def edit(self) -> None:
        field = self.query_one(_FilterInput)
        field.value = self._text
        field.cursor_position = len(self._text)
        self._open(True)
        field.focus()

    def _open(self, editing: bool) -> None:
        field = self.query_one(_FilterInput)
        field.display = editing
        self.query_one("#filter-label", Line).styles.width = len(self._prompt) + 3 if editing else "1fr"
        self.show(self._text)

    def _close(self) -> None:
        if self.editing:
            self._open(False)

    @on(Input.Changed)
    def _say_what_is_wrong(self, event: Input.Changed) -> None:
        event.stop()
        wrong = self._check(event.value)
        self.set_class(wrong is not None, "-wrong")
        label = self.query_one("#filter-note", Line)
        say: Part = (
            (safe_text(wrong, limit=max(30, self.size.width - 40)), "$status-failed")
            if wrong
            else ("enter apply", "$quiet")
        )
        shown = line_of(say, " ")
        label.styles.width = shown.cell_length + 1
        label.show(shown)

    @on(Input.Submitted)
    def _apply(self, event: Input.Submitted) -> None:
        event.stop()
        if self._check(event.value) is None:
            self._text = event.value.strip()
            self._close()
            self.post_message(self.Changed(self._text))

    @on(_FilterInput.Left)
    def _give_up(self, event: _FilterInput.Left) -> None:
        event.stop()
        self._close()
        self.post_message(self.Changed(self._text))
