"""The second line of Runs: how many runs are in which state, and how fast they end."""

from __future__ import annotations

from textual.content import Content
from textual.events import Resize

from engine.inspector import Overview
from wfconsole import formatting
from wfconsole.tui.widgets.line import Line, Part, line_of, sides

ORDER = ("RUNNING", "PENDING", "RETRYING", "WAITING", "FAILED", "COMPLETED", "CANCELLED")


def counts_line(overview: Overview, ascii_only: bool, width: int) -> Content:
    """States with their counts; a state with none is quiet, one the store does not count is left out."""
    parts: list[Part | str] = [" "]
    for key in ORDER:
        number = overview.counts.get(key)
        if number is None or (key == "CANCELLED" and width < 100):
            continue
        status = formatting.STATUS[key]
        style = f"${status.variable}" if number else "$quiet"
        parts += [
            (f"{status.sign(ascii_only)} {status.word} ", style),
            (formatting.count(number), style),
            "  ",
        ]
    dead = overview.dead_letters
    sign = "!" if ascii_only else "☠"
    words = "dead letters" if width >= 100 else "dead"
    parts.append((f"{sign} {words} {formatting.count(dead)}", "$status-failed" if dead else "$quiet"))
    right = line_of((f"{overview.rate_per_s:.1f}/s", "$quiet"), " ") if overview.rate_per_s >= 0.05 else line_of(" ")
    return sides(line_of(*parts), right, width)


class StatusCounts(Line):
    """Counts by status from the overview."""

    def __init__(self, ascii_only: bool) -> None:
        super().__init__(id="counts")
        self._ascii_only = ascii_only
        self._overview: Overview | None = None

    def tell(self, overview: Overview) -> None:
        self._overview = overview
        if self.size.width:
            self.show(counts_line(overview, self._ascii_only, self.size.width))

    def on_resize(self, _: Resize) -> None:
        if self._overview is not None:
            self.tell(self._overview)
