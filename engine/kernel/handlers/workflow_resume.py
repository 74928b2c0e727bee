"""`workflow.resume`: end a pause."""

from __future__ import annotations

from engine.commands import PauseWorkflowResult, ResumeWorkflow
from engine.kernel.audit import note
from engine.kernel.scene import Scene


def handle(command: ResumeWorkflow, scene: Scene) -> PauseWorkflowResult:
    """One that isn't paused stays as it is."""
    if scene.work.pauses.remove(command.workflow_id):
        note(scene, command, target=command.workflow_id, before={"paused": True}, after={"paused": False})
        scene.work.announce()
    return PauseWorkflowResult(paused=False)
