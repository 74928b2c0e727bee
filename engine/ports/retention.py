"""Removing what is old."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Protocol


class RetentionStore(Protocol):
    """Every method acts inside the open transaction."""

    def expired_runs(self, before: datetime, limit: int, *, keep_failed: bool) -> list[str]:
        """Ids of up to `limit` runs that ended before, the oldest first, locked; those somebody else has are left."""

    def delete_runs(self, run_ids: Sequence[str]) -> Counter[str]:
        """Delete runs with everything of theirs, leaving word of their blobs; how many events were not delivered."""

    def delete_rest(self, before: datetime, audit_before: datetime) -> Counter[str]:
        """Definitions nobody refers to, workers long dead, schedules that fired, old audit rows; how many, by kind."""

    def garbage(self, limit: int) -> list[str]:
        """Prefixes of blobs whose rows are gone, the oldest first."""

    def collected(self, prefixes: Sequence[str]) -> None:
        """Their blobs are deleted."""
