"""A store whose jobs go through a transport somebody brings."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from datetime import datetime
from typing import Any, TypeVar, cast

from engine.ports.jobs import JobTransport
from engine.ports.persistence import Persistence, Watch
from engine.ports.reads import ReadStore
from engine.ports.work import UnitOfWork

R = TypeVar("R")

Transport = Callable[[UnitOfWork], JobTransport]
"""Called once for each transaction; `work.jobs` is the store's own transport, to be wrapped or left."""


class ForeignJobs:
    """`engine.ports.persistence.Persistence`, but `work.jobs` is what `transport` gives for the transaction at hand."""

    def __init__(self, store: Persistence, transport: Transport) -> None:
        self._store = store
        self._transport = transport

    def submit(self, fn: Callable[[UnitOfWork], R], *, urgent: bool = False) -> Future[R]:
        return self._store.submit(self._with_transport(fn), urgent=urgent)

    async def transact(self, fn: Callable[[UnitOfWork], R]) -> R:
        return await self._store.transact(self._with_transport(fn))

    async def read(self, fn: Callable[[ReadStore], R]) -> R:
        return await self._store.read(fn)

    def watch(self) -> Watch:
        return self._store.watch()

    async def close(self) -> None:
        await self._store.close()

    def _with_transport(self, fn: Callable[[UnitOfWork], R]) -> Callable[[UnitOfWork], R]:
        return lambda work: fn(cast("UnitOfWork", _Work(work, self._transport(work))))


class _Work:
    """The unit of work as it is, but for its jobs."""

    def __init__(self, work: UnitOfWork, jobs: JobTransport) -> None:
        self._work = work
        self.jobs = jobs
        self.now: datetime = work.now

    def __getattr__(self, name: str) -> Any:
        return getattr(self._work, name)
