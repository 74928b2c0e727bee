"""`run.setBudget`: what a run or one of its stages may spend; what waits for money goes on."""

from __future__ import annotations

from decimal import Decimal

from engine.commands import SetBudget, SetBudgetResult
from engine.kernel.audit import note
from engine.kernel.scene import Scene
from engine.model.budgets import BUDGET_CODE, plain
from engine.model.status import JobStatus, StageStatus


def handle(command: SetBudget, scene: Scene) -> SetBudgetResult:
    """A stage that still has no money is held again by its next call."""
    run = scene.locked_run(command.run_id)
    scope = "" if command.stage_id is None else scene.course.plan(run).stage(command.stage_id).stage_id
    calls = scene.work.ai_calls
    before = calls.limits([run.id])
    calls.allow(run.id, scope, command.max_cost)
    released = _release(scene, run.id)
    former = before.get((run.id, scope))
    note(
        scene,
        command,
        target=f"{run.id}/{scope}" if scope else run.id,
        run_id=run.id,
        before={"max_cost": None if former is None else str(plain(former))},
        after={"max_cost": None if command.max_cost is None else str(plain(command.max_cost)), "released": released},
    )
    if released:
        scene.work.announce()
    spent = calls.spent_by_stage(run.id, scope) if scope else run.total_cost or Decimal(0)
    return SetBudgetResult(max_cost=command.max_cost, spent=spent, released=released)


def _release(scene: Scene, run_id: str) -> list[str]:
    jobs = {job.stage_ref: job for job in scene.work.jobs.of_run(run_id)}
    released = []
    for stage in scene.work.stages.of_run(run_id):
        job = jobs.get(stage.id)
        held = stage.status is StageStatus.PENDING and stage.error_code == BUDGET_CODE
        if held and job is not None and job.status is JobStatus.SCHEDULED:
            scene.changes.update_job(job._replace(status=JobStatus.PENDING, due_at=None))
            scene.changes.update_stage(stage._replace(retry_at=None))
            released.append(stage.stage_id)
    return released
