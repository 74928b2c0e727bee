"""`run.cancel`: stop a run, its stages and its jobs. The first terminal state wins."""

from __future__ import annotations

from engine.commands import CancelRun, CancelRunResult
from engine.kernel.audit import note
from engine.kernel.scene import Scene
from engine.kernel.winding_up import wind_up
from engine.model.status import TERMINAL_RUN, RunStatus


def handle(command: CancelRun, scene: Scene) -> CancelRunResult:
    changes = scene.changes
    changes.lock({command.run_id})
    if not changes.has_run(command.run_id) or changes.run(command.run_id).status in TERMINAL_RUN:
        return CancelRunResult(cancelled=False)
    before = changes.run(command.run_id).status
    wind_up(changes, command.run_id, scene.causation)
    changes.update_run(
        command.run_id, status=RunStatus.CANCELLED, completed_at=changes.now, open_stages=0, delayed=False
    )
    changes.event(command.run_id, "workflow:cancelled", scene.causation, reason=command.reason)
    note(
        scene,
        command,
        target=command.run_id,
        run_id=command.run_id,
        before={"status": before},
        after={"status": RunStatus.CANCELLED},
    )
    scene.work.announce()
    return CancelRunResult(cancelled=True)
