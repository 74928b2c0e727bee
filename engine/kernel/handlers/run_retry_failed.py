"""`run.retryFailed`: queue the stages that failed again; what completed beside them is kept.

It is no new generation: an outside effect keyed by `ctx.idempotency_key` is still the same one.
"""

from __future__ import annotations

from engine.commands import RetryFailed, RetryFailedResult
from engine.errors import IllegalTransition
from engine.kernel.audit import note
from engine.kernel.course import job_for
from engine.kernel.reviving import revive
from engine.kernel.rules.rerun import to_retry
from engine.kernel.scene import Scene
from engine.kernel.winding_up import cancel_jobs
from engine.model.status import RunStatus, StageStatus


def handle(command: RetryFailed, scene: Scene) -> RetryFailedResult:
    run = scene.locked_run(command.run_id)
    if run.status is not RunStatus.FAILED:
        raise IllegalTransition(run.id, run.status, "retry its failed stages")
    failed = to_retry(scene.work.stages.of_run(run.id), run.group_no)
    if not failed:
        raise IllegalTransition(run.id, run.status, "retry it: none of its stages failed")
    changes = scene.changes
    cancel_jobs(changes, run.id)
    revive(scene, run, open_stages=len(failed))
    revived = changes.run(run.id)
    changes.event(run.id, "workflow:started", scene.causation)
    for stage in failed:
        changes.archive(stage)
        again = stage._replace(
            status=StageStatus.PENDING,
            queued_at=changes.now,
            tries=0,
            started_at=None,
            completed_at=None,
            progress=None,
            progress_message=None,
            suspended_state=None,
            worker_id=None,
        )
        changes.update_stage(again)
        changes.enqueue(job_for(revived, again))
        changes.event(
            run.id,
            "stage:retrying",
            scene.causation,
            stage_id=stage.stage_id,
            attempt=stage.attempt,
            error=stage.error or "",
            due_at=changes.now,
        )
    scene.work.announce()
    retried = [stage.stage_id for stage in failed]
    note(
        scene,
        command,
        target=run.id,
        run_id=run.id,
        before={"status": run.status, "error_code": run.error_code},
        after={"status": RunStatus.RUNNING, "retried_stages": retried},
    )
    return RetryFailedResult(run_id=run.id, retried_stages=retried)
