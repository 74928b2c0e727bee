"""Records to try a store with."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from engine.model.ids import new_id, new_run_id
from engine.model.records import EventRecord, JobRecord, RunRecord
from engine.model.status import JobStatus, RunStatus
from engine.ports.work import UnitOfWork

WORKFLOW = "flow"
BODY = f"{WORKFLOW}/step"


def add_run(work: UnitOfWork, run_id: str | None = None, **fields: Any) -> RunRecord:
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
    work.runs.insert(run, "{}")
    work.runs.add_counts({(run.workflow_id, run.status): 1})
    return run


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


def soon(work: UnitOfWork) -> datetime:
    """An hour from the transaction's now."""
    return work.now + timedelta(hours=1)


def long_ago(work: UnitOfWork) -> datetime:
    """An hour before the transaction's now."""
    return work.now - timedelta(hours=1)
