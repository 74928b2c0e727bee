"""The promises of the ports, as test classes: whoever writes an adapter proves it with them.

A subclass whose name begins with `Test` gives the fixture that the class asks for, an adapter on empty ground:

    class TestMyStore(StorePromises):
        @pytest.fixture
        async def store(self) -> AsyncIterator[Persistence]:
            yield MyStore(...)

They need pytest and pytest-asyncio (`asyncio_mode = "auto"`).
"""

from engine.testing.conformance.ai_calls import CallPromises
from engine.testing.conformance.ai_providers import BatchProviderPromises, ProviderPromises
from engine.testing.conformance.ambient import ClockPromises, SinkPromises
from engine.testing.conformance.blobs import BlobPromises
from engine.testing.conformance.call_log import CallLogPromises
from engine.testing.conformance.idempotency import IdempotencyPromises
from engine.testing.conformance.jobs import JobPromises
from engine.testing.conformance.outbox import OutboxPromises
from engine.testing.conformance.reads_ai import CallReadPromises
from engine.testing.conformance.reads_costs import CostPromises
from engine.testing.conformance.reads_fleet import FleetPromises
from engine.testing.conformance.reads_history import HistoryPromises
from engine.testing.conformance.reads_runs import RunReadPromises
from engine.testing.conformance.reads_stages import StageReadPromises
from engine.testing.conformance.reads_totals import TotalPromises
from engine.testing.conformance.reads_trends import TrendPromises
from engine.testing.conformance.registers import (
    AuditPromises,
    BlobRowPromises,
    DefinitionPromises,
    PausePromises,
    WorkerPromises,
)
from engine.testing.conformance.runs import RunPromises
from engine.testing.conformance.said import LogPromises
from engine.testing.conformance.scheduler import SchedulerPromises
from engine.testing.conformance.stages import StagePromises
from engine.testing.conformance.store import StorePromises
from engine.testing.conformance.upkeep import RetentionPromises, SchedulePromises
from engine.testing.conformance.watch import WatchPromises

__all__ = [
    "AuditPromises",
    "BatchProviderPromises",
    "BlobPromises",
    "BlobRowPromises",
    "CallLogPromises",
    "CallPromises",
    "CallReadPromises",
    "ClockPromises",
    "CostPromises",
    "DefinitionPromises",
    "FleetPromises",
    "HistoryPromises",
    "IdempotencyPromises",
    "JobPromises",
    "LogPromises",
    "OutboxPromises",
    "PausePromises",
    "ProviderPromises",
    "RetentionPromises",
    "RunPromises",
    "RunReadPromises",
    "SchedulePromises",
    "SchedulerPromises",
    "SinkPromises",
    "StagePromises",
    "StageReadPromises",
    "StorePromises",
    "TotalPromises",
    "TrendPromises",
    "WatchPromises",
    "WorkerPromises",
]
