"""How fast a provider is asked: calls at once, requests and tokens a minute, and its own "not now".

One pace for each provider, shared by every loop and thread of the process.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

CALLS_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class Limits:
    """None is without limit."""

    concurrency: int | None = CALLS_AT_ONCE
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None


class Bucket:
    """So many a minute, the first minute's worth at once. Not for two threads at a time."""

    def __init__(self, per_minute: float, now: float) -> None:
        self.per_minute = per_minute
        self._level = per_minute
        self._filled_at = now

    def take(self, amount: float, now: float) -> float:
        """Take it, on credit if need be; the seconds until it would have been there."""
        self._level = min(self.per_minute, self._level + (now - self._filled_at) * self.per_minute / 60)
        self._filled_at = now
        # What is more than a minute's worth would never be there at once.
        self._level -= min(amount, self.per_minute)
        return max(0.0, -self._level * 60 / self.per_minute)

    def give_back(self, amount: float) -> None:
        """Negative for what turned out to be more."""
        self._level = min(self.per_minute, self._level + amount)


class Pace:
    """Lets calls through one after the other as `limits` allow."""

    def __init__(
        self,
        limits: Limits,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._now = now
        self._sleep = sleep
        self._lock = threading.Lock()
        self._waiting: deque[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]] = deque()
        self._inside = 0
        self._held_until = 0.0
        self._change(limits)

    def _change(self, limits: Limits) -> None:
        self.limits = limits
        requests, tokens = limits.requests_per_minute, limits.tokens_per_minute
        self._requests = None if requests is None else Bucket(requests, self._now())
        self._tokens = None if tokens is None else Bucket(tokens, self._now())

    def change(self, limits: Limits) -> None:
        with self._lock:
            if limits != self.limits:
                self._change(limits)

    async def enter(self, tokens: int) -> None:
        """Wait for one's turn with a call of about so many tokens. Whoever entered leaves."""
        await self._slot()
        try:
            while (wait := self._due(tokens)) > 0:
                await self._sleep(wait)
                tokens = -1
        except BaseException:
            self.leave()
            raise

    def _due(self, tokens: int) -> float:
        """The seconds still to wait; below 0 tokens the call was counted before."""
        with self._lock:
            now = self._now()
            wait = self._held_until - now
            if tokens >= 0:
                wait = max(wait, self._requests.take(1, now) if self._requests else 0.0)
                wait = max(wait, self._tokens.take(tokens, now) if self._tokens else 0.0)
            return wait

    async def _slot(self) -> None:
        loop = asyncio.get_running_loop()
        with self._lock:
            if self.limits.concurrency is None or self._inside < self.limits.concurrency:
                self._inside += 1
                return
            turn: asyncio.Future[None] = loop.create_future()
            self._waiting.append((loop, turn))
        try:
            await turn
        except asyncio.CancelledError:
            with self._lock:
                waited = (loop, turn) in self._waiting
                if waited:
                    self._waiting.remove((loop, turn))
            if not waited:
                self.leave()  # the slot was handed over while this was being cancelled
            raise

    def leave(self) -> None:
        """Make room; whoever waits longest gets it."""
        with self._lock:
            while self._waiting:
                loop, turn = self._waiting.popleft()
                with contextlib.suppress(RuntimeError):  # a loop that closed waits no more
                    loop.call_soon_threadsafe(_wake, turn)
                    return
            self._inside -= 1

    def correct(self, guessed: int, used: int) -> None:
        """A call took more or fewer tokens than it was let in with."""
        with self._lock:
            if self._tokens is not None:
                self._tokens.give_back(guessed - used)

    def hold(self, seconds: float) -> None:
        """The provider wants to be left alone for so long."""
        with self._lock:
            self._held_until = max(self._held_until, self._now() + seconds)


def _wake(turn: asyncio.Future[None]) -> None:
    if not turn.done():
        turn.set_result(None)


_paces: dict[str, Pace] = {}
_lock = threading.Lock()


def pace_of(address: str, limits: Limits) -> Pace:
    """The process's pace for that provider; other limits than before take the place of those."""
    with _lock:
        pace = _paces.get(address)
        if pace is None:
            pace = _paces[address] = Pace(limits)
    pace.change(limits)
    return pace
