"""Something to read over the place it was asked in: the help, an explanation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen

from engine.inspector import Explanation
from wfconsole import formatting
from wfconsole.actions import Action
from wfconsole.safe_text import safe_text
from wfconsole.tui.widgets.line import Line, Part, Text, line_of


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

    def action_scroll(self, lines: int) -> None:
        self.query_one("#reading", VerticalScroll).scroll_relative(y=lines, animate=False)


def help_content(actions: Sequence[Action], extra: Sequence[tuple[str, str]]) -> Content:
    """One line an action: its key and what it does; `extra` are keys that are no actions, such as moving."""
    rows = [(action.key, action.help, action.writes) for action in actions]
    rows += [(keys, text, False) for keys, text in extra]
    width = max(len(key) for key, _, _ in rows) + 2
    parts: list[Part | str] = []
    for key, text, writes in rows:
        parts += [(f" {key:<{width}}", "bold $primary"), text]
        parts += [("  asks first", "$quiet")] if writes else []
        parts.append("\n")
    return line_of(*parts[:-1])


def explain_content(explanation: Explanation) -> Content:
    """The summary, the facts behind it, and what can be done."""
    parts: list[Part | str] = [(safe_text(explanation.summary, multiline=True, limit=2000), "bold"), "\n"]
    for name, value in explanation.facts.items():
        parts += ["\n", (f"{safe_text(name, limit=40):<20} ", "$quiet"), safe_text(_fact(value), limit=300)]
    for step in explanation.next:
        parts += [
            "\n\n" if step is explanation.next[0] else "\n",
            (f" {safe_text(step.key, limit=20):<4}", "bold $primary"),
        ]
        parts += [f"{safe_text(step.label, limit=100)}  ", (safe_text(step.cli, limit=200), "$quiet")]
    return line_of(*parts)


def _fact(value: object) -> str:
    if value is None:
        return formatting.NONE
    if isinstance(value, list | tuple):
        return ", ".join(str(item) for item in value)
    return str(value)
