"""`stage.fail`: give up a stage that waits."""

from __future__ import annotations

from engine.commands import FailStage, FailStageResult
from engine.errors import IllegalTransition, StageNotFound
from engine.kernel.audit import note
from engine.kernel.scene import Scene
from engine.model.redaction import fit_to_write
from engine.model.status import JobStatus, RunStatus, StageStatus

CODE = "GIVEN_UP"


def handle(command: FailStage, scene: Scene) -> FailStageResult:
    """One that executes can't be given up: cancel its run. One that failed already stays as it is."""
    run = scene.locked_run(command.run_id)
    planned = scene.course.plan(run).stage(command.stage_id)
    stages = scene.work.stages.of_run(run.id)
    stage = next((one for one in stages if one.stage_id == planned.stage_id), None)
    if stage is not None and stage.status is StageStatus.FAILED:
        return FailStageResult(failed=False)
    wanted = f"give up its stage {planned.stage_id!r}"
    if run.status is not RunStatus.RUNNING:
        raise IllegalTransition(run.id, run.status, wanted)
    if stage is None:
        raise StageNotFound(planned.stage_id, [one.stage_id for one in stages])
    if stage.status not in (StageStatus.SUSPENDED, StageStatus.PENDING):
        raise IllegalTransition(run.id, run.status, f"{wanted}, which is {stage.status}")
    error = f"{CODE}: {fit_to_write(command.reason)}"
    for job in scene.work.jobs.of_run(run.id):
        if job.stage_ref == stage.id:
            failed = job._replace(status=JobStatus.FAILED, last_error=error, completed_at=scene.work.now, due_at=None)
            scene.changes.update_job(failed)
    scene.course.fail(stage._replace(retry_at=None), error, CODE, scene.causation)
    note(
        scene,
        command,
        target=f"{run.id}/{stage.stage_id}",
        run_id=run.id,
        before={"status": stage.status},
        after={"status": StageStatus.FAILED},
    )
    scene.work.announce()
    return FailStageResult(failed=True)
