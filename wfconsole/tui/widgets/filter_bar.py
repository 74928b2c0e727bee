"""The filter line: what is shown, how many match, and the field that edits it."""

from __future__ import annotations

from collections.abc import Callable

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.message import Message
from textual.widgets import Input

from wfconsole.safe_text import safe_text
from wfconsole.tui.widgets.history_input import PRINTABLE as PRINTABLE
from wfconsole.tui.widgets.history_input import HistoryInput
from wfconsole.tui.widgets.line import Line, Part, line_of


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
        self._text = self._view = ""

    def compose(self) -> ComposeResult:
        yield Line(id="filter-label")
        yield HistoryInput(id="filter-input")
        yield Line(id="filter-note")

    def on_mount(self) -> None:
        self.query_one(HistoryInput).display = False
        self.show("")

    @property
    def field(self) -> HistoryInput:
        """Where the text is typed; give it a history and a completer."""
        return self.query_one(HistoryInput)

    @on(HistoryInput.Choices)
    def _show_choices(self, event: HistoryInput.Choices) -> None:
        event.stop()
        if event.choices:
            shown = safe_text("  ".join(event.choices), limit=max(20, self.size.width // 2))
            self._note(line_of((shown, "$quiet"), " "))

    @property
    def text(self) -> str:
        return self._text

    @property
    def editing(self) -> bool:
        return bool(self.query_one(HistoryInput).display)

    def show(self, text: str, view: str = "") -> None:
        """Show this filter as the one in force, after the name of the view; an empty one shows the key that sets it."""
        self._text, self._view = text, view
        label = self.query_one("#filter-label", Line)
        named = ((f" {view} (v) ", "bold $accent"),) if view else ()
        if self.editing:
            label.show(line_of((f" {self._prompt}: ", "$accent")))
        elif text:
            label.show(line_of(*named, (f" {self._prompt}: ", "$quiet"), (safe_text(text), "bold")))
        else:
            label.show(line_of(*named, (f" {self._prompt}: none (/)", "$quiet")))

    def note(self, content: Content) -> None:
        """What stands at the right end: how many match, how many are marked."""
        if not self.editing:
            self._note(content)

    def edit(self) -> None:
        field = self.query_one(HistoryInput)
        self._open(True)
        field.begin(self._text)

    def _open(self, editing: bool) -> None:
        field = self.query_one(HistoryInput)
        field.display = editing
        self.query_one("#filter-label", Line).styles.width = len(self._prompt) + 3 if editing else "1fr"
        self.show(self._text, self._view)

    def _close(self) -> None:
        if self.editing:
            self._open(False)

    @on(Input.Changed)
    def _say_what_is_wrong(self, event: Input.Changed) -> None:
        event.stop()
        wrong = self._check(event.value)
        self.set_class(wrong is not None, "-wrong")
        say: Part = (
            (safe_text(wrong, limit=max(30, self.size.width - 40)), "$status-failed")
            if wrong
            else ("enter apply", "$quiet")
        )
        self._note(line_of(say, " "))

    def _note(self, content: Content) -> None:
        label = self.query_one("#filter-note", Line)
        label.styles.width = content.cell_length + 1
        label.show(content)

    @on(Input.Submitted)
    def _apply(self, event: Input.Submitted) -> None:
        event.stop()
        if self._check(event.value) is None:
            self._text = event.value.strip()
            self._close()
            self.post_message(self.Changed(self._text))

    @on(HistoryInput.Left)
    def _give_up(self, event: HistoryInput.Left) -> None:
        event.stop()
        self._close()
        self.post_message(self.Changed(self._text))
