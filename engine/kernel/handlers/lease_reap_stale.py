"""`lease.reapStale`: give back what dead workers hold."""

from __future__ import annotations

from datetime import timedelta

from engine.commands import ReapStaleLeases, ReapStaleLeasesResult
from engine.kernel.scene import Scene
from engine.kernel.settling import Settling
from engine.model.status import RunStatus

BATCH = 200
LONGEST_CALL = timedelta(hours=6)
"""An AI call of no run that is open for longer has nobody any more."""


def handle(command: ReapStaleLeases, scene: Scene) -> ReapStaleLeasesResult:
    work = scene.work
    expired = work.jobs.expired(work.now - command.stale_threshold, BATCH)
    scene.changes.lock({job.run_id for job in expired})
    stages = work.stages.get([job.stage_ref for job in expired])
    settling = Settling(scene.course)
    released = failed = 0
    for job in expired:
        run_ok = scene.changes.has_run(job.run_id) and scene.changes.run(job.run_id).status is RunStatus.RUNNING
        if not run_ok or job.stage_ref not in stages:
            continue
        if settling.reap(job, stages[job.stage_ref]):
            failed += 1
        else:
            released += 1
    work.ai_calls.interrupt_orphans(work.now - LONGEST_CALL)
    return ReapStaleLeasesResult(released=released, failed=failed)
