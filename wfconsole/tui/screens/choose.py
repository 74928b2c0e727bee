"""A short list to choose from: by its letter, or with the arrows and enter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from wfconsole.safe_text import safe_text
from wfconsole.tui.widgets.line import Line, line_of


@dataclass(frozen=True, slots=True)
class Choice:
    """`key` is a letter, or empty; `id` is the answer."""

    key: str
    id: str
    label: str
    note: str = ""


class Choose(ModalScreen[str]):
    """Answers with the id of a choice; None when it was left. Moving over a choice is told to `on_look`."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "leave", show=False),
        Binding("j", "down", show=False),
        Binding("k", "up", show=False),
    ]
    AUTO_FOCUS = "OptionList"

    def __init__(self, title: str, choices: Sequence[Choice], highlighted: str | None = None) -> None:
        super().__init__()
        self._title, self._choices, self._highlighted = title, choices, highlighted

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog"):
            yield Line(id="dialog-title")
            yield OptionList(id="choices", compact=True)
            yield Line(id="reading-keys")

    def on_mount(self) -> None:
        self.query_one("#dialog-title", Line).show(line_of((safe_text(self._title, limit=200), "bold")))
        keys = (("enter", "bold $primary"), (" choose   ", "$quiet"), ("escape", "bold $primary"), (" close", "$quiet"))
        self.query_one("#reading-keys", Line).show(line_of(*keys))
        options = self.query_one(OptionList)
        quiet = "" if self.app.current_theme.ansi else "$quiet"
        options.add_options([Option(_line(choice, quiet)) for choice in self._choices])
        ids = [choice.id for choice in self._choices]
        options.highlighted = ids.index(self._highlighted) if self._highlighted in ids else 0

    @on(OptionList.OptionHighlighted)
    def _look(self, event: OptionList.OptionHighlighted) -> None:
        event.stop()
        self.look(self._choices[event.option_index].id)

    def look(self, choice: str) -> None:
        """The cursor stands on this choice; nothing is chosen yet."""

    @on(OptionList.OptionSelected)
    def _choose(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self.dismiss(self._choices[event.option_index].id)

    def on_key(self, event: events.Key) -> None:
        chosen = next((choice for choice in self._choices if choice.key and choice.key == event.character), None)
        if chosen is not None:
            event.stop()
            self.dismiss(chosen.id)

    def action_leave(self) -> None:
        self.dismiss(None)

    def action_down(self) -> None:
        self.query_one(OptionList).action_cursor_down()

    def action_up(self) -> None:
        self.query_one(OptionList).action_cursor_up()


def _line(choice: Choice, quiet: str) -> Content:
    """On the sixteen colours no quiet ink and no blue one can be read under the cursor."""
    return line_of(
        (f" {choice.key or ' '}  ", "bold $primary" if quiet else "bold"),
        f"{safe_text(choice.label, limit=40):<26}",
        (safe_text(choice.note, limit=60), quiet),
    )
