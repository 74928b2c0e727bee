"""The first line: which database, with which rights, how fresh, and who works on it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from textual.color import Color
from textual.content import Content
from textual.events import Resize

from engine.inspector import Overview
from wfconsole import formatting
from wfconsole.safe_text import safe_text
from wfconsole.tui.feed import Link, Pulse
from wfconsole.tui.widgets.line import Line, Part, line_of, sides

TINT = 0.3
"""How much of a profile's colour the whole line takes on."""

STALE_AFTER = 5.0
"""Seconds an answer may take before the header calls the screen stale."""


@dataclass(frozen=True, slots=True)
class Hot:
    """A cause that strikes again and again; `since` is a time of day."""

    runs: int
    code: str | None
    stage_id: str | None
    since: str


@dataclass(frozen=True, slots=True)
class HeaderFacts:
    """What the header says. `waited` is how long the question under way waits for its answer, in seconds."""

    database: str
    clock: str
    read_only: bool = False
    demo: bool = False
    paused: bool = False
    pulse: Pulse = field(default_factory=Pulse)
    monotonic: float = 0.0
    waited: float = 0.0
    worker: str = "none"
    overview: Overview | None = None
    ascii: bool = False
    profile: str = ""
    colour: str = ""
    """The profile's; empty for none."""
    hot: Hot | None = None
    plain: bool = False
    """No colours: the profile stands in brackets."""


def freshness(facts: HeaderFacts) -> Part:
    """The live mark: live, connecting, stale, lost or paused."""

    def mark(glyph: str, plain: str) -> str:
        return plain if facts.ascii else glyph

    if facts.pulse.link is Link.LOST:
        rest = max(0, round((facts.pulse.retry_at or facts.monotonic) - facts.monotonic))
        return f"{mark('✖', 'x')} retry in {rest}s", "bold $status-failed"
    if facts.pulse.link is Link.CONNECTING:
        return f"{mark('◌', '.')} connecting", "$status-queued"
    if facts.waited > STALE_AFTER:
        return f"{mark('○', 'o')} STALE {int(facts.waited)}s", "bold $status-retrying"
    if facts.paused:
        return f"{mark('‖', '|')} paused (p)", "$status-retrying"
    return f"{mark('●', '*')} live", "$status-ok"


def _name(facts: HeaderFacts, wide: bool) -> list[Part | str]:
    """The profile as a badge in its colour, then the database."""
    parts: list[Part | str] = []
    if facts.profile:
        name = safe_text(facts.profile, limit=20)
        badge: Part = (f" {name} ", badge_style(facts.colour)) if facts.colour else (name, "bold $primary")
        parts += [(f"[{name}]", "bold") if facts.plain else badge, "  "]
    return [*parts, (safe_text(facts.database, limit=40 if wide else 24), "bold"), "  "]


def badge_style(colour: str) -> str:
    """Bold, in whichever of black and white reads better on that colour."""
    return f"bold {'#000000' if Color.parse(colour).brightness > 0.5 else '#ffffff'} on {colour}"


def _left(facts: HeaderFacts, wide: bool) -> Content:
    rights: Part = ("RO", "bold $status-retrying") if facts.read_only else ("RW", "$quiet")
    parts: list[Part | str] = [(" wf", "bold $primary"), "  "]
    if facts.demo:
        parts += [("DEMO", "bold $accent"), "  "]
    parts += [*_name(facts, wide), rights, "  "]
    parts += [(facts.clock, "$quiet"), "  ", freshness(facts)]
    return line_of(*parts)


def hot_cause(facts: HeaderFacts) -> Content | None:
    """One cause that lets many runs fail: `✗ 198 × AIRateLimited embed since 02:10 (v)`."""
    hot = facts.hot
    if hot is None:
        return None
    failed = formatting.STATUS["FAILED"].sign(facts.ascii)
    what = " ".join(safe_text(part, limit=24) for part in (hot.code or "one cause", hot.stage_id) if part)
    times = "x" if facts.ascii else "×"
    words = f"{failed} {formatting.count(hot.runs)} {times} {what} since {hot.since} (v)"
    return line_of((words, "bold $status-failed"))


def _worker(facts: HeaderFacts) -> Content:
    return line_of(("worker: ", "$quiet"), (facts.worker, "" if facts.worker == "here" else "$quiet"))


def _figures(overview: Overview, cells: dict[str, int]) -> list[Content]:
    """Workers, queue and money, in this order; they leave a narrow line in this order too.

    `cells` keeps how wide a figure was: none gets narrower, so that nothing moves beside it.
    """
    spent = formatting.money(overview.cost_today, zero="$0")
    texts = {
        "workers": f"{overview.workers_alive}/{overview.workers_known}",
        "queue": formatting.count(overview.queue),
        "today": f"{spent}{' + ?' if overview.unpriced_today else ''}",
    }
    for name, text in texts.items():
        cells[name] = max(cells.get(name, 0), len(text))
    return [
        line_of(("workers ", "$quiet"), f"{texts['workers']:<{cells['workers']}}"),
        line_of(("queue ", "$quiet"), f"{texts['queue']:<{cells['queue']}}"),
        line_of(f"{texts['today']:>{cells['today']}}", (" today", "$quiet")),
    ]


def _right(facts: HeaderFacts, room: int, cells: dict[str, int]) -> Content:
    """What fits into `room` cells: a hot cause before the worker, and that before the figures."""
    hot = hot_cause(facts)
    first = [_worker(facts)] if hot is None else [hot, _worker(facts)]
    figures = _figures(facts.overview, cells) if facts.overview is not None else []
    while figures and sum(part.cell_length + 3 for part in (*first, *figures)) > room:
        figures.pop(0)
    parts: list[Content | str] = []
    for part in (*first, *figures):
        parts += [part, "   "]
    return Content.assemble(*parts[:-1], " ")


def whole(facts: HeaderFacts, width: int, cells: dict[str, int] | None = None) -> Content:
    """Whether the data is fresh is never cut: the name of the database is, and then the hot cause leaves."""
    for wide, shown in ((width >= 100, facts), (False, facts), (False, replace(facts, hot=None))):
        left = _left(shown, wide)
        right = _right(shown, width - left.cell_length - 2, {} if cells is None else cells)
        if left.cell_length + right.cell_length + 2 <= width:
            break
    return sides(left, right, width)


class HeaderBar(Line):
    """One line, repainted when one of its facts changes."""

    def __init__(self) -> None:
        super().__init__(id="header")
        self._facts: HeaderFacts | None = None
        self._cells: dict[str, int] = {}

    def tell(self, facts: HeaderFacts) -> None:
        if self._facts is None and facts.colour and not facts.plain:
            self.styles.background_tint = Color.parse(facts.colour).with_alpha(TINT)
        self._facts = facts
        width = self.size.width
        if width:
            self.show(whole(facts, width, self._cells))

    def on_resize(self, _: Resize) -> None:
        if self._facts is not None:
            self.tell(self._facts)
