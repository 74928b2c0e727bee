"""Leaving when the system says so, or when the terminal is gone: even when the loop waits to draw on it for ever."""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType

PATIENCE = 5.0
"""Seconds a console has for leaving in an orderly way once it was told to."""
LOOK_EVERY = 1.0


@contextlib.contextmanager
def leaving_when_told(leave: Callable[[int], None]) -> Iterator[None]:
    """Within: `leave(number)` is called on the running loop at SIGTERM and SIGHUP, and as at SIGHUP when the terminal
    is closed without one. A process that is still within `PATIENCE` seconds later is ended with exit code 128 + number.
    """
    loop, left = asyncio.get_running_loop(), threading.Event()

    def told(number: int) -> None:
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(leave, number)
        # Textual writes from a thread of its own, through a queue that is full once nothing takes the bytes any more.
        if not left.wait(PATIENCE):
            os._exit(128 + number)

    def handle(number: int, _: FrameType | None) -> None:
        threading.Thread(target=told, args=[number], daemon=True).start()

    threading.Thread(target=_watch_terminal, args=[left, told], daemon=True).start()
    before = {}
    for number in (signal.SIGTERM, signal.SIGHUP):
        # Only a main thread may take signals.
        with contextlib.suppress(ValueError):
            before[number] = signal.signal(number, handle)
    try:
        yield
    finally:
        left.set()
        for number, handler in before.items():
            signal.signal(number, handler)


def _watch_terminal(left: threading.Event, told: Callable[[int], None]) -> None:
    terminal = sys.__stdin__
    if terminal is None or terminal.closed or not terminal.isatty():
        return
    poller = select.poll()
    # Nothing is asked for but what is always told: that it hung up.
    poller.register(terminal.fileno(), 0)
    while not left.wait(LOOK_EVERY):
        if poller.poll(0):
            told(signal.SIGHUP)
            return
