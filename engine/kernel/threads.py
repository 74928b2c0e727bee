"""Threads for plain stage bodies. Daemons of our own: an executor's threads hold the process until the body ends."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import queue
import threading
from collections.abc import Callable
from functools import partial
from typing import TypeVar

R = TypeVar("R")

IDLE_SECONDS = 30.0


class BodyThreads:
    """Runs functions on daemon threads, reusing idle ones; as many as are asked for at once."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._tasks: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._idle = 0
        self.abandoned = 0
        """Functions nobody waits for any more that still hold their thread."""
        self.on_freed: Callable[[], None] = lambda: None
        """Called from such a thread when its function ended after all."""
        self._lock = threading.Lock()

    async def run(self, fn: Callable[[], R]) -> R:
        """The result of `fn`, carried out on another thread. Cancelling abandons it there."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[R] = loop.create_future()
        context = contextvars.copy_context()

        def tell(settle: Callable[[], None]) -> None:
            if not done.done():
                settle()

        ended = left = False

        def task() -> None:
            nonlocal ended
            try:
                settle = partial(done.set_result, context.run(fn))
            except StopIteration as error:
                # A future refuses it, and whoever waits would wait for ever; a coroutine turns it into this as well.
                settle = partial(done.set_exception, _as_runtime_error(error))
            except BaseException as error:
                settle = partial(done.set_exception, error)
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(tell, settle)
            with self._lock:
                ended = True
                self.abandoned -= left
            if left:
                self.on_freed()

        self._start(task)
        try:
            return await done
        except asyncio.CancelledError:
            with self._lock:
                left = not ended
                self.abandoned += left
            raise

    def _start(self, task: Callable[[], None]) -> None:
        with self._lock:
            if self._idle:
                self._idle -= 1
            else:
                threading.Thread(target=self._work, name=self._name, daemon=True).start()
        self._tasks.put(task)

    def _work(self) -> None:
        while True:
            try:
                task = self._tasks.get(timeout=IDLE_SECONDS)
            except queue.Empty:
                with self._lock:
                    # Whoever counted on this thread while it was giving up has put a task for it already.
                    if self._idle:
                        self._idle -= 1
                        return
                continue
            task()
            with self._lock:
                self._idle += 1


def _as_runtime_error(error: StopIteration) -> RuntimeError:
    told = RuntimeError("the function raised StopIteration")
    told.__cause__ = error
    return told
