"""Ending what is still open in a run that is over."""

from __future__ import annotations

from engine.kernel.changes import Changes
from engine.model.status import ACTIVE_STAGE, JobStatus, StageStatus


def wind_up(changes: Changes, run_id: str, cause: str) -> None:
    """Cancel the run's open stages and jobs, running ones too: their workers find the lease gone."""
    for stage in changes.work.stages.of_run(run_id):
        if stage.status in ACTIVE_STAGE:
            changes.update_stage(
                stage._replace(
                    status=StageStatus.CANCELLED,
                    completed_at=changes.now,
                    next_poll_at=None,
                    poll_token=None,
                    retry_at=None,
                )
            )
            changes.event(run_id, "stage:cancelled", cause, stage_id=stage.stage_id)
    cancel_jobs(changes, run_id)
    changes.work.ai_calls.interrupt_runs([run_id])


def cancel_jobs(changes: Changes, run_id: str) -> None:
    """Take the run's jobs out of the queue and away from who holds them."""
    for job in changes.work.jobs.of_run(run_id):
        changes.update_job(
            job._replace(
                status=JobStatus.CANCELLED,
                worker_id=None,
                lease_token=None,
                leased_until=None,
                completed_at=changes.now,
            )
        )
