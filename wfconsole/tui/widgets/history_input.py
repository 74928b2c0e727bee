"""A line that is typed: its history under the arrows, completion under tab."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import Input

from wfconsole.tui.completion import Completed

MAX_LINE = 500
PRINTABLE = r"[^\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]*"
"""What may be typed or pasted into a field: nothing that could steer the terminal that shows it."""


class HistoryInput(Input):
    """`history` gives earlier lines (the oldest first), `completer` completes a text at a cursor."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", show=False),
        Binding("up,ctrl+p", "earlier", show=False),
        Binding("down,ctrl+n", "later", show=False),
        Binding("tab", "complete", show=False),
    ]

    class Left(Message):
        """The operator gave up editing."""

    class Choices(Message):
        """What the word could become; empty when there is nothing to choose."""

        def __init__(self, choices: Sequence[str]) -> None:
            super().__init__()
            self.choices = choices

    def __init__(self, *, id: str, max_length: int = MAX_LINE) -> None:
        super().__init__(id=id, compact=True, max_length=max_length, restrict=PRINTABLE, select_on_focus=False)
        self.history: Callable[[], Sequence[str]] = tuple
        self.completer: Callable[[str, int], Completed] = Completed
        self._back = 0
        self._draft = ""

    def begin(self, text: str) -> None:
        """Edit this text from now on."""
        self.value, self._back, self._draft = text, 0, text
        self.cursor_position = len(text)
        # At once: what is typed right behind the key that opened the field belongs into it.
        self.screen.set_focus(self)

    def action_leave(self) -> None:
        self.post_message(self.Left())

    def action_earlier(self) -> None:
        self._walk(1)

    def action_later(self) -> None:
        self._walk(-1)

    def _walk(self, step: int) -> None:
        lines = self.history()
        if self._back == 0:
            self._draft = self.value
        back = max(0, min(len(lines), self._back + step))
        if back != self._back:
            self._back = back
            self.value = lines[len(lines) - back] if back else self._draft
            self.cursor_position = len(self.value)

    def action_complete(self) -> None:
        done = self.completer(self.value, self.cursor_position)
        if done.text != self.value:
            self.value, self.cursor_position = done.text, done.cursor
        self.post_message(self.Choices(done.choices))
