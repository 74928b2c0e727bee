"""Hypothesis drives an engine and its reference side by side, in whatever order it likes, and compares every row."""

from __future__ import annotations

import asyncio
import random
import tempfile
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from kernel_driver import Driver
from kernel_workflows import batch, flow, step
from model_operators import OPERATORS, OperatorSteps
from model_reference import MAX_ATTEMPTS, PLANS, Reference
from model_reference import highest as highest_of
from model_rows import Outbox, Rows, read_outbox, read_rows, rows_of
from model_upkeep import UpkeepSteps
from model_workers import WorkerSteps
from postgres_server import memory

from engine import Completion, CreateRun, IdempotencyConflict, RetryPolicy, Workflow
from engine.inspector.fsck import check
from engine.model.records import Claimed
from engine.testing import CollectingEventSink, FakeClock

CHANCE = random.Random()
"""Where ids come from: the same ones in the same order, whenever an example is played."""
RETRY = RetryPolicy(max_attempts=MAX_ATTEMPTS, initial_delay=timedelta(seconds=10), jitter=False)
MOST_RUNS = 6
WEIGHTS = {
    "create": 2,
    "create_again": 1,
    "begin_runs": 1,
    "take": 2,
    "settle": 3,
    "carry_on": 2,
    "all_but_one": 2,
    "worker_dies": 1,
    "keep_dying": 1,
    "keep_failing": 1,
    "execute": 2,
    "time_passes": 3,
    "reap": 1,
    "reap_stuck": 1,
    "poll": 1,
    "keep_polling": 1,
    "poller_dies": 1,
    "restart": 1,
    "operate": 4,
    "flush": 2,
    "sink_down": 1,
    "replay": 1,
    "discard": 1,
}
STEPS = tuple(name for name, weight in WEIGHTS.items() for _ in range(weight))


