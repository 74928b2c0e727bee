"""Place 6 as rows and lines of parts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, tzinfo

from engine.inspector import ScheduleView, UnfinishedView, WorkflowView
from wfconsole.formatting import NONE, age, count, duration
from wfconsole.safe_text import safe_text
from wfconsole.tui.layout.cells import Part
from wfconsole.tui.layout.stage_graph import GraphNode
from wfconsole.tui.layout.table_columns import Column, Row
from wfconsole.tui.workflow_facts import WorkflowFacts, WorkflowsSheet

COLUMNS = (
    Column("WORKFLOW", 22, grows=2, most=40),
    Column("NAME", 18, grows=1, drop=3, most=32),
    Column("STATE", 18),
    Column("STAGES", 6, right=True, drop=2),
    Column("WORKERS", 7, right=True),
    Column("UNFINISHED", 10, right=True),
    Column("DEFINITION", 12, drop=1),
)
SCHEMA_LIMIT = 64 * 1024
Parts = list[Part | str]


def rows_of(workflows: Sequence[WorkflowView], unfinished: Sequence[UnfinishedView], *, ascii_only: bool) -> list[Row]:
    lost = {view.workflow_id for view in unfinished if not view.survives}
    held, here, warn = ("w held", "registered", "!") if ascii_only else ("◫ held", "registered", "▲")
    rows = []
    for one in workflows:
        state: str | Part = here if one.registered else ("not registered", "status-cancelled")
        state = (held, "status-waiting") if one.paused else state
        left = count(one.unfinished)
        cells = (
            one.id,
            one.name,
            state,
            str(sum(len(group) for group in one.groups)),
            str(one.live_workers) if one.live_workers else ("none", "status-retrying"),
            (f"{warn} {left}", "status-failed") if one.id in lost else left,
            one.fingerprint[:12],
        )
        rows.append(Row(one.id, cells))
    return rows


def nodes_of_plan(workflow: WorkflowView) -> list[GraphNode]:
    """The definition's stages as the graph draws them, none of them reached."""
    return [
        GraphNode(stage.stage_id, stage.name, stage.group, "UNREACHED", max_attempts=stage.max_attempts)
        for group in workflow.groups
        for stage in group
    ]


def detail_parts(workflow: WorkflowView, sheet: WorkflowsSheet, now: datetime, zone: tzinfo) -> Parts:
    """What there is to know of the workflow under the cursor."""
    facts = sheet.facts if sheet.facts is not None and sheet.facts.workflow_id == workflow.id else None
    parts: Parts = [(safe_text(workflow.name, limit=80), "bold")]
    if workflow.description:
        parts.append((f"  {safe_text(workflow.description, limit=300)}", "$quiet"))
    parts.append("\n")
    parts += _hold(workflow, facts, now)
    parts += _recent(facts)
    parts += _unfinished([view for view in sheet.unfinished if view.workflow_id == workflow.id])
    parts += _schedules([one for one in sheet.schedules if one.workflow_id == workflow.id], now, zone)
    return parts[:-1] if parts[-1] == "\n" else parts


def _fact(name: str) -> Part:
    return (f"{name:<11} ", "$quiet")


def _hold(workflow: WorkflowView, facts: WorkflowFacts | None, now: datetime) -> Parts:
    if not workflow.paused:
        return []
    parts: Parts = [_fact("held"), ("nothing new of it is claimed or polled", "$status-waiting")]
    hold = facts.hold if facts is not None else None
    if hold is not None:
        parts += [f"  by {safe_text(hold.actor, limit=40)}, {age(hold.created_at, now)} ago"]
        parts += [f": {safe_text(hold.reason, limit=200)}"] if hold.reason else []
    return [*parts, "  ", ("H", "bold $primary"), (" release", "$quiet"), "\n"]


def _recent(facts: WorkflowFacts | None) -> Parts:
    recent = facts.recent if facts is not None else None
    if recent is None or recent.rate is None:
        return [_fact("lately"), ("no run has ended", "$quiet"), "\n"]
    colour = "$status-ok" if recent.rate >= 0.95 else "$status-retrying" if recent.rate >= 0.5 else "$status-failed"
    return [
        _fact("lately"),
        (f"{recent.rate:.0%} ok", colour),
        (f" of the last {count(recent.ended)}   took p50 ", "$quiet"),
        duration(recent.p50),
        ("  p95 ", "$quiet"),
        duration(recent.p95),
        "\n",
    ]


def _unfinished(views: Sequence[UnfinishedView]) -> Parts:
    if not views:
        return [_fact("unfinished"), ("none", "$quiet"), "\n"]
    parts: Parts = []
    for at, view in enumerate(views):
        plural = "" if view.runs == 1 else "s"
        parts += [_fact("unfinished" if at == 0 else ""), f"{count(view.runs)} run{plural} of "]
        parts += [(safe_text(view.fingerprint[:12]), "bold"), (" (this one)" if view.registered else "", "$quiet")]
        if view.survives:
            parts.append(("  survive", "$status-ok"))
        else:
            parts.append((f"  would not survive: {safe_text('; '.join(view.problems), limit=300)}", "$status-failed"))
        parts += ["\n", _fact(""), *_having(view), "\n"]
    return parts


def _having(view: UnfinishedView) -> Parts:
    """Which live workers have this definition, which another one of the workflow."""
    same = sorted(worker for worker, has in view.workers.items() if has == view.fingerprint)
    others = sorted(worker for worker, has in view.workers.items() if has != view.fingerprint)
    if not view.workers:
        return [("no live worker knows it", "$status-retrying")]
    parts: Parts = []
    if same:
        parts += [("at ", "$quiet"), safe_text(", ".join(same), limit=120)]
    if others:
        told = ", ".join(f"{worker} ({view.workers[worker][:12]})" for worker in others)
        parts += [("  " if same else "", ""), ("another version at ", "$quiet"), safe_text(told, limit=200)]
    return parts


def _schedules(schedules: Sequence[ScheduleView], now: datetime, zone: tzinfo) -> Parts:
    parts: Parts = []
    for at, one in enumerate(schedules):
        when = safe_text(f"{one.cron} {one.zone or ''}".strip() if one.cron else "once", limit=60)
        parts += [_fact("scheduled" if at == 0 else ""), when, ("  next ", "$quiet")]
        parts.append(NONE if one.due_at is None else f"{one.due_at.astimezone(zone):%Y-%m-%d %H:%M}")
        parts += [(f"  fired {count(one.fired)} times", "$quiet")]
        if one.last_error:
            parts.append((f"  {safe_text(one.last_error, limit=200)}", "$status-failed"))
        parts.append("\n")
    return parts


def schema_parts(workflow: WorkflowView) -> Parts:
    """The definition in words: its input's schema and its stages."""
    schema = json.dumps(workflow.input_schema, ensure_ascii=False, indent=2, default=str)
    parts: Parts = [_fact("id"), safe_text(workflow.id, limit=80), "\n"]
    parts += [_fact("definition"), safe_text(workflow.fingerprint), "\n\n", ("stages\n", "bold")]
    for group in workflow.groups:
        for stage in group:
            parts += [f"  {stage.number:>2}  {safe_text(stage.stage_id, limit=40):<28} "]
            parts += [(f"{stage.mode}, at most {stage.max_attempts} attempts", "$quiet"), "\n"]
    parts += [("\ninput schema\n", "bold"), safe_text(schema, multiline=True, limit=SCHEMA_LIMIT)]
    return parts
