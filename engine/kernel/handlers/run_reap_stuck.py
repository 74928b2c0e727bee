"""`run.reapStuck`: runs nobody works on and nothing waits for are moved on, or else they fail."""

from __future__ import annotations

from engine.commands import ReapStuckRuns, ReapStuckRunsResult
from engine.kernel.course import job_for
from engine.kernel.scene import Scene
from engine.kernel.winding_up import wind_up
from engine.model.status import ACTIVE_STAGE, RunStatus, StageStatus

BATCH = 100


def handle(command: ReapStuckRuns, scene: Scene) -> ReapStuckRunsResult:
    changes = scene.changes
    idle_since = scene.work.now - command.stuck_threshold
    stuck = scene.work.runs.stuck(idle_since, BATCH)
    changes.lock(set(stuck))
    moved = failed = 0
    for run_id in stuck:
        if not changes.has_run(run_id) or changes.run(run_id).status is not RunStatus.RUNNING:
            continue
        if changes.run(run_id).updated_at > idle_since:
            continue
        if _moves(scene, run_id):
            moved += 1
            continue
        stages = ", ".join(f"{stage.stage_id} {stage.status}" for stage in scene.work.stages.of_run(run_id))
        error = f"STUCK_RUN: nothing works on it and nothing is waited for ({stages or 'no stages'})"
        wind_up(changes, run_id, scene.causation)
        scene.course.fail_run(run_id, error, "STUCK_RUN", scene.causation)
        failed += 1
    return ReapStuckRunsResult(transitioned=moved, failed=failed)


def _moves(scene: Scene, run_id: str) -> bool:
    """A transition by what the rows say, if it gets the run anywhere."""
    changes, run = scene.changes, scene.changes.run(run_id)
    if run.group_no == 0:
        scene.course.open_group(run_id, scene.course.plan(run), 1)
        return True
    active = [stage for stage in scene.work.stages.of_run(run_id) if stage.status in ACTIVE_STAGE]
    if any(stage.status is not StageStatus.PENDING for stage in active):
        return False
    for stage in active:
        changes.enqueue(job_for(run, stage))
    if active:
        scene.work.announce()
    changes.update_run(run_id, open_stages=len(active))
    return bool(active) or scene.course.move_on(run_id, scene.causation) != "wait"
