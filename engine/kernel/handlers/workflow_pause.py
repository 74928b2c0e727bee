"""`workflow.pause`: claim and poll nothing new of a workflow."""

from __future__ import annotations

from engine.commands import PauseWorkflow, PauseWorkflowResult
from engine.errors import WorkflowNotFound
from engine.kernel.audit import note
from engine.kernel.scene import Scene
from engine.model.records import PauseRecord
from engine.model.redaction import fit_to_write


def handle(command: PauseWorkflow, scene: Scene) -> PauseWorkflowResult:
    """Paused again, it keeps the time of the first and takes the reason of the last."""
    work, workflow_id = scene.work, command.workflow_id
    if scene.registry.get(workflow_id) is None and not work.definitions.known(workflow_id):
        raise WorkflowNotFound(workflow_id, scene.registry.ids())
    there = work.pauses.get(workflow_id)
    reason = None if command.reason is None else fit_to_write(command.reason)
    work.pauses.put(PauseRecord(workflow_id, work.now, fit_to_write(scene.actor), reason))
    note(scene, command, target=workflow_id, before={"paused": there is not None}, after={"paused": True})
    work.announce()
    return PauseWorkflowResult(paused=True)
