"""The line behind `:`, in the footer's place while it is typed."""

from __future__ import annotations

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Input

from wfconsole.safe_text import safe_text
from wfconsole.tui.widgets.history_input import HistoryInput
from wfconsole.tui.widgets.line import Line, line_of

MAX_COMMAND = 4_000


class CommandBar(Horizontal):
    """`edit()` opens it; posts `Entered` with what was typed."""

    DEFAULT_CSS = """
    CommandBar { height: 1; width: 1fr; display: none; }
    CommandBar #command-prompt { width: 2; }
    CommandBar #command-input { width: 1fr; height: 1; border: none; padding: 0; background: $panel; }
    CommandBar #command-note { width: auto; max-width: 60%; }
    """

    class Entered(Message):
        """A command to carry out."""

        def __init__(self, text: str, prompt: str) -> None:
            super().__init__()
            self.text, self.prompt = text, prompt

    def __init__(self) -> None:
        super().__init__(id="command-bar")
        self._return_to: Widget | None = None
        self._prompt = ":"

    def compose(self) -> ComposeResult:
        yield Line(id="command-prompt")
        yield HistoryInput(id="command-input", max_length=MAX_COMMAND)
        yield Line(id="command-note")

    def on_mount(self) -> None:
        self.field.display = False

    @property
    def field(self) -> HistoryInput:
        return self.query_one(HistoryInput)

    def edit(self, prompt: str = ":") -> None:
        """Open the line behind `:`, or behind `|`; the focus goes back where it was."""
        self._prompt = prompt
        self.query_one("#command-prompt", Line).show(line_of((f" {prompt}", "bold $accent")))
        self._return_to = self.screen.focused
        self.display = self.field.display = True
        self._note("")
        self.field.begin("")

    def _close(self) -> None:
        self.display = self.field.display = False
        self.screen.set_focus(self._return_to)

    def _note(self, text: str) -> None:
        note = self.query_one("#command-note", Line)
        note.styles.width = len(text) + 1
        note.show(line_of((safe_text(text, limit=200), "$quiet")))

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        event.stop()
        self._note("")

    @on(HistoryInput.Choices)
    def _show_choices(self, event: HistoryInput.Choices) -> None:
        event.stop()
        self._note("  ".join(event.choices))

    @on(Input.Submitted)
    def _enter(self, event: Input.Submitted) -> None:
        event.stop()
        self._close()
        self.post_message(self.Entered(event.value.strip(), self._prompt))

    @on(HistoryInput.Left)
    def _leave(self, event: HistoryInput.Left) -> None:
        event.stop()
        self._close()
