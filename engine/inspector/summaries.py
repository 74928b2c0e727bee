"""Summaries of runs, derived from their rows, the stages they have reached and their plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from engine.definition.plan import Plan
from engine.inspector.views import RunSummary
from engine.model.read_records import RunRow, StageRow
from engine.model.status import ACTIVE_STAGE, TERMINAL_RUN, RunStatus, StageStatus

_MILLISECOND = timedelta(milliseconds=1)


def millis(span: timedelta) -> int:
    """Whole milliseconds, never negative: two clocks may disagree a little."""
    return max(0, span // _MILLISECOND)


def duration_ms(start: datetime | None, end: datetime | None, now: datetime) -> int | None:
    """From `start` to `end`, or to `now` while there is no end; None before the start."""
    return None if start is None else millis((end or now) - start)


@dataclass(frozen=True, slots=True)
class RunParts:
    """What a summary is made of."""

    run: RunRow
    reached: Sequence[StageRow]
    """The stages of the group the run has reached, by number."""
    plan: Plan | None
    unpriced: bool
    """An AI call of the run has no known price."""


def summary_of(parts: RunParts, now: datetime) -> RunSummary:
    return RunSummary(**summary_fields(parts, now))


def summary_fields(parts: RunParts, now: datetime) -> dict[str, Any]:
    """The fields of `RunSummary`, which `RunDetail` shares."""
    run = parts.run
    active = active_stages(parts)
    leading = _leading(parts, active)
    over = run.status in TERMINAL_RUN
    return {
        "id": run.id,
        "workflow_id": run.workflow_id,
        "workflow_name": run.workflow_name,
        "status": run.status,
        "waiting": bool(active) and all(stage.status == StageStatus.SUSPENDED for stage in active),
        "priority": run.priority,
        "created_at": run.created_at,
        "started_at": run.started_at,
        "completed_at": run.completed_at,
        "duration_ms": duration_ms(run.started_at, run.completed_at, now),
        "current_stages": [stage.stage_id for stage in active] or _failed_stages(run),
        "progress": progress_of(parts),
        "attempt": leading.attempt if leading else 0,
        "tries": leading.tries if leading else 0,
        "max_attempts": leading.max_attempts if leading else 0,
        "retry_at": min((stage.retry_at for stage in active if _backs_off(stage) and stage.retry_at), default=None),
        "idle_ms": None if over else millis(now - run.updated_at),
        "idempotency_key": run.idempotency_key,
        "definition": run.definition,
        "worker_id": next((stage.worker_id for stage in active if stage.status == StageStatus.RUNNING), None),
        "total_cost": None if parts.unpriced else run.total_cost or Decimal(0),
        "total_tokens": run.total_tokens,
        "error": run.error,
        "error_code": run.error_code,
        "error_fingerprint": run.error_fingerprint,
    }


def active_stages(parts: RunParts) -> list[StageRow]:
    """The stages that are not done, by number; none unless the run is RUNNING."""
    if parts.run.status != RunStatus.RUNNING:
        return []
    return [stage for stage in parts.reached if stage.status in ACTIVE_STAGE]


def _failed_stages(run: RunRow) -> list[str]:
    """Where a failed run came to its end: what an operator looks for first."""
    return [run.failed_stage] if run.status == RunStatus.FAILED and run.failed_stage else []


def _backs_off(stage: StageRow) -> bool:
    return stage.status == StageStatus.PENDING and stage.retry_at is not None


def _leading(parts: RunParts, active: Sequence[StageRow]) -> StageRow | None:
    """Whose attempts stand for the run's: the furthest active stage, else the failed one, else the last."""
    if active:
        return active[-1]
    failed = [stage for stage in parts.reached if stage.stage_id == parts.run.failed_stage]
    return next(reversed(failed or list(parts.reached)), None)


def progress_of(parts: RunParts) -> float | None:
    """Done stages and the fractions of the running ones, over the stages of the plan; None without a plan."""
    if parts.plan is None or not parts.plan.stages:
        return None
    if parts.run.status == RunStatus.COMPLETED:
        return 1.0
    earlier = sum(len(group) for group in parts.plan.groups[: max(0, parts.run.group_no - 1)])
    here = sum(_fraction(stage) for stage in parts.reached)
    return min(1.0, (earlier + here) / len(parts.plan.stages))


def _fraction(stage: StageRow) -> float:
    if stage.status in (StageStatus.COMPLETED, StageStatus.SKIPPED):
        return 1.0
    return stage.progress or 0.0 if stage.status == StageStatus.RUNNING else 0.0
