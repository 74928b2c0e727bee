"""Quitting while this console's worker executes something."""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import Button

from wfconsole.actions import Question
from wfconsole.tui.screens.dialog import Dialog


class Leave(StrEnum):
    DRAIN = "drain"
    """What executes may end; meanwhile the terminal is an ordinary one again."""
    NOW = "now"
    """Leases are given back; the stages start again wherever a worker is."""


def quit_question(running: int) -> Question:
    """Asked when `running` runs are being worked on and the worker is ours."""
    what = "A run is" if running == 1 else f"{running} runs are"
    lines = [
        f"{what} executing in this console's worker.",
        "Drain: stages under way may end first, 30 s at most.",
        "Leave now: they stop, and start again when a worker comes back.",
    ]
    return Question("Quit?", lines, "Drain and quit", no="Stay")


class QuitDialog(Dialog[Leave]):
    """Drain, leave now, or stay (the default)."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("d", "yes", show=False),
        Binding("l", "leave_now", show=False),
    ]

    def other_answers(self) -> ComposeResult:
        yield Button(Content("Leave now (l)"), id="now", compact=True)

    def result(self) -> Leave:
        return Leave.DRAIN

    def action_leave_now(self) -> None:
        self.dismiss(Leave.NOW)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        if event.button.id == "now":
            event.stop()
            self.action_leave_now()
        else:
            super().on_button_pressed(event)


class StopBulkDialog(Dialog[bool]):
    """Quitting while a bulk action is under way: it would stop where it is."""

    def __init__(self, line: str) -> None:
        lines = [line.partition("   ")[0], "Quitting stops it there; what was done stays done."]
        super().__init__(Question("Quit in the middle of a bulk action?", lines, "Stop it and quit", no="Stay"))

    def result(self) -> bool:
        return True
