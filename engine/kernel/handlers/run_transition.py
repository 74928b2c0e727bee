"""`run.transition`: move a run on by what its rows say. Outcomes move it in their own transaction; this is for
recovery."""

from __future__ import annotations

from engine.commands import TransitionRun, TransitionRunResult
from engine.kernel.scene import Scene
from engine.model.records import StageRecord
from engine.model.status import ACTIVE_STAGE, RunStatus, StageStatus


def handle(command: TransitionRun, scene: Scene) -> TransitionRunResult:
    changes = scene.changes
    changes.lock({command.run_id})
    if not changes.has_run(command.run_id) or changes.run(command.run_id).status is not RunStatus.RUNNING:
        return TransitionRunResult(action="noop")
    run = changes.run(command.run_id)
    if run.group_no == 0:
        scene.course.open_group(run.id, scene.course.plan(run), 1)
        return TransitionRunResult(action="advanced", next_group=1)
    stages = scene.work.stages.of_run(run.id)
    open_stages = sum(stage.status in ACTIVE_STAGE for stage in stages)
    found: dict[str, object] = {"open_stages": open_stages, **({} if run.failed_stage else _first_failure(stages))}
    if any(getattr(run, name) != value for name, value in found.items()):
        changes.update_run(run.id, **found)
    match scene.course.move_on(run.id, scene.causation):
        case "next":
            return TransitionRunResult(action="advanced", next_group=changes.run(run.id).group_no)
        case "complete":
            return TransitionRunResult(action="completed")
        case "fail":
            return TransitionRunResult(action="failed")
    return TransitionRunResult(action="noop")


def _first_failure(stages: list[StageRecord]) -> dict[str, str | None]:
    failed = next((stage for stage in stages if stage.status is StageStatus.FAILED), None)
    if failed is None:
        return {}
    return {
        "failed_stage": failed.stage_id,
        "error": failed.error,
        "error_code": failed.error_code,
        "error_fingerprint": failed.error_fingerprint,
    }
