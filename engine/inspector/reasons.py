"""Why one stage isn't done yet, from its row, its job and who is alive."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from engine.definition.plan import Plan
from engine.model.budgets import BUDGET_CODE
from engine.model.read_records import Situation, StageRow
from engine.model.records import JobRecord, WorkerRecord
from engine.model.status import JobStatus, StageStatus

_RANK = (
    "definition_gone",
    "no_worker",
    "lease_held",
    "executing",
    "poll_due",
    "budget",
    "backoff",
    "poll_wait",
    "queue",
    "stage_wait",
)
"""When the active stages differ, what stands first here is what the run waits for."""
_BLOCKING = frozenset({"definition_gone", "no_worker", "lease_held"})


@dataclass(frozen=True, slots=True)
class Reason:
    """`code` is one of the contract's; `until` is when the matter changes by itself, where that is known."""

    code: str
    summary: str
    since: datetime | None = None
    until: datetime | None = None
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def rank(self) -> int:
        return _RANK.index(self.code)

    @property
    def blocks(self) -> bool:
        """Nothing moves unless somebody acts, or a lease ends."""
        return self.code in _BLOCKING


def span(time: timedelta) -> str:
    """A duration in its two largest units: `3d 4h`, `2m 5s`, `850ms`; a negative one counts as none."""
    if time < timedelta(seconds=1):
        return f"{max(0, time // timedelta(milliseconds=1))}ms"
    seconds = time // timedelta(seconds=1)
    parts = [
        (seconds // 86400, "d"),
        (seconds // 3600 % 24, "h"),
        (seconds // 60 % 60, "m"),
        (seconds % 60, "s"),
    ]
    first = next(index for index, (count, _) in enumerate(parts) if count)
    return " ".join(f"{count}{unit}" for count, unit in parts[first : first + 2] if count)


def stages_named(stages: Sequence[StageRow]) -> str:
    """`a`, `a and b`, `a, b and 3 more`."""
    names = [stage.stage_id for stage in stages]
    if len(names) > 3:
        names = [*names[:2], f"{len(names) - 2} more"]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def fleet_facts(live: Sequence[WorkerRecord], able: Sequence[WorkerRecord]) -> dict[str, Any]:
    """Who is alive, who of them knows the workflow, and their slots."""
    return {
        "workers_alive": len(live),
        "workers_able": len(able),
        "slots": sum(worker.concurrency for worker in able),
        "slots_busy": sum(worker.running for worker in able),
    }


def money_facts(situation: Situation, error: str | None) -> dict[str, Any]:
    """What the run has spent, and what an operator allowed it, if one did."""
    return {"error": error, "spent": situation.run.total_cost or Decimal(0), "allowed": situation.limits.get("")}


def _wants_money(stage: StageRow) -> bool:
    return (stage.error or "").startswith(f"{BUDGET_CODE}:")


class StageReasons:
    """Reasons for the stages of one run at one instant."""

    def __init__(
        self,
        situation: Situation,
        live: Sequence[WorkerRecord],
        known: Mapping[str, Mapping[str, str]],
        plans: Mapping[tuple[str, str], Plan],
        now: datetime,
    ) -> None:
        """`known`: worker id to the definitions it has (workflow id to fingerprint), for the live ones."""
        self._situation = situation
        self._workers = {worker.id: worker for worker in situation.workers}
        self._live = live
        self._now = now
        workflow_id = situation.run.workflow_id
        self._able = [worker for worker in live if workflow_id in known[worker.id]]
        self._theirs = {worker.id: plans.get((workflow_id, known[worker.id][workflow_id])) for worker in self._able}
        self._jobs = {job.stage_id: job for job in situation.jobs}

    def of(self, stage: StageRow) -> Reason:
        job = self._jobs.get(stage.stage_id)
        if job is not None and job.status == JobStatus.RUNNING:
            return self._delivered(stage, job)
        if job is not None and job.status == JobStatus.SCHEDULED and _wants_money(stage):
            return self._held(stage)
        return self._nobody_for(stage) or self._waiting(stage, job)

    def _nobody_for(self, stage: StageRow) -> Reason | None:
        workflow_id = self._situation.run.workflow_id
        facts = {
            "stage_id": stage.stage_id,
            "workflow_id": workflow_id,
            **fleet_facts(self._live, self._able),
        }
        if not self._able:
            summary = f"No live worker knows {workflow_id}: {stage.stage_id} waits until one does."
            return Reason("no_worker", summary, since=stage.queued_at, facts=facts)
        if any(plan is None or stage.stage_id in plan.stage_ids for plan in self._theirs.values()):
            return None
        facts["fingerprints"] = sorted({plan.fingerprint for plan in self._theirs.values() if plan})
        summary = f"The workers' {workflow_id} has no stage {stage.stage_id} any more: it waits until one has."
        return Reason("definition_gone", summary, since=stage.queued_at, facts=facts)

    def _waiting(self, stage: StageRow, job: JobRecord | None) -> Reason:
        if stage.status == StageStatus.SUSPENDED:
            return self._polled(stage)
        if job is None:
            summary = f"{stage.stage_id} has no job; a worker's tick sets the run going again."
            return Reason("stage_wait", summary, since=stage.queued_at, facts={"stage_id": stage.stage_id})
        if job.status == JobStatus.SCHEDULED and job.due_at is not None and job.due_at > self._now:
            return self._backoff(stage, job, job.due_at)
        return self._queued(stage, job)

    def _delivered(self, stage: StageRow, job: JobRecord) -> Reason:
        worker = self._workers.get(job.worker_id or "")
        facts = {
            **self._try(stage),
            "worker_id": job.worker_id,
            "leased_until": job.leased_until,
            "renewed_at": job.renewed_at,
            "progress": stage.progress,
        }
        who = job.worker_id or "a worker"
        if job.leased_until is not None and job.leased_until < self._now:
            ago = span(self._now - job.leased_until)
            summary = f"{who} lost {stage.stage_id}: its lease ended {ago} ago. The next tick of a worker frees it."
            return Reason("lease_held", summary, since=job.leased_until, facts=facts)
        if worker is not None and worker.alive_until < self._now:
            facts["last_seen_at"] = worker.last_seen_at
            left = span(job.leased_until - self._now) if job.leased_until else "a while"
            silent = span(self._now - worker.last_seen_at)
            summary = f"{who} holds {stage.stage_id} but was last heard {silent} ago; its lease ends in {left}."
            return Reason("lease_held", summary, since=worker.last_seen_at, until=job.leased_until, facts=facts)
        calls = [call for call in self._situation.open_calls if call.stage_id == stage.stage_id]
        facts["open_ai_calls"] = len(calls)
        asks = ""
        if calls:
            facts["ai_call"] = {"id": calls[0].id, "model": calls[0].model, "since": calls[0].created_at}
            asks = f" It asks {calls[0].model} for {span(self._now - calls[0].created_at)}"
            asks += f", and {len(calls) - 1} more." if len(calls) > 1 else "."
        took = span(self._now - (stage.started_at or stage.queued_at))
        done = "" if stage.progress is None else f", {stage.progress:.0%} done"
        summary = f"{who} executes {stage.stage_id} for {took}{done} (try {stage.tries} of {stage.max_attempts}).{asks}"
        return Reason("executing", summary, since=stage.started_at, facts=facts)

    def _backoff(self, stage: StageRow, job: JobRecord, due_at: datetime) -> Reason:
        error = stage.error or job.last_error
        left = span(due_at - self._now)
        failed = f"{stage.stage_id} failed try {stage.tries} of {stage.max_attempts}"
        summary = f"{failed}; the next is in {left}: {error}"
        facts = {**self._try(stage), "error": error}
        return Reason("backoff", summary, since=stage.completed_at or stage.started_at, until=due_at, facts=facts)

    def _held(self, stage: StageRow) -> Reason:
        facts = {**self._try(stage), **money_facts(self._situation, stage.error)}
        until = stage.retry_at
        rest = (
            "until somebody allows more" if until is None else f"until {until:%Y-%m-%d %H:%M} UTC, or more is allowed"
        )
        summary = f"{stage.stage_id} waits {rest}. {stage.error}"
        return Reason("budget", summary, since=stage.completed_at or stage.started_at, until=until, facts=facts)

    def _polled(self, stage: StageRow) -> Reason:
        facts = {
            **self._try(stage),
            "polls": stage.polls,
            "poll_errors": stage.poll_errors,
            "last_poll_at": stage.last_poll_at,
            "max_wait_until": stage.max_wait_until,
        }
        if stage.poll_token is not None and stage.next_poll_at is not None and stage.next_poll_at > self._now:
            summary = f"{stage.stage_id} is being checked right now."
            return Reason("poll_due", summary, since=stage.last_poll_at or stage.started_at, facts=facts)
        due = stage.next_poll_at
        if due is not None and due <= self._now:
            summary = f"The check of {stage.stage_id} has been due for {span(self._now - due)}."
            return Reason("poll_due", summary, since=due, facts=facts)
        given_up = stage.max_wait_until
        rest = f"; it is given up in {span(given_up - self._now)}" if given_up and given_up > self._now else ""
        after = f", the next check is in {span(due - self._now)}" if due else ""
        summary = f"{stage.stage_id} waits for an outside result{after}{rest}."
        return Reason("poll_wait", summary, since=stage.last_poll_at or stage.started_at, until=due, facts=facts)

    def _queued(self, stage: StageRow, job: JobRecord) -> Reason:
        ahead = self._situation.ahead.get(job.id, 0)
        facts = {
            **self._try(stage),
            "ahead": ahead,
            "priority": job.priority,
            **fleet_facts(self._live, self._able),
        }
        before = f"{ahead} {'job goes' if ahead == 1 else 'jobs go'} first" if ahead else "it is the next to be claimed"
        slots = f"{facts['slots_busy']} of {facts['slots']} slots are busy"
        since = job.due_at or stage.queued_at
        summary = f"{stage.stage_id} is due for {span(self._now - since)}: {before}; {slots}."
        return Reason("queue", summary, since=since, facts=facts)

    def _try(self, stage: StageRow) -> dict[str, Any]:
        return {
            "stage_id": stage.stage_id,
            "attempt": stage.attempt,
            "tries": stage.tries,
            "max_attempts": stage.max_attempts,
        }
