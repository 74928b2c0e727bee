"""The line over a run: which one, how it stands, what it costs, and the tabs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from textual.content import Content
from textual.events import Click, Resize
from textual.message import Message

from engine.inspector import RunDetail
from wfconsole import formatting
from wfconsole.safe_text import safe_text
from wfconsole.tui.widgets.line import Line, Part, line_of, sides


def tab_label(tab: str) -> str:
    return tab.upper() if len(tab) == 2 else tab.title()


def tabs_content(tabs: Sequence[str], chosen: str) -> Content:
    parts: list[Part | str] = []
    for tab in tabs:
        parts += [(tab_label(tab), "bold underline $primary" if tab == chosen else "$quiet"), "  "]
    return line_of(*parts)


LEAST_KEY = 14
"""Cells of an idempotency key that still tell something."""


def title_content(run: RunDetail, now: datetime, ascii_only: bool, room: int) -> Content:
    """Id, status, workflow, duration, cost and idempotency key, in `room` cells.

    What does not fit is left out whole, the key is cut; nothing moves while the run goes on.
    """
    status = formatting.STATUS[formatting.state_of(run)]
    parts: list[Part | str] = [
        (f" {formatting.short_id(run.id)}  ", "bold"),
        (status.label(ascii_only), f"bold ${status.variable}"),
        f"  {safe_text(run.workflow_id, limit=40)}",
    ]
    numbers = (
        f"  {formatting.duration(formatting.run_ms(run, now)):<6}",
        f"  {formatting.money(run.total_cost):<7}",
    )
    left = room - line_of(*parts).cell_length
    for number in numbers:
        if left >= len(number):
            parts.append(number)
        left -= len(number)
    if run.idempotency_key and left >= LEAST_KEY:
        parts.append((f"  key={safe_text(run.idempotency_key, limit=40)}", "$quiet"))
    return line_of(*parts)


class RunTitle(Line):
    """Title at the left, tabs at the right; a click on a tab posts `Chosen`."""

    class Chosen(Message):
        """A tab was clicked."""

        def __init__(self, tab: str) -> None:
            super().__init__()
            self.tab = tab

    def __init__(self, tabs: Sequence[str], ascii_only: bool) -> None:
        super().__init__(id="run-title")
        self._tabs, self._ascii_only = tabs, ascii_only
        self._shown: tuple[RunDetail | str, str, datetime] | None = None

    def tell(self, run: RunDetail | str, tab: str, now: datetime) -> None:
        """Show a run, or the sentence that stands in its place."""
        self._shown = (run, tab, now)
        if not self.size.width:
            return
        tabs = tabs_content(self._tabs, tab)
        room = self.size.width - tabs.cell_length - 2
        left = Content(f" {run}") if isinstance(run, str) else title_content(run, now, self._ascii_only, room)
        self.show(sides(left, tabs, self.size.width))

    def on_resize(self, _: Resize) -> None:
        if self._shown is not None:
            self.tell(*self._shown)

    def on_click(self, event: Click) -> None:
        place = self.size.width - sum(len(tab) + 2 for tab in self._tabs)
        for tab in self._tabs:
            if place <= event.x < place + len(tab):
                self.post_message(self.Chosen(tab))
            place += len(tab) + 2
