"""Events: written strictly, read tolerantly."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from engine.events import (
    EVENT_TYPES,
    AnnotationCreated,
    Event,
    StageCompleted,
    StageRetrying,
    WorkflowCompleted,
    parse_event,
)
from engine.model.json import dumps, loads

SHARED = {
    "id": "e1",
    "run_id": "r1",
    "sequence": 3,
    "occurred_at": "2026-11-23T08:00:00Z",
    "causation_id": "c1",
}

OWN: dict[str, dict[str, Any]] = {
    "workflow:created": {"workflow_id": "w"},
    "workflow:started": {},
    "workflow:completed": {"duration_ms": 5, "total_cost": "0.10", "total_tokens": 7, "output": {"a": [1]}},
    "workflow:failed": {"error": "x", "code": None},
    "workflow:cancelled": {"reason": None},
    "workflow:suspended": {"stage_id": "s"},
    "stage:started": {"stage_id": "s", "stage_name": "S", "stage_number": 1, "attempt": 2},
    "stage:completed": {"stage_id": "s", "stage_name": "S", "duration_ms": 9},
    "stage:suspended": {"stage_id": "s", "stage_name": "S", "next_poll_at": "2026-11-23T09:00:00Z"},
    "stage:failed": {"stage_id": "s", "stage_name": "S", "error": "x", "code": "E"},
    "stage:progress": {"stage_id": "s", "progress": 0.5, "message": "m", "details": {"n": 1}},
    "annotation:created": {
        "key": "k", "value": [1], "scope": "stage", "scope_id": "s", "attempt": 1,
        "actor_kind": None, "actor_id": "me", "actor_version": None,
    },
    "stage:retrying": {"stage_id": "s", "attempt": 1, "error": "x", "due_at": "2026-11-23T09:00:00Z"},
    "stage:cancelled": {"stage_id": "s"},
    "run:rerun": {"from_stage_id": "s", "deleted_stages": ["s", "t"]},
    "lease:reaped": {"stage_id": "s", "attempt": 1, "worker_id": "w1"},
    "event:deadLettered": {"event_id": "e0", "error": "x"},
}  # fmt: skip


def test_the_types_are_these() -> None:
    assert set(OWN) == EVENT_TYPES


@pytest.mark.parametrize("kind", sorted(OWN))
def test_an_event_survives_the_store(kind: str) -> None:
    event = parse_event({**SHARED, "type": kind, **OWN[kind]})
    assert type(event) is not Event
    assert (event.type, event.run_id, event.sequence, event.extra) == (kind, "r1", 3, {})
    assert event.payload() == OWN[kind]
    assert parse_event({**loads(dumps(event.payload())), **SHARED, "type": kind}) == event


def test_fields_a_newer_program_added_are_ignored() -> None:
    event = parse_event({**SHARED, "type": "stage:completed", **OWN["stage:completed"], "newer": 1})
    assert isinstance(event, StageCompleted)
    assert "newer" not in event.payload()


def test_an_unknown_type_keeps_its_payload() -> None:
    event = parse_event({**SHARED, "type": "stage:teleported", "where": "there"})
    assert type(event) is Event
    assert event.extra == event.payload() == {"where": "there"}
    assert parse_event(event.model_dump()) == event


def test_a_known_type_that_does_not_fit_is_kept_as_it_is() -> None:
    event = parse_event({**SHARED, "type": "stage:completed", "stage_id": "s"})
    assert type(event) is Event
    assert event.payload() == {"stage_id": "s"}


def test_the_common_fields_are_needed_and_frozen() -> None:
    with pytest.raises(ValidationError, match="run_id"):
        parse_event({name: value for name, value in SHARED.items() if name != "run_id"} | {"type": "x"})
    event = parse_event({**SHARED, "type": "workflow:completed"})
    assert isinstance(event, WorkflowCompleted)
    with pytest.raises(ValidationError, match="frozen"):
        event.output = 1
    with pytest.raises(ValidationError, match="timezone"):
        StageRetrying(**{**SHARED, **OWN["stage:retrying"], "due_at": "2026-11-23T09:00:00"})


def test_an_annotation_may_hold_null() -> None:
    event = parse_event({**SHARED, "type": "annotation:created", "key": "k", "value": None})
    assert isinstance(event, AnnotationCreated)
    assert event.scope == "run"
