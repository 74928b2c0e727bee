"""The feed: one question at a time, at most ten a second, never a stale answer, and back after a failure."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from console_samples import summary
from fake_gateway import FakeGateway
from textual.message import Message

from engine.errors import DefinitionError, StoreUnavailable
from wfconsole.tui import feed as feed_module
from wfconsole.tui.feed import FRAME, SHARE, Feed, Link, Pulse


class Answer(Message):
    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


class Viewer:
    """Counts what it asked and keeps what it got; `gate` holds the answer back."""

    def __init__(self) -> None:
        self.alive = True
        self.asked = 0
        self.news: list[bool] = []
        self.got: list[int] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def ask(self, gateway: Any, news: bool) -> Message:
        self.asked += 1
        self.news.append(news)
        number = self.asked
        await self.gate.wait()
        return Answer(number)

    def post_message(self, message: Message) -> bool:
        assert isinstance(message, Answer)
        self.got.append(message.number)
        return True


class Opener:
    """Opens the gateway; `errors` are raised first, one an attempt."""

    def __init__(self, gateway: FakeGateway) -> None:
        self.gateway = gateway
        self.errors: list[Exception] = []
        self.pulses: list[Pulse] = []

    @asynccontextmanager
    async def __call__(self) -> AsyncIterator[Any]:
        if self.errors:
            raise self.errors.pop(0)
        yield self.gateway

    @property
    def links(self) -> list[Link]:
        return [pulse.link for pulse in self.pulses]


@asynccontextmanager
async def running(opener: Opener, viewer: Viewer) -> AsyncIterator[Feed]:
    feed = Feed(opener, opener.pulses.append, lambda _: None)
    feed.watch(viewer)
    task = asyncio.create_task(feed.run())
    yield feed
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0)


class Costly(Viewer):
    """Each question takes so many seconds of the processor."""

    cost = spent = 0.0

    async def ask(self, gateway: Any, news: bool) -> Message:
        self.spent += self.cost
        return await super().ask(gateway, news)


@pytest.mark.parametrize(
    ("cost", "longest", "least"), [(0.01, 5.0, FRAME), (0.05, 5.0, 0.05 / SHARE), (10.0, 0.3, 0.3)]
)
async def test_a_frame_that_cost_much_is_followed_by_a_longer_rest(
    monkeypatch: pytest.MonkeyPatch, cost: float, longest: float, least: float
) -> None:
    viewer, gateway = Costly(), FakeGateway()
    viewer.cost = cost
    monkeypatch.setattr(feed_module.time, "process_time", lambda: viewer.spent)
    monkeypatch.setattr(feed_module, "LONGEST_FRAME", longest)
    async with running(Opener(gateway), viewer):
        began = time.monotonic()
        await until(lambda: viewer.asked == 1)
        gateway.change()
        await until(lambda: viewer.asked == 2)
        assert time.monotonic() - began >= least


async def test_an_operator_ends_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    viewer, gateway = Costly(), FakeGateway()
    viewer.cost = 100.0
    monkeypatch.setattr(feed_module.time, "process_time", lambda: viewer.spent)
    monkeypatch.setattr(feed_module, "LONGEST_FRAME", 600.0)
    async with running(Opener(gateway), viewer) as feed:
        await until(lambda: viewer.asked == 1)
        feed.poke(news=False)
        await until(lambda: viewer.asked == 2)


async def test_a_thousand_changes_are_a_handful_of_questions() -> None:
    gateway, viewer = FakeGateway(), Viewer()
    async with running(Opener(gateway), viewer):
        began = time.monotonic()
        for number in range(1_000):
            gateway.change(summary(number))
            await asyncio.sleep(0)
        await until(lambda: viewer.asked >= 3)
        assert viewer.asked <= (time.monotonic() - began) / FRAME + 2


async def test_a_change_during_the_question_is_not_lost() -> None:
    gateway, viewer = FakeGateway(), Viewer()
    async with running(Opener(gateway), viewer):
        await until(lambda: viewer.got == [1])
        viewer.gate.clear()
        gateway.change()
        await until(lambda: viewer.asked == 2)
        gateway.change()
        viewer.gate.set()
        await until(lambda: viewer.asked == 3)


async def test_looking_elsewhere_is_no_news_and_the_overview_is_not_asked_again() -> None:
    gateway, viewer = FakeGateway(), Viewer()
    async with running(Opener(gateway), viewer) as feed:
        await until(lambda: viewer.got == [1])
        await asyncio.sleep(0)
        before = gateway.inspector.asked
        feed.poke(news=False)
        await until(lambda: len(viewer.got) == 2)
        assert gateway.inspector.asked == before
        gateway.change()
        await until(lambda: len(viewer.got) == 3)
        assert viewer.news == [True, False, True]


async def test_the_answer_to_a_viewer_that_left_is_dropped() -> None:
    gateway, old, new = FakeGateway(), Viewer(), Viewer()
    async with running(Opener(gateway), old) as feed:
        old.gate.clear()
        await until(lambda: old.asked == 1)
        feed.watch(new)
        await until(lambda: new.got == [1])
        old.gate.set()
        feed.poke()
        await until(lambda: len(new.got) == 2)
        assert old.got == []


async def test_a_viewer_without_widgets_is_not_asked() -> None:
    gateway, viewer = FakeGateway(), Viewer()
    viewer.alive = False
    async with running(Opener(gateway), viewer) as feed:
        await until(lambda: feed.gateway is gateway)
        viewer.alive = True
        feed.poke()
        await until(lambda: viewer.asked == 1)


async def test_a_database_that_cannot_be_opened_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "MAX_REST", 0.01)
    opener, viewer = Opener(FakeGateway()), Viewer()
    opener.errors = [StoreUnavailable("no such file"), StoreUnavailable("still not")]
    async with running(opener, viewer):
        await until(lambda: viewer.got)
    assert opener.links == [Link.LOST, Link.LOST, Link.LIVE]
    assert opener.pulses[0].cause == "no such file"
    assert opener.pulses[0].retry_at is not None


async def test_a_failing_question_is_told_and_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "MAX_REST", 0.01)
    opener, viewer = Opener(FakeGateway()), Viewer()
    async with running(opener, viewer):
        await until(lambda: viewer.got)
        opener.gateway.inspector.failing = StoreUnavailable("gone")
        opener.gateway.change()
        await until(lambda: Link.LOST in opener.links)
        opener.gateway.inspector.failing = None
        await until(lambda: opener.links[-1] is Link.LIVE)


async def test_a_definition_that_cannot_be_loaded_ends_it() -> None:
    opener, viewer = Opener(FakeGateway()), Viewer()
    opener.errors = [DefinitionError("no module named flows")]
    feed = Feed(opener, opener.pulses.append, lambda _: None)
    feed.watch(viewer)
    await feed.run()
    assert opener.links == [Link.BROKEN]
