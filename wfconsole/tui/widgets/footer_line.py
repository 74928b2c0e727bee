"""The last line: the keys that do something for this row, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from textual.content import Content
from textual.events import Resize

from wfconsole.actions import HELP, QUIT, Action
from wfconsole.keymap import key_of
from wfconsole.settings import Settings
from wfconsole.tui.widgets.line import Line, Part, line_of

_LAST = (HELP, QUIT)


def footer_content(actions: Sequence[Action], width: int, keys: Mapping[str, str] = MappingProxyType({})) -> Content:
    """As many actions as fit, in order; help and quit always stand at the end."""
    first = [action for action in actions if action not in _LAST]
    last = [action for action in actions if action in _LAST]

    def cells(chosen: Sequence[Action]) -> int:
        return sum(len(key_of(action, keys)) + len(action.label) + 4 for action in chosen)

    while first and 1 + cells(first) + cells(last) > width:
        first.pop()
    parts: list[Part | str] = [" "]
    for action in (*first, *last):
        parts += [(key_of(action, keys), "bold $primary"), (f" {action.label}   ", "$quiet")]
    return line_of(*parts)


class FooterLine(Line):
    """Repainted only when another row, place or state offers other keys."""

    def __init__(self) -> None:
        super().__init__(id="footer")
        self._actions: Sequence[Action] = ()

    def offer(self, actions: Sequence[Action]) -> None:
        self._actions = actions
        if self.size.width:
            keys = getattr(self.app, "settings", Settings()).keys
            self.show(footer_content(actions, self.size.width, keys))

    def on_resize(self, _: Resize) -> None:
        self.offer(self._actions)
