"""What operators set and did."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from engine.model.records import AuditRecord, PauseRecord


class PauseStore(Protocol):
    def paused(self) -> frozenset[str]:
        """Ids of the paused workflows; read once a transaction."""

    def get(self, workflow_id: str) -> PauseRecord | None: ...

    def put(self, pause: PauseRecord) -> None:
        """Pause a workflow, or note the latest reason of one that is paused."""

    def remove(self, workflow_id: str) -> bool:
        """Whether it was paused."""


class AuditStore(Protocol):
    def append(self, records: Sequence[AuditRecord]) -> None:
        """Add rows, in this order."""
