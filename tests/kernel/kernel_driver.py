"""A kernel on a clock that stands still, driven step by step."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

from engine import (
    CancelRun,
    ClaimPendingRuns,
    CreateRun,
    ExecuteJob,
    ExecuteJobResult,
    FlushOutbox,
    FlushOutboxResult,
    PollSuspendedStages,
    PollSuspendedStagesResult,
    ReapStaleLeases,
    ReapStaleLeasesResult,
    Workflow,
)
from engine.blobs.filesystem import FilesystemBlobStore
from engine.definition.registry import WorkflowRegistry
from engine.hosts import ServerlessHost
from engine.inspector import Inspector
from engine.inspector.notes import AnnotationView
from engine.inspector.views import EventView, RunDetail, StageView
from engine.kernel.ending import Delivery
from engine.kernel.kernel import Kernel
from engine.model.criteria import PageRequest
from engine.model.records import Claimed
from engine.ports.blobs import BlobStore
from engine.ports.work import UnitOfWork
from engine.stores.databases import database_at
from engine.stores.sql.work import SqlWork
from engine.testing import CollectingEventSink, FakeClock, MemoryBlobStore

LEASE = timedelta(minutes=5)
EVERYTHING = PageRequest(limit=1000, sort="created_at")
_keys = count(1)


class Driver:
    """Commands in, views out; nothing moves unless a test says so."""

    def __init__(
        self,
        kernel: Kernel,
        inspector: Inspector,
        blobs: BlobStore,
        clock: FakeClock,
        sink: CollectingEventSink,
    ) -> None:
        self.kernel = kernel
        self.inspector = inspector
        self.blobs = blobs
        self.clock = clock
        self.sink = sink
        self.host = ServerlessHost(kernel, "w")

    @classmethod
    def of(
        cls,
        *workflows: Workflow,
        url: str = "sqlite://",
        path: Path | None = None,
        clock: FakeClock | None = None,
        blobs: BlobStore | None = None,
        **options: Any,
    ) -> Driver:
        """On the database of that address; with a `path` blobs lie beside it, for other drivers of the same clock."""
        clock, sink = clock or FakeClock(), CollectingEventSink()
        database = database_at(url)
        database.prepare("auto", read_only=False)
        store, registry = database.store(clock, read_only=False, durability="normal"), WorkflowRegistry(workflows)
        if blobs is None:
            blobs = MemoryBlobStore() if path is None else FilesystemBlobStore(path.with_name(f"{path.name}.blobs"))
        kernel = Kernel(persistence=store, blobs=blobs, registry=registry, clock=clock, sink=sink, **options)
        return cls(kernel, Inspector(store, blobs, registry), blobs, clock, sink)

    async def close(self) -> None:
        await self.kernel.close()
        await self.kernel.persistence.close()

    async def sql(self, statement: str) -> list[tuple[Any, ...]]:
        """Past the engine, as only a bug or a hand on the database does; rows where the statement gives any."""

        def act(work: UnitOfWork) -> list[tuple[Any, ...]]:
            assert isinstance(work, SqlWork)
            found = work._connection.exec_driver_sql(statement)
            return [tuple(row) for row in found] if found.returns_rows else []

        return await self.kernel.persistence.transact(act)

    # --- commands -------------------------------------------------------------------------------------------------

    async def dispatch(self, command: Any) -> Any:
        return await self.kernel.dispatch(command)

    async def create(self, workflow_id: str = "flow", input: Any = None, **fields: Any) -> str:  # noqa: A002
        fields.setdefault("idempotency_key", f"key-{next(_keys)}")
        return (await self.dispatch(CreateRun(workflow_id=workflow_id, input=input, **fields))).run_id

    async def begin(self, most: int = 10) -> list[str]:
        """Claim pending runs; their ids."""
        claimed = await self.dispatch(ClaimPendingRuns(worker_id="w", max_claims=most))
        return [run.run_id for run in claimed.claimed]

    async def begun(self, workflow_id: str = "flow", input: Any = None, **fields: Any) -> str:  # noqa: A002
        """A run whose first stages are due."""
        run_id = await self.create(workflow_id, input, **fields)
        assert run_id in await self.begin()
        return run_id

    async def execute(self, run_id: str, stage_id: str, workflow_id: str = "flow", **fields: Any) -> ExecuteJobResult:
        return await self.dispatch(ExecuteJob(run_id=run_id, workflow_id=workflow_id, stage_id=stage_id, **fields))

    async def drain(self) -> int:
        """Carry out everything that is due; how many jobs that were."""
        return (await self.host.process_available_jobs(200)).processed

    async def through(self, workflow_id: str = "flow", input: Any = None, **fields: Any) -> RunDetail:  # noqa: A002
        """A run as far as it goes without the clock."""
        run_id = await self.create(workflow_id, input, **fields)
        await self.drain()
        return await self.run(run_id)

    async def exhaust(self, run_id: str) -> RunDetail:
        """Let time pass until nothing of the run is retried any more."""
        for _ in range(20):
            await self.drain()
            self.clock.advance(timedelta(minutes=2))
        return await self.run(run_id)

    async def poll(self, **fields: Any) -> PollSuspendedStagesResult:
        return await self.dispatch(PollSuspendedStages(**fields))

    async def flush(self, **fields: Any) -> FlushOutboxResult:
        return await self.dispatch(FlushOutbox(**fields))

    async def reap(self, threshold: timedelta = LEASE) -> ReapStaleLeasesResult:
        return await self.dispatch(ReapStaleLeases(stale_threshold=threshold))

    async def cancel(self, run_id: str, **fields: Any) -> bool:
        return (await self.dispatch(CancelRun(run_id=run_id, **fields))).cancelled

    # --- a worker's steps -----------------------------------------------------------------------------------------

    async def take(self, worker_id: str = "w", free: int = 1) -> list[Claimed]:
        """Lease due jobs, and leave them."""
        return (await self.kernel.turn([], self.kernel.taker(worker_id, LEASE), free)).claimed

    async def take_one(self, worker_id: str = "w") -> Claimed:
        (claimed,) = await self.take(worker_id)
        return claimed

    async def carry_out(self, claimed: Claimed) -> Delivery:
        delivery = await self.kernel.carry_out(claimed, LEASE)
        assert delivery is not None
        return delivery

    async def settle(self, *deliveries: Delivery, worker_id: str = "w") -> list[str]:
        """The verdicts."""
        turn = await self.kernel.turn(deliveries, self.kernel.taker(worker_id, LEASE), 0)
        return [settled.verdict for settled in turn.settled]

    async def crash(self, worker_id: str = "w") -> Claimed:
        """A worker takes a job and is never heard of again; its lease is over afterwards."""
        claimed = await self.take_one(worker_id)
        self.clock.advance(LEASE)
        return claimed

    # --- reads ----------------------------------------------------------------------------------------------------

    async def run(self, run_id: str) -> RunDetail:
        return await self.inspector.run(run_id)

    async def stage(self, run_id: str, stage_id: str) -> StageView:
        (found,) = [one for one in (await self.run(run_id)).stages if one.stage_id == stage_id]
        return found

    async def statuses(self, run_id: str) -> dict[str, str]:
        return {one.stage_id: str(one.status) for one in (await self.run(run_id)).stages}

    async def events(self, run_id: str) -> list[EventView]:
        return list((await self.inspector.events(run_id, PageRequest(limit=1000, sort="sequence"))).items)

    async def types(self, run_id: str) -> list[str]:
        return [event.type for event in await self.events(run_id)]

    async def payloads(self, run_id: str, type_: str) -> list[dict[str, Any]]:
        return [event.payload for event in await self.events(run_id) if event.type == type_]

    async def notes(self, run_id: str) -> list[AnnotationView]:
        return list((await self.inspector.annotations(run_id)).items)

    async def count_runs(self) -> int:
        return len((await self.inspector.runs()).items)

    async def raw(self, run_id: str, **fields: Any) -> None:
        """Bend a run's row behind the engine's back, as a bug or a hand on the database would."""

        def bend(work: Any) -> None:
            work.runs.save([run._replace(**fields) for run in work.runs.lock({run_id}).values()])

        await self.kernel.persistence.transact(bend)


Drive = Callable[..., Driver]
"""A fixture's: `drive(workflow, …)` is a driver that is closed after the test."""
