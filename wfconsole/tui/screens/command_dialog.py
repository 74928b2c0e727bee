"""Before a typed command changes something: the command, and what it would do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from wfconsole.action_kinds import cli
from wfconsole.actions import Question
from wfconsole.tui.command_line import Line, Output
from wfconsole.tui.screens.dialog import Dialog

LINES = 12
"""Of the consequences that are shown."""


class CommandDialog(Dialog[Line]):
    """Answers with the command. `consequences` is asked where the command can say what it would do."""

    def __init__(self, line: Line, consequences: Callable[[], Awaitable[Output]] | None) -> None:
        self.line, self._consequences = line, consequences
        waiting = ["", "Asking what it would do …"] if consequences is not None else []
        super().__init__(Question("Carry out this command?", [cli(*line.words), *waiting], "Yes, carry it out"))
        self._ready = consequences is None

    def word(self) -> str:
        return self.line.verb if self.typed_profile else ""

    def on_mount(self) -> None:
        super().on_mount()
        if self._consequences is not None:
            self.run_worker(self._learn(self._consequences), group="details", exclusive=True)

    async def _learn(self, consequences: Callable[[], Awaitable[Output]]) -> None:
        found = await consequences()
        said = found.text.strip().splitlines()
        more = [f"… and {len(said) - LINES} more lines"] if len(said) > LINES else []
        if found.code not in (0, 6):
            self.problem("\n".join(said[-3:]) or f"it would be refused (exit code {found.code})")
        self._ready = True
        lines = [cli(*self.line.words), "", *said[:LINES], *more] if found.code in (0, 6) else [cli(*self.line.words)]
        self.ask(Question(self.question.title, lines, self.question.yes))

    def result(self) -> Line | None:
        return self.line if self._ready else None
