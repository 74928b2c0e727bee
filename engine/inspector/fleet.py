"""Workers, the queue and the workflows: what can execute, and what waits for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime

from engine.definition.plan import Plan
from engine.definition.workflow import Workflow
from engine.inspector.details import planned_groups
from engine.inspector.explain import known_to
from engine.inspector.plans import PlanCache
from engine.inspector.views import QueueRow, WorkerView, WorkflowView
from engine.model.read_records import QueueCount, RunCount
from engine.model.records import WorkerRecord
from engine.model.status import TERMINAL_RUN, RunStatus
from engine.ports.reads import ReadStore


def workers(reads: ReadStore) -> list[WorkerView]:
    return [_worker_view(worker, reads.now) for worker in reads.workers()]


def _worker_view(worker: WorkerRecord, now: datetime) -> WorkerView:
    return WorkerView(
        id=worker.id,
        host=worker.host,
        pid=worker.pid,
        started_at=worker.started_at,
        last_seen_at=worker.last_seen_at,
        alive=worker.alive_until >= now,
        concurrency=worker.concurrency,
        running=worker.running,
        workflows=known_to(worker),
    )


def queue(reads: ReadStore) -> list[QueueRow]:
    pending = _sums(one for one in reads.counts() if one.status == RunStatus.PENDING)
    jobs = {one.workflow_id: one for one in reads.queue()}
    nothing = QueueCount("", 0, 0, 0, None)
    return [
        QueueRow(
            workflow_id=workflow_id,
            pending=pending[workflow_id] + found.due,
            scheduled=found.scheduled,
            running=found.running,
            oldest_pending_at=found.oldest_at,
        )
        for workflow_id in sorted({*jobs, *(workflow_id for workflow_id, count in pending.items() if count)})
        for found in (jobs.get(workflow_id, nothing),)
    ]


def workflows(reads: ReadStore, registered: Mapping[str, Workflow], plans: PlanCache) -> list[WorkflowView]:
    """Those registered here show the definition of this process, the others the newest one the store has."""
    stored = {one.workflow_id: (one.workflow_id, one.fingerprint) for one in reads.definitions()}
    known = plans.of(reads, (key for workflow_id, key in stored.items() if workflow_id not in registered))
    shown = {workflow_id: known[key] for workflow_id, key in stored.items() if key in known}
    shown |= {workflow_id: workflow.plan for workflow_id, workflow in registered.items()}
    unfinished = _sums(one for one in reads.counts() if one.status not in TERMINAL_RUN)
    live = Counter(
        workflow_id for worker in reads.workers() if worker.alive_until >= reads.now for workflow_id in known_to(worker)
    )
    paused = {pause.workflow_id for pause in reads.pauses()}
    return [
        _workflow_view(
            shown[workflow_id],
            registered=workflow_id in registered,
            live_workers=live[workflow_id],
            unfinished=unfinished[workflow_id],
            paused=workflow_id in paused,
        )
        for workflow_id in sorted(shown)
    ]


def _sums(counts: Iterable[RunCount]) -> Counter[str]:
    found: Counter[str] = Counter()
    for one in counts:
        found[one.workflow_id] += one.count
    return found


def _workflow_view(plan: Plan, *, registered: bool, live_workers: int, unfinished: int, paused: bool) -> WorkflowView:
    return WorkflowView(
        id=plan.workflow_id,
        name=plan.name,
        description=plan.description,
        fingerprint=plan.fingerprint,
        groups=planned_groups(plan),
        input_schema=plan.input_schema,
        registered=registered,
        live_workers=live_workers,
        paused=paused,
        unfinished=unfinished,
    )
