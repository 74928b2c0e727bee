"""What an outcome does to its stage, its job and its run: one place for job and poll alike."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from engine.definition.plan import Plan, PlannedStage
from engine.kernel.changes import Changes
from engine.kernel.ending import Completed, Delivery, Failed, GivenBack, Suspended, Verdict
from engine.kernel.plans import Plans
from engine.kernel.rules.advance import advance
from engine.kernel.rules.retry import after_failure
from engine.model.fingerprint import fingerprint
from engine.model.ids import new_id
from engine.model.json import dumps, loads
from engine.model.payload import is_pointer
from engine.model.records import JobRecord, Lease, RunRecord, StageRecord
from engine.model.status import JobStatus, RunStatus, StageStatus

INLINE_LIMIT = 256 * 1024
"""Longer texts are derived when needed instead of being copied into the next stage's row."""


@dataclass(frozen=True, slots=True)
class Settled:
    verdict: Verdict
    next_poll_at: datetime | None = None
    retry_at: datetime | None = None


class Settling:
    """Writes outcomes into `Changes`; the runs concerned are locked."""

    def __init__(self, changes: Changes, plans: Plans) -> None:
        self.changes = changes
        self._plans = plans

    def plan(self, run: RunRecord) -> Plan:
        return self._plans.get(self.changes.work, run.workflow_id, run.definition)

    # --- deliveries -----------------------------------------------------------------------------------------------

    def settle(self, delivery: Delivery) -> Settled:
        """What a delivery that ended does; a ghost (its run is over) changes nothing."""
        claimed, ending = delivery.claimed, delivery.ending
        changes, job = self.changes, claimed.job
        if not changes.has_run(job.run_id) or changes.run(job.run_id).status is not RunStatus.RUNNING:
            return Settled("ghost")
        self._keep_said(delivery)
        stage = with_progress(claimed.stage, delivery)
        free = job._replace(worker_id=None, lease_token=None, leased_until=None, renewed_at=None)
        match ending:
            case Completed():
                changes.finish_job(claimed.lease, free._replace(status=JobStatus.COMPLETED, completed_at=changes.now))
                changes.artifacts += ending.artifacts
                if len(self.plan(changes.run(job.run_id)).groups[stage.group_no - 1]) == 1:
                    given = {one: (claimed.groups[one], text) for one, text in claimed.outputs.items()}
                    changes.know_outputs(job.run_id, given)
                self.complete(stage, ending.output, ending.metrics, causation(job))
                return Settled("completed")
            case Suspended():
                return self._suspend(stage, delivery, ending, free)
            case Failed():
                return self._fail_or_retry(stage, delivery, ending, free)
            case GivenBack():
                changes.finish_job(claimed.lease, free._replace(status=JobStatus.PENDING, tries=job.tries - 1))
                self._requeue(stage, None, "given back: the worker stopped", tries=job.tries - 1)
                return Settled("given-back")

    def _keep_said(self, delivery: Delivery) -> None:
        job = delivery.claimed.job
        self.changes.logs += delivery.said.logs
        self.changes.annotations += delivery.said.annotations
        for note in delivery.said.progress:
            self.changes.event(
                job.run_id,
                "stage:progress",
                causation(job),
                stage_id=job.stage_id,
                progress=note.fraction,
                message=note.message,
                details=note.details,
            )

    def _suspend(self, stage: StageRecord, delivery: Delivery, ending: Suspended, free: JobRecord) -> Settled:
        changes = self.changes
        poll_at = ending.first_poll_at or changes.now + ending.poll_every
        changes.finish_job(delivery.claimed.lease, free._replace(status=JobStatus.SUSPENDED))
        changes.update_stage(
            stage._replace(
                status=StageStatus.SUSPENDED,
                suspended_state=ending.state,
                poll_every=ending.poll_every,
                next_poll_at=poll_at,
                max_wait_until=changes.now + ending.max_wait,
                poll_errors=0,
                error=None,
                error_code=None,
                error_fingerprint=None,
                worker_id=None,
            )
        )
        cause = causation(free)
        changes.event(
            stage.run_id,
            "stage:suspended",
            cause,
            stage_id=stage.stage_id,
            stage_name=stage.name,
            next_poll_at=poll_at,
        )
        changes.event(stage.run_id, "workflow:suspended", cause, stage_id=stage.stage_id)
        return Settled("suspended", next_poll_at=poll_at)

    def _fail_or_retry(self, stage: StageRecord, delivery: Delivery, ending: Failed, free: JobRecord) -> Settled:
        changes, claimed, job = self.changes, delivery.claimed, delivery.claimed.job
        policy = self.plan(changes.run(job.run_id)).stage(job.stage_id).retry
        again = after_failure(policy, tries=job.tries, retryable=ending.retryable, draw=random.random)
        if again is None:
            changes.finish_job(
                claimed.lease,
                free._replace(status=JobStatus.FAILED, last_error=ending.error, completed_at=changes.now),
            )
            self.fail(stage, ending.error, ending.code, causation(job))
            return Settled("failed")
        due = changes.now + again.delay
        waiting = free._replace(status=JobStatus.SCHEDULED, due_at=due, last_error=ending.error)
        changes.finish_job(claimed.lease, waiting)
        failed = _failed(stage, ending.error, ending.code, changes.now)
        self._report_failure(failed, causation(job))
        changes.event(
            stage.run_id,
            "stage:retrying",
            causation(job),
            stage_id=stage.stage_id,
            attempt=job.attempt,
            error=ending.error,
            due_at=due,
        )
        changes.archive(failed)
        changes.update_stage(
            failed._replace(
                status=StageStatus.PENDING,
                completed_at=None,
                retry_at=due,
                worker_id=None,
                progress=None,
            )
        )
        return Settled("retrying", retry_at=due)

    def _requeue(self, stage: StageRecord, code: str | None, why: str, *, tries: int) -> None:
        """The attempt is over without an outcome; the stage is due again at once."""
        ended = _failed(stage, f"{code}: {why}" if code else why, code, self.changes.now)
        self.changes.archive(ended)
        self.changes.update_stage(
            stage._replace(
                status=StageStatus.PENDING,
                tries=tries,
                queued_at=self.changes.now,
                started_at=None,
                worker_id=None,
                progress=None,
                progress_message=None,
            )
        )
        self.changes.work.announce()

    # --- stages ---------------------------------------------------------------------------------------------------

    def complete(self, stage: StageRecord, output: str, metrics: str | None, cause: str) -> None:
        """The stage's output stands; the run moves on if it was the last of its group."""
        changes = self.changes
        done = stage._replace(
            status=StageStatus.COMPLETED,
            completed_at=changes.now,
            output=output,
            metrics=metrics if metrics is not None else stage.metrics,
            error=None,
            error_code=None,
            error_fingerprint=None,
            next_poll_at=None,
            poll_token=None,
            retry_at=None,
        )
        changes.complete_stage(done, output)
        duration = _milliseconds(stage.started_at, changes.now)
        changes.event(
            stage.run_id,
            "stage:completed",
            cause,
            stage_id=stage.stage_id,
            stage_name=stage.name,
            duration_ms=duration,
        )
        changes.update_run(stage.run_id, open_stages=changes.run(stage.run_id).open_stages - 1)
        self.move_on(stage.run_id, cause)

    def fail(self, stage: StageRecord, error: str, code: str | None, cause: str) -> None:
        """The stage failed for good; the run fails with the first such error once the group's last stage ended."""
        changes = self.changes
        failed = _failed(stage, error, code, changes.now)
        changes.update_stage(failed)
        self._report_failure(failed, cause)
        run = changes.run(stage.run_id)
        first = {} if run.failed_stage else {"failed_stage": stage.stage_id, **_error_fields(error, code)}
        changes.update_run(run.id, open_stages=run.open_stages - 1, **first)
        self.move_on(run.id, cause)

    def reap(self, job: JobRecord, stage: StageRecord) -> bool:
        """A lease ran out: due again at once, or failed when the tries are used up (True)."""
        changes = self.changes
        assert job.lease_token is not None
        lease = Lease(job.id, job.lease_token, job.attempt)
        free = job._replace(worker_id=None, lease_token=None, leased_until=None, renewed_at=None, reaped=job.reaped + 1)
        who = job.worker_id or "its worker"
        changes.event(
            job.run_id,
            "lease:reaped",
            causation(job),
            stage_id=job.stage_id,
            attempt=job.attempt,
            worker_id=job.worker_id,
        )
        if job.tries >= job.max_attempts:
            error = f"CRASH_LIMIT: {who} went away during try {job.tries} of {job.max_attempts}"
            changes.finish_job(
                lease, free._replace(status=JobStatus.FAILED, last_error=error, completed_at=changes.now)
            )
            self.fail(stage, error, "CRASH_LIMIT", causation(job))
            return True
        changes.finish_job(lease, free._replace(status=JobStatus.PENDING))
        self._requeue(stage, "LEASE_LOST", f"{who} stopped renewing its lease", tries=job.tries)
        return False

    def _report_failure(self, failed: StageRecord, cause: str) -> None:
        self.changes.event(
            failed.run_id,
            "stage:failed",
            cause,
            stage_id=failed.stage_id,
            stage_name=failed.name,
            error=failed.error,
            code=failed.error_code,
        )

    # --- runs -----------------------------------------------------------------------------------------------------

    def move_on(self, run_id: str, cause: str) -> str:
        """Advance, complete or fail the run if its group is done; the name of the move."""
        run = self.changes.run(run_id)
        plan = self.plan(run)
        move = advance(
            groups=len(plan.groups),
            group=run.group_no,
            open_stages=run.open_stages,
            failed=run.failed_stage is not None,
        )
        match move.kind:
            case "next":
                assert move.group is not None
                self.open_group(run_id, plan, move.group)
            case "complete":
                self._complete_run(run, plan, cause)
            case "fail":
                self.fail_run(run_id, run.error or "Stage failed", run.error_code, cause)
            case "wait":
                pass
        return move.kind

    def open_group(self, run_id: str, plan: Plan, group: int) -> None:
        """Create the stages of a group, and their jobs, due at once."""
        changes = self.changes
        run = changes.run(run_id)
        configs = loads(run.config)
        planned = plan.groups[group - 1]
        text = None if group == 1 else group_output(plan, group - 1, changes.outputs(run_id, _members(plan, group - 1)))
        before = changes.last_attempts(run_id) if run.generation else {}
        for one in planned:
            self._open_stage(run, one, before.get(one.stage_id, 0), text, configs.get(one.stage_id))
        changes.update_run(run_id, group_no=group, open_stages=len(planned))
        changes.work.announce()

    def _open_stage(
        self, run: RunRecord, planned: PlannedStage, attempt: int, input_text: str | None, config: object
    ) -> None:
        stage = StageRecord(
            id=new_id(),
            run_id=run.id,
            stage_id=planned.stage_id,
            name=planned.name,
            group_no=planned.group,
            number=planned.number,
            status=StageStatus.PENDING,
            generation=run.generation,
            queued_at=self.changes.now,
            attempt=attempt,
            max_attempts=planned.retry.max_attempts,
            config=dumps(config if config is not None else {}),
        )
        self.changes.create_stage(stage, input_text)
        self.changes.enqueue(job_for(run, stage))

    def _complete_run(self, run: RunRecord, plan: Plan, cause: str) -> None:
        changes = self.changes
        outputs = changes.outputs(run.id, _members(plan, len(plan.groups)))
        last = plan.groups[-1]
        # A blob's pointer stands for a single output; of several, readers put the parts together.
        output = outputs[last[0].stage_id][1] if len(last) == 1 else group_output(plan, len(plan.groups), outputs)
        changes.update_run(run.id, status=RunStatus.COMPLETED, completed_at=changes.now, output=output)
        changes.event(
            run.id,
            "workflow:completed",
            cause,
            duration_ms=_milliseconds(run.started_at, changes.now),
            total_cost=run.total_cost,
            total_tokens=run.total_tokens,
            output=None if output is None or is_pointer(output) else loads(output),
        )
        changes.work.announce()

    def fail_run(self, run_id: str, error: str, code: str | None, cause: str) -> None:
        """The run is over; stages and jobs of it that still wait are cancelled by the caller, if there can be any."""
        self.changes.update_run(
            run_id, status=RunStatus.FAILED, completed_at=self.changes.now, **_error_fields(error, code)
        )
        self.changes.event(run_id, "workflow:failed", cause, error=error, code=code)
        self.changes.work.announce()


