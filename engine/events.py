"""Events: what happened to a run, in the order it happened. Unknown fields are ignored: a newer program
may write them.

An event's own fields are its payload; the others (`id`, `run_id`, `sequence`, …) every event has.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from engine.model.json import Json


class Event(BaseModel):
    """The root of all events, and what stands for an event of a type this program doesn't know."""

    model_config = ConfigDict(frozen=True, extra="ignore", defer_build=True)
    id: str
    run_id: str
    sequence: int = Field(ge=1)
    """1, 2, 3, … within the run, without gaps."""
    type: str
    occurred_at: AwareDatetime
    causation_id: str
    """The same for all events of one command: its idempotency key, if it has one."""
    extra: dict[str, Any] = {}
    """The payload of an event of unknown type, else empty."""

    def payload(self) -> dict[str, Json]:
        """The event's own fields as JSON: what the store keeps beside the common ones."""
        if self.extra:
            return dict(self.extra)
        return self.model_dump(mode="json", exclude=set(Event.model_fields))


class WorkflowCreated(Event):
    type: Literal["workflow:created"] = "workflow:created"
    workflow_id: str


class WorkflowStarted(Event):
    type: Literal["workflow:started"] = "workflow:started"


class WorkflowCompleted(Event):
    """`duration_ms` from start to end; money in US dollars."""

    type: Literal["workflow:completed"] = "workflow:completed"
    duration_ms: int | None = None
    total_cost: Decimal | None = None
    total_tokens: int | None = None
    output: Any = None


class WorkflowFailed(Event):
    type: Literal["workflow:failed"] = "workflow:failed"
    error: str
    code: str | None = None


class WorkflowCancelled(Event):
    type: Literal["workflow:cancelled"] = "workflow:cancelled"
    reason: str | None = None


class WorkflowSuspended(Event):
    type: Literal["workflow:suspended"] = "workflow:suspended"
    stage_id: str


class StageStarted(Event):
    """Once a delivery."""

    type: Literal["stage:started"] = "stage:started"
    stage_id: str
    stage_name: str
    stage_number: int
    attempt: int | None = None


class StageCompleted(Event):
    type: Literal["stage:completed"] = "stage:completed"
    stage_id: str
    stage_name: str
    duration_ms: int | None = None


class StageSuspended(Event):
    type: Literal["stage:suspended"] = "stage:suspended"
    stage_id: str
    stage_name: str
    next_poll_at: AwareDatetime | None = None


class StageFailed(Event):
    type: Literal["stage:failed"] = "stage:failed"
    stage_id: str
    stage_name: str
    error: str
    code: str | None = None


class StageProgress(Event):
    """`progress` is 0 to 1."""

    type: Literal["stage:progress"] = "stage:progress"
    stage_id: str
    progress: float
    message: str = ""
    details: dict[str, Any] = {}


class AnnotationCreated(Event):
    type: Literal["annotation:created"] = "annotation:created"
    key: str
    value: Any = None
    scope: str = "run"
    scope_id: str | None = None
    attempt: int | None = None
    actor_kind: str | None = None
    actor_id: str | None = None
    actor_version: str | None = None


class StageRetrying(Event):
    """`attempt` is the one that failed; the next is due at `due_at`."""

    type: Literal["stage:retrying"] = "stage:retrying"
    stage_id: str
    attempt: int
    error: str
    due_at: AwareDatetime


class StageCancelled(Event):
    type: Literal["stage:cancelled"] = "stage:cancelled"
    stage_id: str


class RunRerun(Event):
    type: Literal["run:rerun"] = "run:rerun"
    from_stage_id: str
    deleted_stages: list[str]


class LeaseReaped(Event):
    type: Literal["lease:reaped"] = "lease:reaped"
    stage_id: str
    attempt: int
    worker_id: str | None = None


class EventDeadLettered(Event):
    type: Literal["event:deadLettered"] = "event:deadLettered"
    event_id: str
    error: str


_CLASSES: dict[str, type[Event]] = {
    str(event.model_fields["type"].default): event
    for event in (
        WorkflowCreated,
        WorkflowStarted,
        WorkflowCompleted,
        WorkflowFailed,
        WorkflowCancelled,
        WorkflowSuspended,
        StageStarted,
        StageCompleted,
        StageSuspended,
        StageFailed,
        StageProgress,
        AnnotationCreated,
        StageRetrying,
        StageCancelled,
        RunRerun,
        LeaseReaped,
        EventDeadLettered,
    )
}

EVENT_TYPES: frozenset[str] = frozenset(_CLASSES)
"""Every type name, as plugins ask for them."""


def parse_event(payload: Mapping[str, Json]) -> Event:
    """The event of a mapping with the common fields and its own side by side.

    A type this program doesn't know, or a known one with fields it can't read, gives a plain `Event`
    that keeps its own fields under `extra`. Raises pydantic's `ValidationError` only when a common
    field is missing or wrong.
    """
    known = _CLASSES.get(str(payload.get("type")))
    if known is not None:
        try:
            return known.model_validate({name: value for name, value in payload.items() if name != "extra"})
        except ValidationError:
            pass
    own = {name: value for name, value in payload.items() if name not in Event.model_fields}
    return Event.model_validate({**payload, "extra": own or payload.get("extra", {})})
