"""The second line of Runs: how many runs are in which state, and how fast they end."""

from __future__ import annotations

from textual.content import Content
from textual.events import Resize

from engine.inspector import Overview, TrendView
from wfconsole import formatting
from wfconsole.tui.layout.sparkline import sparkline
from wfconsole.tui.widgets.line import Line, Part, line_of, sides

SHORT = {
    "RUNNING": "run",
    "PENDING": "queue",
    "RETRYING": "retry",
    "WAITING": "wait",
    "FAILED": "fail",
    "COMPLETED": "ok",
    "CANCELLED": "cancelled",
}
"""Words for narrow windows; the sign stays the same."""

ORDER = ("RUNNING", "PENDING", "RETRYING", "WAITING", "FAILED", "COMPLETED", "CANCELLED")


def state_counts(overview: Overview) -> dict[str, int]:
    """Runs by the state they are shown in: those in backoff or waiting are counted apart from the running ones."""
    counts = dict(overview.counts)
    counts["RETRYING"], counts["WAITING"] = overview.retrying, overview.waiting
    # The counts come from one snapshot, the words of a run from its stages: never let a difference show as -1.
    counts["RUNNING"] = max(0, counts.get("RUNNING", 0) - overview.retrying - overview.waiting)
    return counts


def _pace(overview: Overview, trends: TrendView | None, ascii_only: bool, room: int) -> Content:
    """The runs ended in the last 24 hours as bars, and how many end a second now."""
    parts: list[Part | str] = []
    ended = trends.ended if trends is not None else []
    width = next((size for size in (24, 12, 8) if size + 14 <= room), 0)
    if width and any(ended):
        parts += [("24h ", "$quiet"), (sparkline(ended, width, ascii_only=ascii_only), "$secondary"), " "]
    if overview.rate_per_s >= 0.05:
        parts.append((f"{overview.rate_per_s:.1f}/s", "$quiet"))
    return line_of(*parts, " ")


def counts_line(
    overview: Overview, ascii_only: bool, width: int, trends: TrendView | None, cells: dict[str, int]
) -> Content:
    """States with their counts; a state with none is quiet. `cells` keeps how wide a count was: none gets narrower."""
    parts: list[Part | str] = [" "]
    counts = state_counts(overview)
    for key in ORDER:
        number = counts.get(key, 0)
        if not number and (key == "CANCELLED" or (width < 100 and key in ("RETRYING", "WAITING"))):
            continue
        if key == "CANCELLED" and width < 120:
            continue
        status = formatting.STATUS[key]
        style = f"${status.variable}" if number else "$quiet"
        shown = formatting.count(number)
        cells[key] = max(cells.get(key, 1), len(shown))
        parts += [
            (f"{status.sign(ascii_only)} {status.word if width >= 110 else SHORT[key]} ", style),
            (f"{shown:<{cells[key]}}", style),
            "  ",
        ]
    dead = overview.dead_letters
    sign = "!" if ascii_only else "☠"
    words = "dead letters" if width >= 110 else "dead"
    parts.append((f"{sign} {words} {formatting.count(dead)}", "$status-failed" if dead else "$quiet"))
    left = line_of(*parts)
    return sides(left, _pace(overview, trends, ascii_only, width - left.cell_length), width)


class StatusCounts(Line):
    """Counts by status from the overview."""

    def __init__(self, ascii_only: bool) -> None:
        super().__init__(id="counts")
        self._ascii_only = ascii_only
        self._overview: Overview | None = None
        self._trends: TrendView | None = None
        self._cells: dict[str, int] = {}

    def tell(self, overview: Overview, trends: TrendView | None = None) -> None:
        self._overview, self._trends = overview, trends
        if self.size.width:
            self.show(counts_line(overview, self._ascii_only, self.size.width, trends, self._cells))

    def on_resize(self, _: Resize) -> None:
        if self._overview is not None:
            self.tell(self._overview, self._trends)
