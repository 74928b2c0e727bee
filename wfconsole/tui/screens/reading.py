"""Something to read over the place it was asked in: the help, an explanation."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen

from wfconsole.actions import Action
from wfconsole.safe_text import safe_text
from wfconsole.tui.widgets.line import Line, Part, Text, line_of

HELP_CELLS = 64
"""What a dialog shows in a line."""
FRAME = 6
"""Lines of the dialog's frame, title and keys, and of the space between them."""
_ASKS = "  asks first"


class Reading(ModalScreen[None]):
    """Closes on escape, q, ? or enter; scrolls with the usual keys."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,question_mark,enter,n", "dismiss", show=False),
        Binding("j,down", "scroll(1)", show=False),
        Binding("k,up", "scroll(-1)", show=False),
    ]

    def __init__(self, title: str, content: Content) -> None:
        super().__init__()
        self._title, self._content = title, content

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog"):
            yield Line(id="dialog-title")
            with VerticalScroll(id="reading"):
                yield Text(id="reading-text")
            yield Line(id="reading-keys")

    def on_mount(self) -> None:
        self.query_one("#dialog-title", Line).show(line_of((safe_text(self._title, limit=200), "bold")))
        self.query_one("#reading-text", Text).show(self._content)
        self.query_one("#reading-keys", Line).show(line_of(("escape", "bold $primary"), (" close", "$quiet")))

    def on_resize(self) -> None:
        """What closes it stays in sight however low the terminal is."""
        self.query_one("#reading").styles.max_height = max(1, self.size.height * 9 // 10 - FRAME)

    def action_scroll(self, lines: int) -> None:
        self.query_one("#reading", VerticalScroll).scroll_relative(y=lines, animate=False)


def help_content(actions: Sequence[Action], extra: Sequence[tuple[str, str]]) -> Content:
    """One line an action: its key and what it does; `extra` are keys that are no actions, such as moving."""
    rows = [(action.key, action.help, action.writes) for action in actions]
    rows += [(keys, text, False) for keys, text in extra]
    width = max(len(key) for key, _, _ in rows) + 2
    parts: list[Part | str] = []
    for key, text, writes in rows:
        lines = wrap(text, HELP_CELLS - width - (len(_ASKS) if writes else 0))
        parts += [(f" {key:<{width}}", "bold $primary"), f"\n {'':<{width}}".join(lines)]
        parts += [(_ASKS, "$quiet")] if writes else []
        parts.append("\n")
    return line_of(*parts[:-1])
