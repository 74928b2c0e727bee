"""Claims: pending runs begin, due jobs are leased, and what an outcome made ready may stay on the worker at hand."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

from engine.kernel.changes import Outputs
from engine.kernel.course import Course, causation
from engine.kernel.rules.hand_off import MAX_IN_A_ROW, Shares, share
from engine.model.ids import new_token
from engine.model.records import Claimed, JobRecord, RunRecord, StageRecord, workflow_of
from engine.model.status import JobStatus, RunStatus, StageStatus
from engine.ports.work import UnitOfWork


@dataclass(frozen=True, slots=True)
class Taker:
    """Who claims: what it can carry out, and how long its leases last."""

    worker_id: str
    bodies: tuple[str, ...]
    """`workflow_id/stage_id` of every registered stage."""
    workflow_ids: tuple[str, ...]
    lease: timedelta
    only_run: str | None = None
    """Take nothing but this run's jobs."""

    def without(self, paused: frozenset[str]) -> Taker:
        """Nothing of these workflows."""
        if not paused:
            return self
        return replace(
            self,
            bodies=tuple(body for body in self.bodies if workflow_of(body) not in paused),
            workflow_ids=tuple(one for one in self.workflow_ids if one not in paused),
        )


def begin_run(course: Course, run: RunRecord, worker_id: str) -> None:
    """PENDING to RUNNING, with the first group's stages and jobs; a run that can't begin fails, by itself."""
    changes = course.changes
    changes.adopt([run])
    cause = f"{run.id}:{run.generation}"
    changes.update_run(run.id, status=RunStatus.RUNNING, started_at=changes.now, worker_id=worker_id, delayed=False)
    try:
        plan = course.plan(run)
    except Exception as error:
        # Whatever is wrong with one run's plan, the others of this claim begin.
        course.fail_run(run.id, f"CLAIM_FAILED: its definition can't be read: {error}", "CLAIM_FAILED", cause)
        return
    changes.event(run.id, "workflow:started", cause)
    course.open_group(run.id, plan, 1)


