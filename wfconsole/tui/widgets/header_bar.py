"""The first line: which database, with which rights, how fresh, and who works on it."""

from __future__ import annotations

from dataclasses import dataclass, field

from textual.content import Content
from textual.events import Resize

from engine.inspector import Overview
from wfconsole import formatting
from wfconsole.safe_text import safe_text
from wfconsole.tui.feed import Link, Pulse
from wfconsole.tui.widgets.line import Line, Part, line_of, sides

STALE_AFTER = 5.0
"""Seconds an answer may take before the header calls the screen stale."""


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


def _left(facts: HeaderFacts, wide: bool) -> Content:
    rights: Part = ("RO", "bold $status-retrying") if facts.read_only else ("RW", "$quiet")
    parts: list[Part | str] = [(" wf", "bold $primary"), "  "]
    if facts.demo:
        parts += [("DEMO", "bold $accent"), "  "]
    parts += [(safe_text(facts.database, limit=40 if wide else 24), "bold"), "  ", rights, "  "]
    parts += [(facts.clock, "$quiet"), "  ", freshness(facts)]
    return line_of(*parts)


def _right(facts: HeaderFacts, wide: bool) -> Content:
    overview = facts.overview
    worker: Part = (facts.worker, "" if facts.worker == "here" else "$quiet")
    parts: list[Part | str] = [("worker: ", "$quiet"), worker]
    if overview is not None and wide:
        alive = f"{overview.workers_alive}/{overview.workers_known}"
        parts += [("   workers ", "$quiet"), alive, ("   queue ", "$quiet"), formatting.count(overview.queue)]
        parts += [("   ", ""), formatting.money(overview.cost_today, zero="$0"), (" today", "$quiet")]
    return line_of(*parts, " ")


class HeaderBar(Line):
    """One line, repainted when one of its facts changes."""

    def __init__(self) -> None:
        super().__init__(id="header")
        self._facts: HeaderFacts | None = None

    def tell(self, facts: HeaderFacts) -> None:
        self._facts = facts
        width = self.size.width
        if width:
            wide = width >= 100
            self.show(sides(_left(facts, wide), _right(facts, wide), width))

    def on_resize(self, _: Resize) -> None:
        if self._facts is not None:
            self.tell(self._facts)
