"""The hand-over of some runs as Markdown: what happened, why, what was tried, what it cost, who did what.

Whoever is handed it has neither this console nor this database. Secrets are taken out, and nothing that a run
wrote can steer a terminal or break out of the Markdown.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING

from engine.inspector import (
    AnnotationView,
    AttemptView,
    AuditView,
    Explanation,
    LogLine,
    PageRequest,
    RunDetail,
    StageView,
)
from engine.model.redaction import redact_text
from wfconsole.formatting import NONE, duration, money, run_ms, stage_state, state_of
from wfconsole.safe_text import safe_text

if TYPE_CHECKING:
    from engine.inspector import Inspector

LINES = 30
"""Log lines told of each run: the last ones."""
ACTIONS = 50
NOTES = 50
CELL = 300
ERROR = 8_000
_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>#|!~])")


@dataclass(frozen=True, slots=True)
class RunFacts:
    """All that is told of one run, as read. `lines` are the last ones, oldest first; the others newest first."""

    run: RunDetail
    explanation: Explanation
    lines: Sequence[LogLine]
    actions: Sequence[AuditView]
    notes: Sequence[AnnotationView]


async def report(inspector: Inspector, run_ids: Sequence[str], *, zone: tzinfo, now: datetime) -> str:
    """The Markdown of these runs, one section each. Raises `RunNotFound` for one that is not there."""
    facts = [await facts_of(inspector, run_id) for run_id in run_ids]
    return redact_text("\n".join(line for one in facts for line in section(one, zone, now)).rstrip() + "\n")


async def facts_of(inspector: Inspector, run_id: str) -> RunFacts:
    """Read what a report tells of one run. Raises `RunNotFound`."""
    run, explanation, lines, actions, notes = await asyncio.gather(
        inspector.run(run_id),
        inspector.explain(run_id),
        inspector.logs(run_id, page=PageRequest(limit=LINES)),
        inspector.audit(run_id, page=PageRequest(limit=ACTIONS)),
        inspector.annotations(run_id, page=PageRequest(limit=NOTES, sort="-created_at")),
    )
    return RunFacts(run, explanation, list(reversed(lines.items)), actions.items, notes.items)


def section(facts: RunFacts, zone: tzinfo, now: datetime) -> list[str]:
    """The lines about one run."""
    run = facts.run
    title = f"# {_plain(run.workflow_id)}: {state_of(run).lower()} ({_plain(run.id)})"
    out = [title, "", f"**Why:** {_plain(facts.explanation.summary, ERROR)}", ""]
    out += _table(("", ""), _about(run, zone, now))
    if run.error:
        out += ["", "## Error", "", *_fenced(run.error)]
    out += ["", "## Stages", "", *_table(("stage", "status", "tries", "took", "cost"), map(_stage_row, run.stages))]
    tried = [(stage, attempt) for stage in run.stages for attempt in stage.attempts]
    if any(len(stage.attempts) > 1 or attempt.error for stage, attempt in tried):
        head = ("stage", "attempt", "status", "started", "took", "cost", "error")
        out += ["", "## Attempts", "", *_table(head, (_attempt_row(stage, one, zone) for stage, one in tried))]
    if facts.actions:
        rows = [(_time(one.created_at, zone), one.actor, one.command, one.reason) for one in facts.actions]
        out += ["", "## What operators did", "", *_table(("when", "who", "what", "reason"), rows)]
    if facts.notes:
        noted = [(_time(one.created_at, zone), one.actor, one.key, str(one.value)) for one in facts.notes]
        out += ["", "## Notes", "", *_table(("when", "who", "key", "value"), noted)]
    if facts.lines:
        out += ["", "## Last log lines", "", *_fenced("\n".join(_log_line(line, zone) for line in facts.lines))]
    return [*out, "", _next(facts.explanation), ""]


def _about(run: RunDetail, zone: tzinfo, now: datetime) -> list[tuple[str, str | None]]:
    wasted = [attempt.wasted for stage in run.stages for attempt in stage.attempts if attempt.wasted]
    rows: list[tuple[str, str | None]] = [
        ("run", run.id),
        ("workflow", f"{run.workflow_id} ({run.definition})"),
        ("created", _time(run.created_at, zone)),
        ("started", _time(run.started_at, zone)),
        ("ended", _time(run.completed_at, zone)),
        ("took", duration(run_ms(run, now))),
        ("cost", money(run.total_cost, zero="$0")),
        ("wasted", money(sum(wasted[1:], wasted[0])) if wasted else NONE),
        ("tokens", str(run.total_tokens)),
        ("key", run.idempotency_key),
    ]
    return [(name, value) for name, value in rows if value not in (None, NONE)]


def _stage_row(stage: StageView) -> tuple[str, ...]:
    tries = f"{stage.tries}/{stage.max_attempts}"
    cost = money(stage.cost)
    return (stage.stage_id, stage_state(stage).lower(), tries, duration(stage.duration_ms), cost)


def _attempt_row(stage: StageView, one: AttemptView, zone: tzinfo) -> tuple[str | None, ...]:
    took = None
    if one.started_at is not None and one.completed_at is not None:
        took = (one.completed_at - one.started_at).total_seconds() * 1000
    started = _time(one.started_at, zone)
    return (stage.stage_id, str(one.attempt), one.status.lower(), started, duration(took), money(one.cost), one.error)


def _log_line(line: LogLine, zone: tzinfo) -> str:
    source = f"{line.stage_id}#{line.attempt}" if line.stage_id else NONE
    fields = "".join(f" {name}={value}" for name, value in line.fields.items())
    return safe_text(f"{_time(line.created_at, zone)} {line.level} {source} {line.message}{fields}", limit=500)


def _next(explanation: Explanation) -> str:
    steps = [f"`{step.cli.replace('`', chr(39))}` ({_plain(step.label)})" for step in explanation.next]
    return f"Next: {safe_text(' · '.join(steps), limit=2000)}" if steps else ""


def _time(moment: datetime | None, zone: tzinfo) -> str:
    return NONE if moment is None else moment.astimezone(zone).isoformat(timespec="milliseconds")


def _plain(text: object, limit: int = CELL) -> str:
    """One line of text in which nothing is Markdown."""
    return _MARKDOWN.sub(r"\\\1", safe_text(text, limit=limit))


def _table(head: Sequence[str], rows: Iterable[Sequence[str | None]]) -> list[str]:
    shown = [[_plain(NONE if cell is None else cell) for cell in row] for row in rows]
    return [f"| {' | '.join(row)} |" for row in (list(head), ["---"] * len(head), *shown)]


def _fenced(text: str) -> list[str]:
    """A block that ends only where it should: its fence is longer than any run of backticks inside."""
    shown = safe_text(text, multiline=True, limit=ERROR)
    longest = max((len(run) for run in re.findall("`+", shown)), default=0)
    fence = "`" * max(3, longest + 1)
    return [f"{fence}text", shown, fence]
