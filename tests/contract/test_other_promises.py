"""The other adapters keep the promises of their ports: clocks, schedulers, sinks."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator

import pytest

from engine.bootstrap import open_engine
from engine.definition.plugin import define_plugin
from engine.plugins import PluginRunner
from engine.ports.clock import Clock
from engine.ports.scheduler import Scheduler
from engine.ports.sink import EventSink
from engine.sinks.fan_out import FanOut
from engine.sinks.log import LogSink
from engine.stores.clock import DatabaseClock, SystemClock
from engine.testing import CollectingEventSink, FakeClock
from engine.testing.conformance import ClockPromises, SchedulerPromises, SinkPromises


def sampled() -> DatabaseClock:
    clock = DatabaseClock()
    clock.sample(FakeClock().now(), 0.0, 0.0)
    return clock


class TestClocks(ClockPromises):
    @pytest.fixture(params=[SystemClock, DatabaseClock, sampled, FakeClock])
    def clock(self, request: pytest.FixtureRequest) -> Clock:
        clock: Clock = request.param()
        return clock


class TestScheduler(SchedulerPromises):
    @pytest.fixture
    async def scheduler(self, url: str) -> AsyncIterator[Scheduler]:
        async with open_engine(url) as engine:
            yield engine.scheduler


def plugins() -> PluginRunner:
    return PluginRunner([define_plugin("p", "P", on=["stage:completed"], handle=lambda event: None)])


class TestSinks(SinkPromises):
    @pytest.fixture(params=["collecting", "log", "plugins", "fan-out"])
    def sink(self, request: pytest.FixtureRequest) -> EventSink:
        logger = logging.getLogger("wfconsole.test")
        made: dict[str, EventSink] = {
            "collecting": CollectingEventSink(),
            "log": LogSink(logger=logger),
            "plugins": plugins(),
            "fan-out": FanOut([CollectingEventSink(), LogSink(logger=logger)]),
        }
        return made[request.param]
