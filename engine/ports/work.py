"""The unit of work: one open transaction, seen as the ports."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from engine.model.records import DefinitionRecord, WorkerRecord
from engine.ports.ai_calls import CallStore
from engine.ports.blobs import BlobRows
from engine.ports.idempotency import IdempotencyStore
from engine.ports.jobs import JobTransport
from engine.ports.logs import LogStore
from engine.ports.operations import AuditStore, PauseStore
from engine.ports.outbox import Outbox
from engine.ports.retention import RetentionStore
from engine.ports.runs import RunStore
from engine.ports.scheduler import ScheduleStore
from engine.ports.stages import StageStore


class DefinitionStore(Protocol):
    def put(self, definition: DefinitionRecord) -> None:
        """Keep a definition; the same fingerprint twice is one row."""

    def get(self, workflow_id: str, fingerprint: str) -> str | None:
        """The plan as JSON text."""

    def known(self, workflow_id: str) -> bool:
        """Whether any definition of that workflow was ever kept."""


class WorkerStore(Protocol):
    def put(self, worker: WorkerRecord) -> None:
        """Register a worker, or refresh its row."""

    def leave(self, worker_id: str) -> None:
        """The worker ended on purpose."""

    def forget(self, dead_since: datetime) -> int:
        """Remove workers not alive since; how many."""


class UnitOfWork(Protocol):
    """`now` is sampled once, when the transaction begins."""

    now: datetime

    @property
    def runs(self) -> RunStore: ...
    @property
    def stages(self) -> StageStore: ...
    @property
    def jobs(self) -> JobTransport: ...
    @property
    def outbox(self) -> Outbox: ...
    @property
    def keys(self) -> IdempotencyStore: ...
    @property
    def logs(self) -> LogStore: ...
    @property
    def definitions(self) -> DefinitionStore: ...
    @property
    def workers(self) -> WorkerStore: ...
    @property
    def blobs(self) -> BlobRows: ...
    @property
    def pauses(self) -> PauseStore: ...
    @property
    def audit(self) -> AuditStore: ...
    @property
    def retention(self) -> RetentionStore: ...
    @property
    def schedules(self) -> ScheduleStore: ...
    @property
    def ai_calls(self) -> CallStore: ...

    def announce(self) -> None:
        """After the commit, wake whoever waits for work or news."""

    def next_claim_due(self) -> datetime | None:
        """When the next scheduled job or delayed run is due."""

    def next_upkeep_due(self, workflow_ids: list[str], *, events: bool) -> datetime | None:
        """When the next poll of these workflows, end of a lease, schedule or (with `events`) delivery is due."""
