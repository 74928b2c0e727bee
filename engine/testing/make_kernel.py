"""A kernel for tests in one call."""

from __future__ import annotations

from collections.abc import Iterable

from engine.ai import AIProvider, Providers
from engine.ai.opening import HelperOpener
from engine.blobs.memory import MemoryBlobStore
from engine.definition.registry import WorkflowRegistry
from engine.definition.workflow import Workflow
from engine.inspector import Inspector
from engine.kernel.kernel import Kernel
from engine.model.budgets import NO_BUDGETS, Budgets
from engine.ports.blobs import BlobStore
from engine.ports.clock import Clock
from engine.ports.sink import EventSink
from engine.stores.clock import SystemClock
from engine.stores.sqlite import SqliteStore


class KernelForTests(Kernel):
    """A kernel on a database in memory, which closes with it; reads through `inspector`."""

    inspector: Inspector

    async def close(self) -> None:
        await super().close()
        await self.persistence.close()


def make_kernel(
    workflows: Iterable[Workflow] = (),
    *,
    clock: Clock | None = None,
    event_sink: EventSink | None = None,
    blob_store: BlobStore | None = None,
    ai: AIProvider | None = None,
    budgets: Budgets = NO_BUDGETS,
) -> KernelForTests:
    """`ai` answers every model there is, e.g. a `FakeAIProvider`; without it the providers of the process do.

    A plain call; `await kernel.close()` when done. Drive it with `ServerlessHost(kernel, "w")` or a `WorkerHost`."""
    used = clock or SystemClock()
    store = SqliteStore(None, used)
    blobs = blob_store or MemoryBlobStore()
    registry = WorkflowRegistry(workflows)
    opener = HelperOpener(None if ai is None else Providers(everything=ai))
    kernel = KernelForTests(
        persistence=store, blobs=blobs, registry=registry, clock=used, sink=event_sink, ai=opener, budgets=budgets
    )
    kernel.inspector = Inspector(store, blobs, registry)
    return kernel
