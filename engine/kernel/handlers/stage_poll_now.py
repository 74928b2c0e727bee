"""`stage.pollNow`: what waits is due at once: polls, and retries in their backoff."""

from __future__ import annotations

from engine.commands import PollNow, PollNowResult
from engine.errors import IllegalTransition
from engine.kernel.audit import note
from engine.kernel.scene import Scene
from engine.model.records import JobRecord, StageRecord
from engine.model.status import TERMINAL_RUN, JobStatus, StageStatus


def handle(command: PollNow, scene: Scene) -> PollNowResult:
    """A poll under way is left to its poller, and so is the start of a run that was put off."""
    run = scene.locked_run(command.run_id)
    if run.status in TERMINAL_RUN:
        raise IllegalTransition(run.id, run.status, "poll it now")
    if command.stage_id is not None:
        scene.course.plan(run).stage(command.stage_id)
    jobs = {job.stage_ref: job for job in scene.work.jobs.of_run(run.id)}
    hurried = [
        stage.stage_id
        for stage in scene.work.stages.of_run(run.id)
        if command.stage_id in (None, stage.stage_id) and _hurry(scene, stage, jobs.get(stage.id))
    ]
    if hurried:
        scene.work.announce()
        note(scene, command, target=run.id, run_id=run.id, after={"stages": hurried})
    return PollNowResult(stages=hurried)


def _hurry(scene: Scene, stage: StageRecord, job: JobRecord | None) -> bool:
    now, changes = scene.work.now, scene.changes
    if stage.status is StageStatus.SUSPENDED:
        if stage.poll_token is not None or (stage.next_poll_at is not None and stage.next_poll_at <= now):
            return False
        changes.update_stage(stage._replace(next_poll_at=now))
        return True
    if job is not None and job.status is JobStatus.SCHEDULED and (job.due_at is None or job.due_at > now):
        changes.update_job(job._replace(status=JobStatus.PENDING, due_at=None))
        changes.update_stage(stage._replace(retry_at=None))
        return True
    return False
