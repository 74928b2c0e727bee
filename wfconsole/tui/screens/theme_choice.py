"""Choosing a theme: the one under the cursor is painted at once, and taken back when none is chosen."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, cast

from wfconsole.tui.screens.choose import Choice, Choose

if TYPE_CHECKING:
    from wfconsole.tui.app import WorkflowConsole


class ThemeChoice(Choose):
    """Answers with the theme's name."""

    def __init__(self, names: Iterable[str], current: str) -> None:
        super().__init__("Themes", [Choice("", name, name) for name in sorted(names)], current)
        self._before = current

    @property
    def console(self) -> WorkflowConsole:
        return cast("WorkflowConsole", self.app)

    def look(self, choice: str) -> None:
        self.console.theme = choice

    def action_leave(self) -> None:
        self.console.theme = self._before
        super().action_leave()
