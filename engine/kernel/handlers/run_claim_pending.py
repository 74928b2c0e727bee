"""`run.claimPending`: start pending runs, with the jobs of their first group."""

from __future__ import annotations

from engine.commands import ClaimedRun, ClaimPendingRuns, ClaimPendingRunsResult
from engine.kernel.claiming import begin_run
from engine.kernel.scene import Scene
from engine.model.status import RunStatus


def handle(command: ClaimPendingRuns, scene: Scene) -> ClaimPendingRunsResult:
    scene.work.runs.promote_delayed()
    ids = [one for one in scene.registry.ids() if one not in scene.work.pauses.paused()]
    pending = scene.work.runs.claim_pending(ids, command.max_claims)
    for run in pending:
        begin_run(scene.course, run, command.worker_id)
    jobs: dict[str, list[str]] = {run.id: [] for run in pending}
    for job in scene.changes.new_jobs:
        jobs[job.run_id].append(job.id)
    return ClaimPendingRunsResult(
        claimed=[
            ClaimedRun(run_id=run.id, workflow_id=run.workflow_id, job_ids=jobs[run.id])
            for run in pending
            if scene.changes.run(run.id).status is RunStatus.RUNNING
        ]
    )
