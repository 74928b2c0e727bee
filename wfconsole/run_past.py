"""A run as it was: put together again from its events, up to one of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from engine.inspector import AttemptView, EventView, PlanStage, RunDetail, RunStatus, StageStatus, StageView
from engine.model.status import ACTIVE_STAGE

_NOT_YET: dict[str, Any] = {
    "started_at": None,
    "completed_at": None,
    "duration_ms": None,
    "retry_at": None,
    "error": None,
    "error_code": None,
    "progress": None,
    "progress_message": None,
    "next_poll_at": None,
}


@dataclass(slots=True)
class _Stage:
    """What the events told of a stage so far."""

    planned: PlanStage
    queued_at: datetime
    status: StageStatus = StageStatus.PENDING
    attempt: int = 0
    tries: int = 0
    fields: dict[str, Any] = field(default_factory=lambda: dict(_NOT_YET))


@dataclass(slots=True)
class _Past:
    """The run while its events are gone through."""

    run: RunDetail
    status: RunStatus = RunStatus.PENDING
    started_at: datetime | None = None
    completed_at: datetime | None = None
    error: str | None = None
    error_code: str | None = None
    revived_by: str | None = None
    """What set an ended run going again."""
    stages: dict[str, _Stage] = field(default_factory=dict)
    attempts: dict[str, int] = field(default_factory=dict)
    """The last attempt of each stage: numbers go on after a rerun."""

    def stage(self, event: EventView) -> _Stage | None:
        """The stage an event is about; one that nobody queued was queued by then."""
        stage_id = str(event.payload.get("stage_id"))
        if stage_id not in self.stages:
            planned = next((one for group in self.run.plan for one in group if one.stage_id == stage_id), None)
            if planned is None:
                return None
            self.queue([planned], event.occurred_at)
        return self.stages[stage_id]

    def queue(self, group: Sequence[PlanStage], moment: datetime) -> None:
        for planned in group:
            attempt = self.attempts.get(planned.stage_id, 0)
            self.stages.setdefault(planned.stage_id, _Stage(planned, moment, attempt=attempt))


def as_of(run: RunDetail, events: Sequence[EventView], sequence: int) -> RunDetail:
    """The run right after the event of that sequence: its status, stages and attempts, as events tell them.

    `run` is the run as it is now, `events` its history in order from the first one on. What no event tells
    is left out: output and progress that came later, cost of attempts that were not over.
    """
    past, moment = _Past(run), run.created_at
    for event in events:
        if event.sequence > sequence:
            break
        moment = event.occurred_at
        _apply(past, event)
    stages = [_stage_view(run, past.stages[stage_id], moment) for stage_id in _in_order(run, past.stages)]
    return _run_view(past, stages, moment)


def _in_order(run: RunDetail, found: Mapping[str, _Stage]) -> list[str]:
    return [one.stage_id for group in run.plan for one in group if one.stage_id in found]


def _apply(past: _Past, event: EventView) -> None:
    handle = _HANDLERS.get(event.type)
    if handle is not None:
        handle(past, event)


def _started(past: _Past, event: EventView) -> None:
    if past.completed_at is not None:
        past.started_at, past.revived_by = None, event.causation_id
    past.status, past.completed_at, past.error, past.error_code = RunStatus.RUNNING, None, None, None
    past.started_at = past.started_at or event.occurred_at
    if not past.stages and past.run.plan:
        past.queue(past.run.plan[0], event.occurred_at)


def _ended(status: RunStatus) -> Callable[[_Past, EventView], None]:
    def end(past: _Past, event: EventView) -> None:
        past.status, past.completed_at = status, event.occurred_at
        past.error, past.error_code = event.payload.get("error"), event.payload.get("code")

    return end


def _rerun(past: _Past, event: EventView) -> None:
    """The stages of the target group and later are gone; that group is queued again."""
    deleted = event.payload.get("deleted_stages")
    for stage_id in deleted if isinstance(deleted, list) else []:
        past.stages.pop(str(stage_id), None)
    target = str(event.payload.get("from_stage_id"))
    group = next((group for group in past.run.plan if any(one.stage_id == target for one in group)), [])
    _started(past, event)
    past.queue(group, event.occurred_at)


def _stage_started(past: _Past, event: EventView) -> None:
    stage = past.stage(event)
    if stage is not None:
        attempt = event.payload.get("attempt")
        stage.attempt = attempt if isinstance(attempt, int) else stage.attempt + 1
        stage.tries += 1
        past.attempts[stage.planned.stage_id] = stage.attempt
        stage.status = StageStatus.RUNNING
        stage.fields = {**_NOT_YET, "started_at": event.occurred_at}


def _stage_progress(past: _Past, event: EventView) -> None:
    stage, share = past.stage(event), event.payload.get("progress")
    if stage is not None and isinstance(share, int | float):
        stage.fields |= {"progress": float(share), "progress_message": str(event.payload.get("message") or "") or None}


def _stage_suspended(past: _Past, event: EventView) -> None:
    stage = past.stage(event)
    if stage is not None:
        stage.status = StageStatus.SUSPENDED
        stage.fields["next_poll_at"] = _moment(event.payload.get("next_poll_at"))


def _stage_completed(past: _Past, event: EventView) -> None:
    stage = past.stage(event)
    if stage is None:
        return
    _end(stage, StageStatus.COMPLETED, event)
    stage.fields["progress"] = 1.0
    place = next((at for at, group in enumerate(past.run.plan) if stage.planned in group), len(past.run.plan))
    done = {one.planned.stage_id for one in past.stages.values() if one.status is StageStatus.COMPLETED}
    if place + 1 < len(past.run.plan) and all(one.stage_id in done for one in past.run.plan[place]):
        past.queue(past.run.plan[place + 1], event.occurred_at)


def _stage_failed(past: _Past, event: EventView) -> None:
    stage = past.stage(event)
    if stage is not None:
        _end(stage, StageStatus.FAILED, event)
        stage.fields |= {"error": event.payload.get("error"), "error_code": event.payload.get("code")}


def _stage_retrying(past: _Past, event: EventView) -> None:
    stage = past.stage(event)
    if stage is not None:
        by_hand = event.causation_id == past.revived_by
        stage.status, stage.tries = StageStatus.PENDING, 0 if by_hand else stage.tries
        due, error = _moment(event.payload.get("due_at")), event.payload.get("error")
        stage.fields |= {"completed_at": None, "retry_at": due, "error": error, "progress": None}


def _stage_cancelled(past: _Past, event: EventView) -> None:
    stage = past.stage(event)
    if stage is not None:
        _end(stage, StageStatus.CANCELLED, event)


def _reaped(past: _Past, event: EventView) -> None:
    stage = past.stage(event)
    if stage is not None and stage.status in ACTIVE_STAGE:
        stage.status = StageStatus.PENDING
        stage.fields = dict(_NOT_YET)


def _end(stage: _Stage, status: StageStatus, event: EventView) -> None:
    stage.status = status
    started = stage.fields["started_at"]
    took = (event.occurred_at - started) // timedelta(milliseconds=1) if started is not None else None
    stage.fields |= {"completed_at": event.occurred_at, "duration_ms": took, "next_poll_at": None, "retry_at": None}


_HANDLERS: Mapping[str, Callable[[_Past, EventView], None]] = {
    "workflow:started": _started,
    "workflow:completed": _ended(RunStatus.COMPLETED),
    "workflow:failed": _ended(RunStatus.FAILED),
    "workflow:cancelled": _ended(RunStatus.CANCELLED),
    "run:rerun": _rerun,
    "stage:started": _stage_started,
    "stage:progress": _stage_progress,
    "stage:suspended": _stage_suspended,
    "stage:completed": _stage_completed,
    "stage:failed": _stage_failed,
    "stage:retrying": _stage_retrying,
    "stage:cancelled": _stage_cancelled,
    "lease:reaped": _reaped,
}


def _moment(value: Any) -> datetime | None:
    try:
        found = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    return found if found.tzinfo is not None else None


def _stage_view(run: RunDetail, stage: _Stage, moment: datetime) -> StageView:
    """What is kept of the stage now stands only where it is of the attempt of then."""
    now = next((one for one in run.stages if one.stage_id == stage.planned.stage_id), None)
    attempts = [_attempt_then(one, stage, moment) for one in now.attempts if _began(one, moment)] if now else []
    same = now is not None and now.attempt == stage.attempt
    done = same and stage.status is StageStatus.COMPLETED
    values: dict[str, Any] = {
        "stage_id": stage.planned.stage_id,
        "name": stage.planned.name,
        "group": stage.planned.group,
        "number": stage.planned.number,
        "max_attempts": now.max_attempts if now else stage.planned.max_attempts,
        "worker_id": now.worker_id if now and same else None,
        "input": now.input if now and same else None,
        "config": now.config if now and same else None,
        "output": now.output if now and done else None,
        "metrics": now.metrics if now and done else None,
        "artifacts": now.artifacts if now and done else [],
    }
    fields = dict(stage.fields)
    if fields["started_at"] is not None and fields["completed_at"] is None:
        fields["duration_ms"] = (moment - fields["started_at"]) // timedelta(milliseconds=1)
    return StageView(
        **values,
        **fields,
        status=stage.status,
        attempt=stage.attempt,
        tries=stage.tries,
        queued_at=stage.queued_at,
        last_poll_at=None,
        polls=0,
        max_wait_until=None,
        cost=_sum(one.cost for one in attempts if one.attempt == stage.attempt),
        tokens=now.tokens if now and done else 0,
        attempts=attempts,
    )


def _began(one: AttemptView, moment: datetime) -> bool:
    return one.started_at is not None and one.started_at <= moment


def _attempt_then(one: AttemptView, stage: _Stage, moment: datetime) -> AttemptView:
    if one.completed_at is not None and one.completed_at <= moment:
        return one
    status = stage.status if stage.attempt == one.attempt else StageStatus.RUNNING
    nothing = {"cost": Decimal(0), "wasted": Decimal(0)}
    return one.model_copy(update={"completed_at": None, "status": status, "error": None, **nothing})


def _sum(costs: Any) -> Decimal | None:
    """None where one of them is unknown."""
    found = list(costs)
    return None if any(cost is None for cost in found) else sum(found, Decimal(0))


def _run_view(past: _Past, stages: list[StageView], moment: datetime) -> RunDetail:
    active = [stage for stage in stages if stage.status in ACTIVE_STAGE]
    retrying = [stage.retry_at for stage in active if stage.retry_at is not None]
    over = past.completed_at is not None
    planned = sum(len(group) for group in past.run.plan)
    took = ((past.completed_at or moment) - past.started_at) if past.started_at is not None else None
    last = active[0] if active else stages[-1] if stages else None
    failed = [stage for stage in stages if stage.status is StageStatus.FAILED]
    current = failed[:1] if past.status is RunStatus.FAILED else active
    return past.run.model_copy(
        update={
            "status": past.status,
            "waiting": bool(active) and all(stage.status is StageStatus.SUSPENDED for stage in active),
            "started_at": past.started_at,
            "completed_at": past.completed_at,
            "duration_ms": None if took is None else took // timedelta(milliseconds=1),
            "current_stages": [stage.stage_id for stage in current],
            "progress": sum(stage.progress or 0.0 for stage in stages) / planned if planned else None,
            "attempt": last.attempt if last else 0,
            "tries": last.tries if last else 0,
            "retry_at": min(retrying) if retrying and not over else None,
            "total_cost": _sum(one.cost for stage in stages for one in stage.attempts),
            "error": past.error,
            "error_code": past.error_code,
            "output": past.run.output if past.status is RunStatus.COMPLETED and over else None,
            "stages": stages,
        }
    )