class Claiming:
    """Fills free slots, within the transaction that settles what just ended."""

    def __init__(self, course: Course, taker: Taker) -> None:
        self._course = course
        self._changes = course.changes
        self._work: UnitOfWork = course.changes.work
        self._taker = taker.without(self._work.pauses.paused())
        self._token = new_token()
        self._until = self._changes.now + taker.lease
        self._leased: list[tuple[JobRecord, StageRecord, str | None]] = []
        self._slots = 0
        self._reserve = 0
        """How many of the slots go to jobs that wait in the queue."""
        self._among: tuple[str, ...] = ()
        """Where not everybody's jobs may be taken: those that may."""

    def fill(self, free: int) -> None:
        """Lease up to `free` jobs; `claimed()` gives them once everything is written."""
        if free <= 0:
            return
        if self._taker.only_run is not None:
            self._fill_from_run(free, self._taker.only_run)
            return
        candidates = self._candidates()
        waiting = [job.priority for job in self._changes.new_jobs if job.id not in {one.id for one in candidates}]
        due, pending = self._waiting(free)
        shares = share(free, [job.priority for job in candidates], sorted([*due, *waiting], reverse=True), pending)
        for job in candidates[: shares.handed_off]:
            self._hand_off(job)
        self._begin_runs(shares)
        self._reserve = shares.due
        self._slots = free

    def _fill_from_run(self, free: int, run_id: str) -> None:
        changes = self._changes
        changes.lock({run_id})
        if changes.has_run(run_id) and changes.run(run_id).status is RunStatus.PENDING:
            run = changes.run(run_id)
            if run.workflow_id not in self._taker.workflow_ids:
                return
            if run.start_at is None or run.start_at <= changes.now:
                begin_run(self._course, run, self._taker.worker_id)
        self._work.jobs.promote_due()
        due = [job.id for job in self._work.jobs.of_run(run_id) if job.status is JobStatus.PENDING]
        known = set(self._taker.bodies)
        for job in [job for job in changes.new_jobs if job.body in known][:free]:
            self._hand_off(job)
        self._slots = free
        self._reserve = len(due)
        self._among = tuple(due)

    def _waiting(self, free: int) -> tuple[list[int], list[int]]:
        self._work.jobs.promote_due()
        self._work.runs.promote_delayed()
        return (
            self._work.jobs.due_priorities(self._taker.bodies, free),
            self._work.runs.pending_priorities(self._taker.workflow_ids, free),
        )

    def _candidates(self) -> list[JobRecord]:
        """What this transaction made ready and this worker could go on with, highest priority first."""
        known = set(self._taker.bodies)
        fit = [
            job
            for job in self._changes.new_jobs
            if job.body in known and self._changes.run(job.run_id).hand_offs < MAX_IN_A_ROW
        ]
        return sorted(fit, key=lambda job: (-job.priority, job.created_at))

    def _begin_runs(self, shares: Shares) -> None:
        if not shares.pending:
            return
        had = {job.id for job in self._changes.new_jobs}
        for run in self._work.runs.claim_pending(self._taker.workflow_ids, shares.pending):
            begin_run(self._course, run, self._taker.worker_id)
        first = [job for job in self._changes.new_jobs if job.id not in had]
        known = set(self._taker.bodies)
        for job in [job for job in first if job.body in known][: shares.pending]:
            self._hand_off(job)

    def _hand_off(self, job: JobRecord) -> None:
        stage, input_text = self._changes.new_stage(job.stage_ref)
        leased = job._replace(
            status=JobStatus.RUNNING,
            attempt=job.attempt + 1,
            tries=job.tries + 1,
            worker_id=self._taker.worker_id,
            lease_token=self._token,
            leased_until=self._until,
            renewed_at=self._changes.now,
        )
        self._changes.enqueue(leased)
        hand_offs = self._changes.run(job.run_id).hand_offs
        self._changes.update_run(job.run_id, hand_offs=hand_offs + 1)
        self._start(leased, stage, input_text)

    def _start(self, job: JobRecord, stage: StageRecord, input_text: str | None) -> None:
        started = stage._replace(
            status=StageStatus.RUNNING,
            attempt=job.attempt,
            tries=job.tries,
            started_at=self._changes.now,
            completed_at=None,
            retry_at=None,
            progress=None,
            progress_message=None,
            worker_id=self._taker.worker_id,
        )
        self._changes.update_stage(started)
        self._changes.event(
            job.run_id,
            "stage:started",
            causation(job),
            stage_id=stage.stage_id,
            stage_name=stage.name,
            stage_number=stage.number,
            attempt=job.attempt,
        )
        self._leased.append((job, started, input_text))

    def claim_only(self, job_id: str) -> None:
        """Lease this one job, if it is due."""
        self._slots = self._reserve = 1
        self._among = (job_id,)
        self.claim_due()

    def claim_due(self) -> None:
        """Lease what waits in the queue, as many as `fill` left slots for."""
        free = self._slots - len(self._leased)
        if free <= 0 or not self._reserve:
            return
        taker = self._taker
        jobs = self._work.jobs.claim(taker.bodies, taker.worker_id, self._token, self._until, free, self._among)
        if not jobs:
            return
        self._changes.lock({job.run_id for job in jobs})
        stages = self._work.stages.get([job.stage_ref for job in jobs])
        inputs = self._work.stages.inputs([job.stage_ref for job in jobs])
        for job in jobs:
            if self._changes.run(job.run_id).status is RunStatus.RUNNING and job.stage_ref in stages:
                self._changes.update_run(job.run_id, hand_offs=0)
                self._start(job, stages[job.stage_ref], inputs[job.stage_ref])

    def claimed(self) -> list[Claimed]:
        """What was leased, with all its bodies need; read after the writes."""
        if not self._leased:
            return []
        outputs = self._outputs()
        first = [job.run_id for job, stage, _ in self._leased if stage.group_no == 1]
        run_inputs = self._work.runs.inputs(first) if first else {}
        return [
            Claimed(
                job=job,
                stage=stage,
                definition=self._changes.run(job.run_id).definition,
                input=run_inputs[job.run_id] if stage.group_no == 1 else input_text,
                outputs={stage_id: text for stage_id, (_, text) in outputs[job.run_id].items()},
                groups={stage_id: group for stage_id, (group, _) in outputs[job.run_id].items()},
            )
            for job, stage, input_text in self._leased
        ]

    def _outputs(self) -> dict[str, Outputs]:
        """Of the runs at hand; read only where a delivery did not bring them along. A first group has none."""
        outputs: dict[str, Outputs] = {}
        unknown = []
        for job, stage, _ in self._leased:
            known = {} if stage.group_no == 1 else self._changes.outputs_known(job.run_id)
            outputs[job.run_id] = known or {}
            if known is None:
                unknown.append(job.run_id)
        for run_id, stage_id, group, text in self._work.stages.outputs(unknown) if unknown else []:
            outputs[run_id][stage_id] = (group, text)
        return outputs
