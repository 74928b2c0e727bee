"""The other adapters keep the promises of their ports: clocks, schedulers, sinks, logs of AI calls."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from decimal import Decimal

import pytest
from promised_stores import OnEach

from engine.bootstrap import open_engine
from engine.definition.plugin import define_plugin
from engine.errors import BudgetExceeded
from engine.kernel.call_ledger import CallLedger
from engine.kernel.call_log import CallDesk, CallLog, Owner
from engine.model.budgets import NO_BUDGETS, Budgets
from engine.model.criteria import CallFilter, PageRequest
from engine.model.records import AICallRecord
from engine.plugins import PluginRunner
from engine.ports.ai_calls import AICallLog
from engine.ports.clock import Clock
from engine.ports.persistence import Persistence
from engine.ports.scheduler import Scheduler
from engine.ports.sink import EventSink
from engine.sinks.fan_out import FanOut
from engine.sinks.log import LogSink
from engine.stores.clock import DatabaseClock, SystemClock
from engine.testing import CollectingAICallLog, CollectingEventSink, FakeClock
from engine.testing.conformance import CallLogPromises, ClockPromises, SchedulerPromises, SinkPromises
from engine.testing.conformance.call_log import Noted
from engine.testing.conformance.records import add_run


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


class TestCallLogs(OnEach, CallLogPromises):
    """The log of a delivery."""

    @pytest.fixture
    async def calls(self, store: Persistence) -> AICallLog:
        return await a_log(store, NO_BUDGETS)

    @pytest.fixture
    async def spent(self, store: Persistence) -> AICallLog:
        return await a_log(store, Budgets(run=Decimal(0)))

    @pytest.fixture
    def noted(self, store: Persistence) -> Noted:
        async def rows() -> list[AICallRecord]:
            return (await store.read(lambda reads: reads.ai_calls(CallFilter(), PageRequest(), brief=False))).items

        return rows


async def a_log(store: Persistence, budgets: Budgets) -> AICallLog:
    run = await store.transact(lambda work: add_run(work))
    desk = CallDesk(store, FakeClock(), CallLedger(store, budgets))
    return CallLog(desk, Owner(run.id, run.workflow_id, "step", 1))


class TestCollectedCalls(CallLogPromises):
    """The log for tests of workflows."""

    @pytest.fixture
    def calls(self) -> CollectingAICallLog:
        return CollectingAICallLog()

    @pytest.fixture
    def spent(self, calls: CollectingAICallLog) -> CollectingAICallLog:
        calls.refuse_with = BudgetExceeded("the run", Decimal(1), Decimal(1))
        return calls

    @pytest.fixture
    def noted(self, calls: CollectingAICallLog) -> Noted:
        async def rows() -> list[AICallRecord]:
            return calls.rows

        return rows
