"""One run for a person: what it is, how its stages went, what it was given and what came of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from engine.inspector.views import RunDetail, StageView
from engine.model.json import Json
from wfconsole.cli.output import Cell, Printer
from wfconsole.formatting import duration, money, run_ms, size, stage_state, state_of

_LONGEST = 4_000
"""Characters of one value shown; `--json` has the whole."""


def print_run(out: Printer, run: RunDetail) -> None:
    """The run as a document, or for a person."""
    if out.as_json:
        out.document(run)
        return
    now = datetime.now(UTC)
    out.line(run.id, (run.workflow_id, "bold"), out.status(state_of(run)))
    facts = [f"created {out.time(run.created_at)}"]
    facts += [f"started {out.time(run.started_at)}"] if run.started_at else []
    facts += [f"ended {out.time(run.completed_at)}"] if run.completed_at else []
    facts += [f"took {duration(run_ms(run, now))}"] if run.started_at else []
    facts += [f"cost {money(run.total_cost)}"] if run.total_cost else []
    out.line("  ".join(facts))
    out.line(f"key {run.idempotency_key or '-'}  priority {run.priority}  definition {run.definition}")
    if run.error:
        out.line(("error", "status-failed"))
        out.block(run.error[:_LONGEST])
    if run.plan:
        out.line()
        _print_stages(out, run)
    for name, value in (("input", run.input), ("output", run.output)):
        if value is not None:
            out.line()
            out.line((name, "bold"))
            out.block(_json(value))
    for stage in run.stages:
        for artifact in stage.artifacts:
            out.line(f"artifact {stage.stage_id}/{artifact.name}  {artifact.media_type}  {size(artifact.size)}")


def _print_stages(out: Printer, run: RunDetail) -> None:
    reached = {stage.stage_id: stage for stage in run.stages}
    rows: list[tuple[Cell, ...]] = []
    for group in run.plan:
        for planned in group:
            stage = reached.get(planned.stage_id)
            rows.append(
                _stage_row(out, stage)
                if stage
                else (str(planned.group), planned.stage_id, out.status("UNREACHED"), "-", "-", "-", "")
            )
    out.table(("GROUP", "STAGE", "STATUS", "TRY", "DUR", "COST", "REMARK"), rows, right=frozenset({"DUR", "COST"}))


def _stage_row(out: Printer, stage: StageView) -> tuple[Cell, ...]:
    remark = stage.error or stage.progress_message or ""
    return (
        str(stage.group),
        stage.stage_id,
        out.status(stage_state(stage)),
        f"{stage.tries}/{stage.max_attempts}",
        duration(stage.duration_ms),
        money(stage.cost),
        remark,
    )


def _json(value: Json) -> str:
    text = json.dumps(value, ensure_ascii=False, indent=2, default=str)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}\n… {len(text) - _LONGEST} more characters: --json"
