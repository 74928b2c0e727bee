"""`run.rerunFrom`: go again from a stage's group on, with what came before it."""

from __future__ import annotations

from engine.commands import RerunFrom, RerunFromResult, StageConfigs
from engine.definition.plan import Plan
from engine.errors import IllegalTransition, InvalidConfig, Problem, WorkflowNotFound
from engine.kernel.audit import note
from engine.kernel.reviving import revive
from engine.kernel.rules.rerun import earlier_groups_done, to_delete
from engine.kernel.scene import Scene
from engine.kernel.winding_up import cancel_jobs
from engine.model.json import dumps, loads
from engine.model.records import RunRecord
from engine.model.status import RUN_REVIVALS, RunStatus


def handle(command: RerunFrom, scene: Scene) -> RerunFromResult:
    run = scene.locked_run(command.run_id)
    plan = scene.course.plan(run)
    target = plan.stage(command.from_stage_id)
    if run.status not in RUN_REVIVALS:
        raise IllegalTransition(run.id, run.status, "rerun it")
    stages = scene.work.stages.of_run(run.id)
    if not earlier_groups_done(stages, target.group):
        raise IllegalTransition(run.id, run.status, f"rerun from {target.stage_id!r}: an earlier stage has no output")
    config = _merged_config(scene, run, plan, target.group, command.config)
    changes = scene.changes
    gone = to_delete(stages, target.group)
    for stage in gone:
        changes.archive(stage)
    changes.delete_stages([stage.id for stage in gone])
    cancel_jobs(changes, run.id)
    revive(scene, run, generation=run.generation + 1, config=dumps(config), reuse_ai=command.reuse_ai)
    deleted = [stage.stage_id for stage in gone]
    changes.event(run.id, "run:rerun", scene.causation, from_stage_id=target.stage_id, deleted_stages=deleted)
    changes.event(run.id, "workflow:started", scene.causation)
    scene.course.open_group(run.id, plan, target.group)
    note(
        scene,
        command,
        target=f"{run.id}/{target.stage_id}",
        run_id=run.id,
        before={"status": run.status, "config": {stage: loads(run.config).get(stage) for stage in command.config}},
        after={"status": RunStatus.RUNNING, "config": command.config, "deleted_stages": deleted},
    )
    return RerunFromResult(run_id=run.id, from_stage_id=target.stage_id, deleted_stages=deleted)


def _merged_config(scene: Scene, run: RunRecord, plan: Plan, group: int, changed: StageConfigs) -> StageConfigs:
    """The run's config with the changed fields, validated whole by the registered workflow."""
    current: StageConfigs = loads(run.config)
    if not changed:
        return current
    problems = [
        Problem(stage_id, "is not run again: its config can't change")
        for stage_id in changed
        if stage_id in plan.stage_ids and plan.stage(stage_id).group < group
    ]
    if problems:
        raise InvalidConfig(problems)
    workflow = scene.registry.get(run.workflow_id)
    if workflow is None:
        raise WorkflowNotFound(run.workflow_id, scene.registry.ids())
    merged = {**current}
    for stage_id, fields in changed.items():
        merged[stage_id] = {**current.get(stage_id, {}), **fields}
    return workflow.validate_config(merged)
