"""Records to try a store with."""

from __future__ import annotations

import types
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, NamedTuple, TypeVar, get_args, get_type_hints

from engine.model.ids import new_id, new_run_id
from engine.model.records import AICallRecord, EventRecord, JobRecord, LogRecord, RunRecord, StageRecord
from engine.model.status import JobStatus, LogLevel, RunStatus, StageStatus
from engine.ports.work import UnitOfWork

T = TypeVar("T")

WORKFLOW = "flow"
BODY = f"{WORKFLOW}/step"
NOON = datetime(2026, 11, 23, 12, 0, 0, 123456, tzinfo=UTC)

_OTHER: dict[type, Any] = {
    str: '{"another": "ä \\n \' %"}',
    int: 7,
    bool: True,
    float: 0.25,
    datetime: NOON,
    timedelta: timedelta(days=3, microseconds=1),
    Decimal: Decimal("12.000000345"),
}


def add_run(work: UnitOfWork, run_id: str | None = None, *, input_text: str = "{}", **fields: Any) -> RunRecord:
    """Insert a PENDING run of `flow`, counted; `fields` say otherwise."""
    run = RunRecord(
        id=run_id or new_run_id(),
        workflow_id=WORKFLOW,
        workflow_name="Flow",
        definition="none",
        status=RunStatus.PENDING,
        priority=5,
        created_at=work.now,
        updated_at=work.now,
        config="{}",
        metadata="{}",
    )
    run = run._replace(**fields)
    work.runs.insert(run, input_text)
    work.runs.add_counts({(run.workflow_id, run.status): 1})
    return run


def add_stage(
    work: UnitOfWork, run: RunRecord, stage_id: str = "step", *, input_text: str | None = None, **fields: Any
) -> StageRecord:
    """Insert a PENDING stage of that run's first group; `fields` say otherwise."""
    stage = StageRecord(
        id=new_id(),
        run_id=run.id,
        stage_id=stage_id,
        name=stage_id.title(),
        group_no=1,
        number=1,
        status=StageStatus.PENDING,
        generation=0,
        queued_at=work.now,
    )
    stage = stage._replace(**fields)
    work.stages.insert([(stage, input_text)])
    return stage


def add_job(work: UnitOfWork, run: RunRecord, **fields: Any) -> JobRecord:
    """Insert a due job of that run's stage `step`; `fields` say otherwise."""
    job = JobRecord(
        id=new_id(),
        stage_ref=new_id(),
        run_id=run.id,
        workflow_id=run.workflow_id,
        stage_id="step",
        status=JobStatus.PENDING,
        priority=run.priority,
        created_at=run.created_at,
        max_attempts=3,
    )
    job = job._replace(**fields)
    work.jobs.enqueue([job])
    return job


def add_events(work: UnitOfWork, run: RunRecord, *sequences: int) -> list[EventRecord]:
    """Append undelivered events with these sequences."""
    events = [EventRecord(new_id(), run.id, one, "stage:started", "{}", "cause", work.now) for one in sequences]
    work.outbox.append(events)
    return events


def add_lines(work: UnitOfWork, run: RunRecord, *messages: str, **fields: Any) -> None:
    """Append log lines of that run's stage `step`; `fields` say otherwise."""
    line = LogRecord(run.id, "step", 1, LogLevel.INFO, "", "{}", work.now)
    work.logs.append([line._replace(message=message, **fields) for message in messages])


def a_call(run: RunRecord | None, **fields: Any) -> AICallRecord:
    """A call under way, of the first attempt of that run's stage `step`, or of nobody; `fields` say otherwise."""
    call = AICallRecord(new_id(), "topic", "text", "maker/model", "maker", NOON)
    if run is not None:
        call = call._replace(run_id=run.id, workflow_id=run.workflow_id, stage_id="step", attempt=1)
    return call._replace(**fields)


def add_call(work: UnitOfWork, run: RunRecord | None, **fields: Any) -> AICallRecord:
    """Note a call that ended well and cost a quarter of a dollar; `fields` say otherwise."""
    paid = {"status": "ok", "cost": Decimal("0.25"), "input_tokens": 10, "output_tokens": 5}
    call = a_call(run, **{**paid, **fields})
    if call.status in ("ok", "error"):
        work.ai_calls.close([call])
    else:
        work.ai_calls.open([call])
    return call


def soon(work: UnitOfWork) -> datetime:
    """An hour from the transaction's now."""
    return work.now + timedelta(hours=1)


def long_ago(work: UnitOfWork) -> datetime:
    """An hour before the transaction's now."""
    return work.now - timedelta(hours=1)


def only(found: Iterable[T]) -> T:
    """The one there is."""
    (one,) = found
    return one


def another(record: type[NamedTuple], field: str) -> Any:
    """A value for that field as no record here has it by itself."""
    hint = get_type_hints(record)[field]
    if isinstance(hint, types.UnionType):
        hint = next(one for one in get_args(hint) if one is not type(None))
    return list(hint)[-1] if issubclass(hint, StrEnum) else _OTHER[hint]


def is_optional(record: type[NamedTuple], field: str) -> bool:
    return isinstance(get_type_hints(record)[field], types.UnionType)