def causation(job: JobRecord) -> str:
    """The events of one delivery belong together."""
    return f"{job.id}:{job.attempt}"


def with_progress(stage: StageRecord, delivery: Delivery) -> StageRecord:
    """The claimed row knows nothing of the progress that was written while the body ran."""
    last = delivery.said.last_progress
    return stage if last is None else stage._replace(progress=last.fraction, progress_message=last.message)


def job_for(run: RunRecord, stage: StageRecord) -> JobRecord:
    """A stage's place in the queue: due at once."""
    return JobRecord(
        id=new_id(),
        stage_ref=stage.id,
        run_id=run.id,
        workflow_id=run.workflow_id,
        stage_id=stage.stage_id,
        status=JobStatus.PENDING,
        priority=run.priority,
        created_at=run.created_at,
        attempt=stage.attempt,
        max_attempts=stage.max_attempts,
    )


def group_output(plan: Plan, group: int, outputs: dict[str, tuple[int, str]]) -> str | None:
    """What a group hands on: bare from one stage, else by stage id. None: too long to copy, or partly in blobs."""
    members = _members(plan, group)
    texts = [outputs[stage_id][1] for stage_id in members]
    if len(members) == 1:
        return texts[0] if not is_pointer(texts[0]) else None
    if any(map(is_pointer, texts)) or sum(map(len, texts)) > INLINE_LIMIT:
        return None
    return "{" + ",".join(f"{dumps(stage_id)}:{text}" for stage_id, text in zip(members, texts, strict=True)) + "}"


def _members(plan: Plan, group: int) -> list[str]:
    return [planned.stage_id for planned in plan.groups[group - 1]]


def _failed(stage: StageRecord, error: str, code: str | None, now: datetime) -> StageRecord:
    return stage._replace(
        status=StageStatus.FAILED,
        completed_at=now,
        next_poll_at=None,
        poll_token=None,
        **_error_fields(error, code),
    )


def _error_fields(error: str, code: str | None) -> dict[str, Any]:
    return {"error": error, "error_code": code, "error_fingerprint": fingerprint(code, error)}


def _milliseconds(since: datetime | None, until: datetime) -> int | None:
    return None if since is None else round((until - since).total_seconds() * 1000)
