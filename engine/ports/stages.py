"""Stages, their earlier attempts and artifacts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Protocol

from engine.model.records import ArtifactRecord, StageRecord


class StageStore(Protocol):
    """Every method acts inside the open transaction; the caller holds the lock of the runs it writes to."""

    def insert(self, stages: Sequence[tuple[StageRecord, str | None]]) -> None:
        """Add stages, each with its input text (None: derived from the group before)."""

    def of_run(self, run_id: str) -> list[StageRecord]:
        """By group, then number."""

    def get(self, ids: Iterable[str]) -> dict[str, StageRecord]:
        """By row id."""

    def inputs(self, ids: Iterable[str]) -> dict[str, str | None]:
        """Input texts by row id."""

    def outputs(self, run_ids: Sequence[str]) -> list[tuple[str, str, int, str]]:
        """(run id, stage id, group, output text) of every COMPLETED stage of these runs."""

    def save(self, stages: Sequence[StageRecord]) -> None:
        """Write everything of these rows but identity, input and what their AI calls add up to."""

    def delete(self, ids: Sequence[str]) -> None:
        """Remove rows (their attempts were archived before)."""

    def archive(self, stages: Sequence[StageRecord]) -> None:
        """Keep these attempts, as given and with the input of their row, among the earlier ones; an attempt kept
        already stays
        as it is."""

    def last_attempts(self, run_id: str) -> dict[str, int]:
        """The highest archived attempt by stage id."""

    def add_artifacts(self, artifacts: Sequence[ArtifactRecord]) -> None: ...

    def claim_polls(self, workflow_ids: Sequence[str], token: str, until: datetime, limit: int) -> list[StageRecord]:
        """Take up to `limit` suspended stages whose poll is due and that nobody polls now: one poller at a time."""
