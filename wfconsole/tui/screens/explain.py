"""Why a run is where it is: the reason, the facts behind it, and the keys that do something about it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from textwrap import wrap
from typing import TYPE_CHECKING

from textual import events
from textual.content import Content

from engine.inspector import AICallView, Explanation, LogLine, PageRequest, RunSummary, UsualTimes
from wfconsole import formatting
from wfconsole.safe_text import safe_text
from wfconsole.tui.screens.reading import HELP_CELLS, Reading
from wfconsole.tui.widgets.line import Part, line_of

if TYPE_CHECKING:
    from engine.inspector import Inspector

LABEL = 20
_LABELS: Mapping[str, str] = {
    "stage_id": "stage",
    "worker_id": "worker",
    "workflow_id": "workflow",
    "workers_alive": "live workers",
    "workers_able": "know the workflow",
    "renewed_at": "last beat",
    "leased_until": "lease ends",
    "last_seen_at": "last heard of",
    "starts_at": "starts",
    "last_poll_at": "last poll",
    "max_wait_until": "given up",
    "poll_errors": "polls that failed",
    "waits_for": "meanwhile",
    "error_code": "code",
    "completed_at": "ended",
}
_JOINED = frozenset({"tries", "max_attempts", "slots", "slots_busy"})
"""Facts told together with others."""


@dataclass(frozen=True, slots=True)
class Why:
    """An explanation; of a stage that executes also its last words, its open AI call and how long it usually takes."""

    explanation: Explanation
    line: LogLine | None = None
    call: AICallView | None = None
    usual: UsualTimes | None = None


async def why_of(inspector: Inspector, run: RunSummary) -> Why:
    """Read it all. Raises `RunNotFound`."""
    explanation = await inspector.explain(run.id)
    stage_id = explanation.facts.get("stage_id")
    if explanation.code not in ("executing", "stage_wait", "lease_held") or not isinstance(stage_id, str):
        return Why(explanation)
    one = PageRequest(limit=1)
    lines, calls, usual = await asyncio.gather(
        inspector.logs(run.id, stage_id=stage_id, page=one),
        inspector.ai_calls(run.id, stage_id=stage_id, status="open", brief=True, page=one),
        inspector.usual_times(run.workflow_id),
    )
    return Why(explanation, next(iter(lines.items), None), next(iter(calls.items), None), usual.get(stage_id))


def why_panel(why: Why, now: datetime, zone: tzinfo) -> Content:
    """The summary, the facts one a line, what may happen by itself, and the next keys."""
    told = why.explanation
    parts: list[Part | str] = [(safe_text(told.summary, multiline=True, limit=2000), "bold"), "\n"]
    rows = [*_times(told, now, zone), *_facts(told.facts, now, zone), *_last_words(why, now)]
    for label, text in rows:
        if label == "error" and text in told.summary:
            continue
        lines = wrap(safe_text(text, limit=300), HELP_CELLS - LABEL) or [""]
        shown = f"\n{'':<{LABEL}}".join(lines)
        parts += ["\n", (f"{safe_text(label, limit=LABEL - 2):<{LABEL}}", "$quiet"), shown]
    for at, step in enumerate(told.next):
        key = (f"{safe_text(step.key, limit=20):<6}", "bold $primary")
        cli = (f"\n      {safe_text(step.cli, limit=200)}", "$quiet")
        parts += ["\n\n" if at == 0 else "\n", key, safe_text(step.label, limit=100), cli]
    return line_of(*parts)


def _times(told: Explanation, now: datetime, zone: tzinfo) -> list[tuple[str, str]]:
    named = (("since", told.since), ("until", told.until))
    return [(name, _moment(moment, now, zone)) for name, moment in named if moment is not None]


def _moment(moment: datetime, now: datetime, zone: tzinfo) -> str:
    """`12:04:33, in 9s` or `12:04:33, 4m12s ago`."""
    away = moment - now
    span = formatting.duration(abs(away) / timedelta(milliseconds=1))
    there = moment.astimezone(zone)
    day = "" if there.date() == now.astimezone(zone).date() else f"{there:%Y-%m-%d} "
    return f"{day}{there:%H:%M:%S}, {f'in {span}' if away > timedelta() else f'{span} ago'}"


def _facts(facts: Mapping[str, object], now: datetime, zone: tzinfo) -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for name, value in facts.items():
        text = _fact(name, value, now, zone)
        if text and name not in _JOINED:
            rows.append((_LABELS.get(name, name.replace("_", " ")), text))
    if facts.get("tries") and facts.get("max_attempts"):
        rows.append(("try", f"{facts['tries']} of {facts['max_attempts']}"))
    if "slots" in facts:
        rows.append(("slots", f"{facts.get('slots_busy')} of {facts['slots']} busy"))
    return rows


def _fact(name: str, value: object, now: datetime, zone: tzinfo) -> str:
    if value is None or value == [] or value == "":
        return ""
    if isinstance(value, datetime):
        return _moment(value, now, zone)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if name == "progress" and isinstance(value, int | float):
        return f"{value:.0%}"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return str(value)


def _last_words(why: Why, now: datetime) -> list[tuple[str, str]]:
    rows = []
    if why.usual is not None:
        p50, p95 = formatting.duration(why.usual.p50_ms), formatting.duration(why.usual.p95_ms)
        rows.append(("usually takes", f"{p50}, at most {p95} in 95 of 100 (last {why.usual.runs} good runs)"))
    if why.line is not None:
        said = formatting.age(why.line.created_at, now)
        rows.append(("last log line", f"{said} ago: {why.line.message}"))
    if why.call is not None:
        rows.append(("open AI call", f"{why.call.model}, since {formatting.age(why.call.created_at, now)}"))
    return rows


class ExplainScreen(Reading):
    """A key that the explanation offers closes it and is pressed in the place below."""

    def __init__(self, title: str, content: Content, keys: Sequence[str]) -> None:
        super().__init__(title, content)
        self._offered = frozenset(keys)

    def on_key(self, event: events.Key) -> None:
        key = event.character if event.is_printable and event.character else event.key
        if key in self._offered:
            event.stop()
            event.prevent_default()
            app = self.app
            self.dismiss()
            app.call_later(app.simulate_key, event.key)
