"""What the end of a delivery does to its job, its stage and its run."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime

from engine.kernel.changes import Changes
from engine.kernel.course import Course, causation, failed_stage
from engine.kernel.ending import Completed, Crashed, Delivery, Failed, GivenBack, Held, Suspended, Verdict
from engine.kernel.rules.retry import LONGEST, after_failure
from engine.model.records import JobRecord, Lease, StageRecord
from engine.model.status import JobStatus, RunStatus, StageStatus


@dataclass(frozen=True, slots=True)
class Settled:
    verdict: Verdict
    next_poll_at: datetime | None = None
    retry_at: datetime | None = None


class Settling:
    """Writes the ends of deliveries into the `Changes` of a course."""

    def __init__(self, course: Course) -> None:
        self.course = course
        self.changes: Changes = course.changes

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
                if len(self.course.plan(changes.run(job.run_id)).groups[stage.group_no - 1]) == 1:
                    given = {one: (claimed.groups[one], text) for one, text in claimed.outputs.items()}
                    changes.know_outputs(job.run_id, given)
                self.course.complete(stage, ending.output, ending.metrics, causation(job))
                return Settled("completed")
            case Suspended():
                return self._suspend(stage, delivery, ending, free)
            case Failed():
                return self._fail_or_retry(stage, delivery, ending, free)
            case Crashed():
                return self._crash(stage, delivery, ending, free)
            case Held():
                return self._hold(stage, delivery, ending, free)
            case GivenBack():
                # Its calls may end after this worker has.
                changes.work.ai_calls.interrupt_attempts([(job.run_id, job.stage_id, job.attempt)])
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
        policy = self.course.plan(changes.run(job.run_id)).stage(job.stage_id).retry
        again = after_failure(policy, tries=job.tries, retryable=ending.retryable, draw=random.random, wait=ending.wait)
        if again is None:
            changes.finish_job(
                claimed.lease,
                free._replace(status=JobStatus.FAILED, last_error=ending.error, completed_at=changes.now),
            )
            self.course.fail(stage, ending.error, ending.code, causation(job))
            return Settled("failed")
        due = changes.now + again.delay
        waiting = free._replace(status=JobStatus.SCHEDULED, due_at=due, last_error=ending.error)
        changes.finish_job(claimed.lease, waiting)
        self.course.report_failure(failed_stage(stage, ending.error, ending.code, changes.now), causation(job))
        self._wait_for_retry(stage, ending, waiting, due)
        return Settled("retrying", retry_at=due)

    def _hold(self, stage: StageRecord, delivery: Delivery, ending: Held, free: JobRecord) -> Settled:
        due = ending.until or self.changes.now + LONGEST
        held = free._replace(status=JobStatus.SCHEDULED, due_at=due, tries=free.tries - 1, last_error=ending.error)
        self.changes.finish_job(delivery.claimed.lease, held)
        self._wait_for_retry(stage, ending, held, ending.until)
        return Settled("retrying", retry_at=ending.until)

    def _wait_for_retry(
        self, stage: StageRecord, ending: Failed | Held, waiting: JobRecord, retry_at: datetime | None
    ) -> None:
        """The attempt is over; the stage is due again when its job is."""
        changes = self.changes
        failed = failed_stage(stage, ending.error, ending.code, changes.now)
        changes.event(
            stage.run_id,
            "stage:retrying",
            causation(waiting),
            stage_id=stage.stage_id,
            attempt=waiting.attempt,
            error=ending.error,
            due_at=waiting.due_at,
        )
        changes.archive(failed)
        changes.update_stage(
            failed._replace(
                status=StageStatus.PENDING,
                tries=waiting.tries,
                completed_at=None,
                retry_at=retry_at,
                worker_id=None,
                progress=None,
            )
        )

    def _crash(self, stage: StageRecord, delivery: Delivery, ending: Crashed, free: JobRecord) -> Settled:
        changes, job = self.changes, delivery.claimed.job
        how = f"its process was {ending.how}" if ending.how.startswith("killed") else f"its process {ending.how}"
        if job.tries >= job.max_attempts:
            error = f"CRASH_LIMIT: {how} during try {job.tries} of {job.max_attempts}"
            ended = free._replace(status=JobStatus.FAILED, last_error=error, completed_at=changes.now)
            changes.finish_job(delivery.claimed.lease, ended)
            self.course.fail(stage, error, "CRASH_LIMIT", causation(job))
            return Settled("failed")
        changes.finish_job(delivery.claimed.lease, free._replace(status=JobStatus.PENDING, reaped=job.reaped + 1))
        self._requeue(stage, "CRASHED", how, tries=job.tries)
        return Settled("retrying", retry_at=changes.now)

    def _requeue(self, stage: StageRecord, code: str | None, why: str, *, tries: int) -> None:
        """The attempt is over without an outcome; the stage is due again at once."""
        ended = failed_stage(stage, f"{code}: {why}" if code else why, code, self.changes.now)
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

    def reap(self, job: JobRecord, stage: StageRecord) -> bool:
        """A lease ran out: due again at once, or failed when the tries are used up (True)."""
        changes = self.changes
        assert job.lease_token is not None
        lease = Lease(job.id, job.lease_token, job.attempt)
        free = job._replace(worker_id=None, lease_token=None, leased_until=None, renewed_at=None, reaped=job.reaped + 1)
        who = job.worker_id or "its worker"
        changes.work.ai_calls.interrupt_attempts([(job.run_id, job.stage_id, job.attempt)])
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
            self.course.fail(stage, error, "CRASH_LIMIT", causation(job))
            return True
        changes.finish_job(lease, free._replace(status=JobStatus.PENDING))
        self._requeue(stage, "LEASE_LOST", f"{who} stopped renewing its lease", tries=job.tries)
        return False


def with_progress(stage: StageRecord, delivery: Delivery) -> StageRecord:
    """The claimed row knows nothing of the progress that was written while the body ran."""
    last = delivery.said.last_progress
    return stage if last is None else stage._replace(progress=last.fraction, progress_message=last.message)
