"""The store's two doors."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Protocol, TypeVar

from engine.ports.reads import ReadStore
from engine.ports.work import UnitOfWork

R = TypeVar("R")


class Watch(Protocol):
    """A subscription to commits. What happened between two waits is never missed; several commits may be one
    wake-up."""

    async def wait(self, timeout: float | None) -> bool:
        """Until something was committed by any process (True), or `timeout` seconds passed (False).

        Where a store can only guess at others' commits, now and then True for nothing.
        """

    def wake(self) -> None:
        """End the wait; from any thread."""

    def close(self) -> None: ...


class Persistence(Protocol):
    """Usable from any thread and any event loop."""

    def submit(self, fn: Callable[[UnitOfWork], R], *, urgent: bool = False) -> Future[R]:
        """Run `fn` in a writing transaction.

        `fn` is plain, may run twice, and has no effect outside its transaction. The future resolves after the
        commit. `fn`s
        that wait together may share a commit; one that raises is rolled back alone, and only its caller sees the error.
        `urgent` goes before the others (lease renewals).
        """

    async def transact(self, fn: Callable[[UnitOfWork], R]) -> R:
        """`submit`, awaited. Cancelling the awaiter doesn't cancel the transaction."""

    async def read(self, fn: Callable[[ReadStore], R]) -> R:
        """Run `fn` on a consistent snapshot; it can't write."""

    def watch(self) -> Watch: ...

    async def close(self) -> None: ...
