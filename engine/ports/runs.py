"""Runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from engine.model.records import RunRecord


class RunStore(Protocol):
    """Every method acts inside the open transaction."""

    def insert(self, run: RunRecord, input_text: str) -> None:
        """Add a run; its input never changes afterwards."""

    def get(self, run_id: str) -> RunRecord | None:
        """The run as it stands, without a lock."""

    def lock(self, run_ids: Iterable[str]) -> dict[str, RunRecord]:
        """The runs, locked in id order until the transaction ends; those that don't exist are left out."""

    def inputs(self, run_ids: Iterable[str]) -> dict[str, str]:
        """Inputs as JSON texts, by run id."""

    def save(self, runs: Sequence[RunRecord]) -> None:
        """Write everything of these runs but identity, input and what their AI calls add up to, `version` raised by
        one; the stored version must be the given one.

        Raises `RuntimeError` if it isn't: the caller forgot to lock.
        """

    def pending_priorities(self, workflow_ids: Sequence[str], limit: int) -> list[int]:
        """Priorities of the next `limit` pending runs of these workflows, highest first."""

    def claim_pending(self, workflow_ids: Sequence[str], limit: int) -> list[RunRecord]:
        """Lock up to `limit` due PENDING runs, highest priority first, then oldest; nobody else gets them meanwhile."""

    def promote_delayed(self) -> int:
        """Make delayed runs whose time has come claimable; how many."""

    def stuck(self, idle_since: datetime, limit: int) -> list[str]:
        """Ids of RUNNING runs untouched since, with no live lease, no job waiting or scheduled and no suspended
        stage with
        a poll time."""

    def add_counts(self, deltas: Mapping[tuple[str, str], int]) -> None:
        """Add to the number of runs by (workflow id, status)."""