class EngineMachine(WorkerSteps, UpkeepSteps, OperatorSteps, RuleBasedStateMachine):
    """`new_url()` gives the address of an empty database, or of a SQLite file in the folder it is given."""

    new_url: Callable[[Path], str]
    steps: tuple[str, ...] = STEPS
    operators: tuple[str, ...] = OPERATORS

    def __init__(self) -> None:
        super().__init__()
        CHANCE.seed(0)
        self.loop = asyncio.new_event_loop()
        self.folder = tempfile.TemporaryDirectory(prefix="wfconsole-model-", dir=memory())
        self.url = type(self).new_url(Path(self.folder.name))
        self.clock = FakeClock()
        self.sink = CollectingEventSink()
        self.model = Reference(self.clock.now())
        self.in_hand: list[Claimed] = []
        """What workers took and did not settle; some of these leases are long gone."""
        self.answers: dict[str, str] = {}
        self.script: Any = None
        self.created: dict[str, tuple[CreateRun, str]] = {}
        self.replayed: set[str] = set()
        self.numbers = iter(range(1, 1_000_000))
        self.driver = self._open()

    def teardown(self) -> None:
        try:
            self._deliver_the_rest()
            assert self.wait(check(self.driver.kernel.persistence, self.driver.blobs)) == []
        finally:
            self.wait(self.driver.close())
            self.loop.run_until_complete(self.loop.shutdown_default_executor())
            self.loop.close()
            self.folder.cleanup()

    def wait(self, coroutine: Any) -> Any:
        return self.loop.run_until_complete(coroutine)

    def send(self, command: Any) -> Any:
        return self.wait(self.driver.dispatch(command))

    def _open(self) -> Driver:
        path = Path(self.folder.name) / "runs.db"
        driver = Driver.of(*self._workflows(), url=self.url, path=path, clock=self.clock)
        driver.sink = driver.kernel.sink = self.sink
        return driver

    def _workflows(self) -> list[Workflow]:
        def body(ctx: Any) -> Any:
            if isinstance(self.script, Exception):
                raise self.script
            return self.script

        def check(state: Any, ctx: Any) -> Any:
            match self.answers[ctx.run_id]:
                case "ready":
                    return Completion.ready(next(self.numbers))
                case "waiting":
                    return Completion.waiting()
                case "failed":
                    return Completion.failed("no")
            raise RuntimeError("the check is broken")

        def made(stage_id: str) -> Any:
            if stage_id == "wait":
                return batch(stage_id, check, body, retry=RETRY)
            return step(stage_id, body, retry=RETRY)

        plans = {id: [[made(one) for one in group] for group in groups] for id, groups in PLANS.items()}
        return [flow(*(one if len(one) > 1 else one[0] for one in groups), id=id) for id, groups in plans.items()]

    # --- runs come ------------------------------------------------------------------------------------------------

    @initialize(data=st.data())
    def first_run(self, data: st.DataObject) -> None:
        self._create(data)

    @rule(data=st.data())
    def step(self, data: st.DataObject) -> None:
        """All in one rule: each kind comes as often as it stands in the list."""
        getattr(self, f"_{data.draw(st.sampled_from(self.steps), 'step')}")(data)

    def _create(self, data: st.DataObject) -> None:
        if len(self.model.runs) == MOST_RUNS:
            return
        workflow = data.draw(st.sampled_from(sorted(PLANS)), "workflow")
        priority, later = data.draw(st.integers(4, 6), "priority"), data.draw(st.sampled_from([0, 0, 0, 60]), "later")
        start_at = self.clock.now() + timedelta(seconds=later) if later else None
        key = f"key-{next(self.numbers)}"
        command = CreateRun(
            idempotency_key=key, workflow_id=workflow, input={"n": 1}, priority=priority, start_at=start_at
        )
        run_id = self.send(command).run_id
        assert run_id not in self.model.runs
        self.model.create(run_id, workflow, priority, start_at)
        self.created[key] = command, run_id

    def _create_again(self, data: st.DataObject) -> None:
        """With a key that was used before, for the same run or for another."""
        command, run_id = data.draw(st.sampled_from(list(self.created.values())), "command")
        if data.draw(st.booleans(), "the same"):
            assert self.send(command).run_id == run_id
            return
        self._raises(IdempotencyConflict, command.model_copy(update={"input": {"n": 2}}))

    def _raises(self, error: type[Exception], command: Any) -> None:
        try:
            result = self.send(command)
        except error:
            return
        raise AssertionError(f"{command!r} was not refused but answered {result!r}")

    def _begin_runs(self, data: st.DataObject) -> None:
        most = data.draw(st.integers(1, 3), "most")
        startable = self.model.startable()
        begun = self.wait(self.driver.begin(most))
        priorities = [self.model.runs[run_id].priority for run_id in begun]
        assert sorted(priorities, reverse=True) == highest_of((run.priority for run in startable), most)
        for run_id in begun:
            run = self.model.runs[run_id]
            assert run in startable
            self.model.begin(run)

    # --- what is compared after every step ------------------------------------------------------------------------

    def rows(self) -> Rows:
        return self.wait(read_rows(self.driver.kernel.persistence))

    def outbox(self) -> Outbox:
        return self.wait(read_outbox(self.driver.kernel.persistence))

    @invariant()
    def rows_are_as_expected(self) -> None:
        found = self.rows()
        for run in self.model.runs.values():
            expected = rows_of(run, self.model.now, found)
            assert found.of(run.id) == expected

    @invariant()
    def events_are_as_expected(self) -> None:
        outbox = self.outbox()
        for run in self.model.runs.values():
            assert outbox.sequences[run.id] == list(range(1, len(outbox.sequences[run.id]) + 1))
            assert outbox.types[run.id] == +run.events
        received = Counter(event.id for event in self.sink.events)
        assert received == Counter(outbox.published), "delivered twice, or noted and not delivered"
        for run in self.model.runs.values():
            order = [one.sequence for one in self.sink.events if one.run_id == run.id and one.id not in self.replayed]
            assert order == sorted(order)
