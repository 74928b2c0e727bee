"""The job queue. It lives inside the unit of work, so that a stage and its job can never disagree."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from engine.model.records import JobRecord, Lease


class JobTransport(Protocol):
    """Every method acts inside the open transaction."""

    def enqueue(self, jobs: Sequence[JobRecord]) -> None:
        """Add jobs, in whatever state they are given (due, scheduled, or already leased)."""

    def promote_due(self) -> int:
        """SCHEDULED jobs whose time has come become PENDING; how many."""

    def due_priorities(self, bodies: Sequence[str], limit: int) -> list[int]:
        """Priorities of the next `limit` due jobs of these bodies, highest first."""

    def claim(
        self,
        bodies: Sequence[str],
        worker_id: str,
        token: str,
        until: datetime,
        limit: int,
        job_ids: Sequence[str] = (),
    ) -> list[JobRecord]:
        """Lease up to `limit` due jobs: highest priority first, then oldest. Each job goes to one claimer only.

        Sets RUNNING, `attempt + 1`, `tries + 1`, worker, token and end of lease. With `job_ids`, only of these.
        """

    def finish(self, jobs: Sequence[tuple[Lease, JobRecord]]) -> int:
        """Write what became of leased jobs, each only if still RUNNING under its lease; how many were."""

    def held(self, leases: Sequence[Lease]) -> set[str]:
        """Ids of those jobs that are still RUNNING under the given lease; they stay so until the transaction ends."""

    def renew(self, leases: Sequence[Lease], until: datetime) -> set[str]:
        """Lengthen leases; the ids of the jobs that are still held."""

    def of_run(self, run_id: str) -> list[JobRecord]:
        """Jobs of the run that are not terminal."""

    def due_for(self, run_id: str, stage_id: str) -> JobRecord | None:
        """The active job of that stage."""

    def save(self, jobs: Sequence[JobRecord]) -> None:
        """Write everything of these jobs but identity; the caller holds the runs' locks."""

    def expired(self, renewed_before: datetime, limit: int) -> list[JobRecord]:
        """RUNNING jobs whose lease ended and was last renewed before; skips what somebody else holds locked."""
