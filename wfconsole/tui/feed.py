"""The one feed: it waits for a change, asks the gateway once for what is visible, and hands it over."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from textual.message import Message

from engine.errors import DefinitionError, EngineError
from engine.inspector import Overview

if TYPE_CHECKING:
    from wfconsole.gateway import Gateway

FRAME = 0.1
"""Seconds between two asks at least: no more than ten paints a second."""

SHARE = 1 / 8
"""The part of one core that following changes may take; a frame that cost more is followed by a longer rest."""

LONGEST_FRAME = 0.5
"""Seconds after which it paints whatever the share."""

NET = 10.0
"""Seconds after which it asks although nothing changed: rates fade and workers die without a commit."""

MAX_REST = 30.0


class Link(StrEnum):
    CONNECTING = "connecting"
    LIVE = "live"
    LOST = "lost"
    BROKEN = "broken"
    """No use in trying again, e.g. a workflow module that can't be imported."""


@dataclass(frozen=True, slots=True)
class Pulse:
    """How the connection is. `retry_at` is on the monotonic clock, in seconds."""

    link: Link = Link.CONNECTING
    cause: str = ""
    retry_at: float | None = None


class Viewer(Protocol):
    """What is looked at: it asks for its own snapshot and gets it back as a message.

    `alive` is False while its widgets are not there; then it is not asked. `news` is False when nothing was committed
    since the last question and only what it looks at is another.
    """

    @property
    def alive(self) -> bool: ...

    async def ask(self, gateway: Gateway, news: bool) -> Message: ...

    def post_message(self, message: Message) -> bool: ...


class Feed:
    """Owns the gateway while `run` runs. `on_pulse` and `on_overview` are called on the loop, with news."""

    def __init__(
        self,
        connect: Callable[[], AbstractAsyncContextManager[Gateway]],
        on_pulse: Callable[[Pulse], None],
        on_overview: Callable[[Overview], None],
    ) -> None:
        self._connect, self._on_pulse, self._on_overview = connect, on_pulse, on_overview
        self._viewer: Viewer | None = None
        self._poked = asyncio.Event()
        self._news = True
        self._overview: Overview | None = None
        self._asking: asyncio.Future[tuple[Overview, Message]] | None = None
        self._failures = 0
        self.gateway: Gateway | None = None
        self.pulse = Pulse()
        self.paused = False
        self.asking_since: float | None = None
        """When the question under way was put (monotonic seconds); None while there is none."""

    def watch(self, viewer: Viewer) -> None:
        """Ask for this viewer from now on; a question put for another one is dropped."""
        if viewer is not self._viewer and self._asking is not None:
            self._asking.cancel()
        self._viewer = viewer
        self.poke()

    def poke(self, *, news: bool = True) -> None:
        """Ask again now, also while paused; without `news` only what is looked at is another."""
        self._news = self._news or news
        self._poked.set()

    def pause(self, paused: bool) -> None:
        self.paused = paused
        self.poke()

    async def run(self) -> None:
        """Connect and follow, for ever; a lost connection is tried again with growing rests."""
        while True:
            try:
                async with self._connect() as gateway:
                    self.gateway = gateway
                    await self._follow(gateway)
            except DefinitionError as error:
                self._beat(Pulse(Link.BROKEN, str(error)))
                return
            except (EngineError, OSError) as error:
                await self._rest(error)
            finally:
                self.gateway = None

    async def _follow(self, gateway: Gateway) -> None:
        changed = asyncio.ensure_future(gateway.changed(NET))
        try:
            while True:
                self._poked.clear()
                try:
                    # Armed before asking, so that no commit falls between the answer and the wait.
                    if changed.done():
                        changed.result()
                        self._news = True
                        changed = asyncio.ensure_future(gateway.changed(NET))
                    before = time.process_time()
                    spent = await self._ask(gateway)
                except (EngineError, OSError) as error:
                    await self._rest(error)
                    if changed.done():
                        changed = asyncio.ensure_future(gateway.changed(NET))
                    continue
                rested = max(FRAME, spent)
                await asyncio.sleep(rested)
                await self._breathe(time.process_time() - before, rested)
                await self._wait(changed)
        finally:
            changed.cancel()

    async def _breathe(self, cost: float, rested: float) -> None:
        """Rest on until asking and painting took no more than their share of the processor, or an operator asks."""
        rest = min(cost / SHARE, LONGEST_FRAME) - rested
        if rest > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(rest):
                    await self._poked.wait()

    async def _ask(self, gateway: Gateway) -> float:
        viewer = self._viewer
        if viewer is None or not viewer.alive:
            return 0.0
        started = self.asking_since = time.monotonic()
        news, self._news = self._news, False
        self._asking = asyncio.gather(self._look_over(gateway, news), viewer.ask(gateway, news))
        try:
            overview, message = await self._asking
        except BaseException as error:
            self._news = True
            if not isinstance(error, asyncio.CancelledError):
                raise
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            return 0.0
        finally:
            self._asking, self.asking_since = None, None
        self._failures = 0
        self._beat(Pulse(Link.LIVE))
        if overview is not self._overview:
            self._overview = overview
            self._on_overview(overview)
        if viewer is self._viewer:
            viewer.post_message(message)
        return time.monotonic() - started

    async def _look_over(self, gateway: Gateway, news: bool) -> Overview:
        if self._overview is not None and not news:
            return self._overview
        return await gateway.inspector.overview()

    async def _wait(self, changed: asyncio.Future[bool]) -> None:
        poked: asyncio.Future[bool] = asyncio.ensure_future(self._poked.wait())
        awaited = {poked} if self.paused else {poked, changed}
        try:
            await asyncio.wait(awaited, return_when=asyncio.FIRST_COMPLETED)
        finally:
            poked.cancel()

    async def _rest(self, error: Exception) -> None:
        delay = min(2.0**self._failures, MAX_REST)
        self._failures += 1
        self._beat(Pulse(Link.LOST, str(error) or type(error).__name__, time.monotonic() + delay))
        await asyncio.sleep(delay)

    def _beat(self, pulse: Pulse) -> None:
        if pulse != self.pulse:
            self.pulse = pulse
            self._on_pulse(pulse)
