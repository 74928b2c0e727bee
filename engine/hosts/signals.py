"""SIGTERM and SIGINT as events: nothing is raised inside whatever happens to run."""

from __future__ import annotations

import asyncio
import os
import signal
from types import TracebackType

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_IMPATIENT = 3


class StopSignals:
    """`first` is set by the first signal, `second` by the second; the third ends the process on the spot."""

    def __init__(self, *, enabled: bool = True) -> None:
        self.first = asyncio.Event()
        self.second = asyncio.Event()
        self._enabled = enabled
        self._seen = 0

    def __enter__(self) -> StopSignals:
        if self._enabled:
            loop = asyncio.get_running_loop()
            for number in _SIGNALS:
                loop.add_signal_handler(number, self._note, number)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._enabled:
            loop = asyncio.get_running_loop()
            for number in _SIGNALS:
                loop.remove_signal_handler(number)

    def _note(self, number: int) -> None:
        self._seen += 1
        self.first.set()
        if self._seen > 1:
            self.second.set()
        if self._seen >= _IMPATIENT:
            os._exit(128 + number)
