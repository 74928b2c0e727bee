"""The stage under the graph's focus, in two lines; and why the run is where it is."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, tzinfo

from textual.content import Content

from engine.inspector import EventView, Explanation, PlanStage, RunDetail, StageView
from wfconsole import formatting
from wfconsole.safe_text import safe_text
from wfconsole.tui.widgets.line import Part, line_of

LIMIT = 400


def stage_content(run: RunDetail, stage_id: str | None, now: datetime, zone: tzinfo, ascii_only: bool) -> Content:
    """Two lines: what the stage is doing, and its last words (error, progress, next poll)."""
    stage = next((known for known in run.stages if known.stage_id == stage_id), None)
    if stage is None:
        planned = next((known for group in run.plan for known in group if known.stage_id == stage_id), None)
        return _planned(planned)
    status = formatting.STATUS[formatting.stage_state(stage)]
    parts: list[Part | str] = [(status.label(ascii_only), f"bold ${status.variable}"), "  "]
    parts += [(safe_text(stage.stage_id, limit=60), "bold"), f"  {safe_text(stage.name, limit=60)}"]
    parts.append((f"  try {stage.tries}/{stage.max_attempts}", "$quiet"))
    if stage.attempt > stage.tries:
        parts.append((f"  attempt {stage.attempt}", "$quiet"))
    parts.append((f"  {formatting.duration(_lasting(stage, now))}", "$quiet"))
    if stage.worker_id:
        parts.append((f"  on {safe_text(stage.worker_id, limit=40)}", "$quiet"))
    return line_of(*parts, "\n", *_last_words(stage, now, zone))


def _planned(stage: PlanStage | None) -> Content:
    if stage is None:
        return Content("")
    return line_of((safe_text(stage.stage_id, limit=60), "bold"), ("  not reached yet", "$quiet"), "\n")


def _lasting(stage: StageView, now: datetime) -> int | None:
    if stage.completed_at is None and stage.started_at is not None:
        return formatting.running_ms(stage.started_at, now)
    return stage.duration_ms


def _last_words(stage: StageView, now: datetime, zone: tzinfo) -> list[Part | str]:
    if stage.error:
        due = ""
        if stage.retry_at is not None:
            due = f"again in {formatting.duration((stage.retry_at - now).total_seconds() * 1000)}: "
        return [(due, "$status-retrying"), (safe_text(stage.error, limit=LIMIT), "$status-failed")]
    if stage.next_poll_at is not None and stage.completed_at is None:
        at = formatting.clock(stage.next_poll_at, zone, "local")
        return [(f"waiting for outside work: polled {stage.polls} times, next at {at}", "$status-waiting")]
    if stage.progress_message or stage.progress is not None:
        share = f"{stage.progress:.0%} " if stage.progress is not None else ""
        return [(f"{share}{safe_text(stage.progress_message or '', limit=LIMIT)}", "$quiet")]
    return []


def past_content(events: Sequence[EventView], past: int | None, zone: tzinfo) -> Content:
    """One line: which event the run is shown as of, and how to leave the past."""
    event = next((event for event in events if event.sequence == past), None)
    if event is None:
        return Content("")
    about = safe_text(event.payload.get("stage_id") or "", limit=60)
    when = f"{formatting.clock(event.occurred_at, zone, 'local')}  {safe_text(event.type, limit=40)} {about}".rstrip()
    parts: list[Part | str] = [(f" as of event {past} of {events[-1].sequence}", "bold $mark")]
    parts += [("   [ ]", "bold $primary"), (" earlier, later  ", "$quiet")]
    return line_of(*parts, ("escape", "bold $primary"), (" now", "$quiet"), f"   {when}")


def why_content(explanation: Explanation | None, hint: str = "") -> Content:
    """One line: the summary of the explanation, after what somebody new may try."""
    if explanation is None:
        return Content("")
    tried: list[Part | str] = [(f" {hint}  ", "$status-retrying")] if hint else []
    return line_of(*tried, (" why: ", "$quiet"), safe_text(explanation.summary, limit=LIMIT))


def attempt_content(run: RunDetail, stage_id: str, attempt: int, now: datetime, ascii_only: bool) -> Content:
    """Two lines: how one attempt went and where, and its error."""
    stage = next((known for known in run.stages if known.stage_id == stage_id), None)
    one = next((known for known in stage.attempts if known.attempt == attempt), None) if stage else None
    if stage is None or one is None:
        return line_of((f" {safe_text(stage_id, limit=60)} #{attempt}", "bold"), ("  not taken yet", "$quiet"), "\n")
    current = one.attempt == stage.attempt and one.completed_at is None
    status = formatting.STATUS[formatting.stage_state(stage) if current else one.status.value]
    end = one.completed_at or now
    took = formatting.duration((end - one.started_at).total_seconds() * 1000) if one.started_at else formatting.NONE
    parts: list[Part | str] = [" ", (status.label(ascii_only), f"bold ${status.variable}")]
    parts += ["  ", (f"{safe_text(stage_id, limit=60)} #{attempt}", "bold"), (f"  {took}", "$quiet")]
    if one.generation:
        parts.append((f"  rerun {one.generation}", "$quiet"))
    if one.worker_id:
        parts.append((f"  on {safe_text(one.worker_id, limit=40)}", "$quiet"))
    cost = formatting.money(one.cost, zero="")
    if cost:
        parts.append((f"  {cost}{' wasted' if one.wasted else ''}", "$quiet"))
    error = [(f" {safe_text(one.error, limit=LIMIT)}", "$status-failed")] if one.error else []
    return line_of(*parts, "\n", *error)
