"""Six scenarios, broken at every point in three ways: afterwards every run ends and the database is sound."""

from __future__ import annotations

import shutil
from collections.abc import Awaitable, Callable
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from fault_points import MODES, Broken, Faults, FaultyBlobs, FaultySink, Mode, planted
from kernel_driver import Driver
from kernel_workflows import MINUTE, Acts, batch, flow, step

from engine import CancelRun, Completion, CreateRun, EngineError, ReapStuckRuns, RerunFrom, Workflow
from engine.inspector.fsck import check
from engine.model.status import TERMINAL_RUN
from engine.stores.sqlite_file import prepare_file
from engine.testing import FakeClock

LONG = "x" * 300_000
Scenario = Callable[[Driver], Awaitable[None]]


def three() -> Workflow:
    return flow(step("one"), step("two", lambda ctx: LONG), step("three"))


def four() -> Workflow:
    return flow([step("a"), step("b"), step("c", lambda ctx: LONG), step("d")], step("end"))


def suspending() -> Workflow:
    return flow(batch("ask", Acts(Completion.waiting(), Completion.ready("done"))), step("end"))


async def create(d: Driver) -> str:
    return (await d.dispatch(CreateRun(idempotency_key="k", workflow_id="flow", input=1))).run_id


async def stages(d: Driver) -> None:
    await create(d)
    await d.drain()
    await d.flush()


async def suspend(d: Driver) -> None:
    await create(d)
    await d.drain()
    for _ in range(2):
        d.clock.advance(MINUTE)
        await d.host.run_maintenance_tick()
    await d.drain()


async def cancel(d: Driver) -> None:
    run_id = await create(d)
    await d.begin()
    delivery = await d.carry_out(await d.take_one())
    await d.dispatch(CancelRun(run_id=run_id, reason="enough"))
    await d.settle(delivery)
    await d.flush()


async def rerun(d: Driver) -> None:
    run_id = await create(d)
    await d.drain()
    await d.dispatch(RerunFrom(run_id=run_id, from_stage_id="two", idempotency_key="again"))
    await d.drain()


async def dead_letter(d: Driver) -> None:
    await create(d)
    d.sink.failures = [OSError("down")] * 3
    for _ in range(4):
        await d.flush()
        d.clock.advance(MINUTE)


SCENARIOS: dict[str, tuple[Callable[[], Workflow], Scenario]] = {
    "three stages": (three, stages),
    "four side by side": (four, stages),
    "suspend and resume": (suspending, suspend),
    "cancel midway": (three, cancel),
    "rerun": (three, rerun),
    "dead letter": (lambda: flow(step("one")), dead_letter),
}


@pytest.fixture
def template(tmp_path: Path) -> Path:
    path = tmp_path / "template.db"
    prepare_file(path, migrate=True, read_only=False)
    return path


class Ground:
    """Where a scenario is played: an empty database and a folder for its blobs, new for each point."""

    def __init__(self, template: Path, new_postgres: Callable[[], str] | None) -> None:
        self._template = template
        self._new_postgres = new_postgres
        self._fresh = count()
        self.renew()

    def renew(self) -> None:
        self.clear()
        self._path = self._template.with_name(f"{next(self._fresh)}.db")
        self.blobs = self._path.with_name(f"{self._path.name}.blobs")
        if self._new_postgres is None:
            shutil.copy(self._template, self._path)
            self.url = f"sqlite:///{self._path}"
        else:
            self.url = self._new_postgres()

    def clear(self) -> None:
        for left in self._template.parent.glob("[0-9]*.db*"):
            shutil.rmtree(left) if left.is_dir() else left.unlink()


def driver(ground: Ground, workflow: Workflow, clock: FakeClock, faults: Faults) -> Driver:
    blobs = FaultyBlobs(ground.blobs)
    made = Driver.of(workflow, url=ground.url, clock=clock, blobs=blobs)
    sink = FaultySink()
    blobs.faults = sink.faults = faults
    made.sink = made.kernel.sink = sink
    return made


async def play(ground: Ground, name: str, faults: Faults, monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    make, scenario = SCENARIOS[name]
    clock = FakeClock()
    d = driver(ground, make(), clock, faults)
    with planted(faults, monkeypatch):
        # What the scenario's caller sees of a fault is an error; a process that died sees nothing.
        try:
            await scenario(d)
        except (EngineError, Broken):
            pass
        except (AssertionError, ValueError):
            # The scenario found less than it looked for: a lost lease, a job that was not taken.
            assert faults.hit
        await d.close()
    return clock


async def recover(ground: Ground, name: str, clock: FakeClock) -> None:
    """The process starts again, the clock goes on: everything has to come to its end."""
    d = driver(ground, SCENARIOS[name][0](), clock, Faults())
    for _ in range(12):
        clock.advance(timedelta(minutes=6))
        await d.host.run_maintenance_tick()
        await d.drain()
        await d.dispatch(ReapStuckRuns(stuck_threshold=timedelta(minutes=15)))
        runs = (await d.inspector.runs()).items
        if all(run.status in TERMINAL_RUN for run in runs):
            break
    assert {run.status for run in runs} <= TERMINAL_RUN, [(run.status, run.current_stages) for run in runs]
    assert len(runs) <= 1
    found: list[Any] = await check(d.kernel.persistence, d.blobs)
    assert found == []
    sequences = [event.sequence for run in runs for event in await d.events(run.id)]
    assert sequences == list(range(1, len(sequences) + 1))
    await d.close()


async def sweep(name: str, mode: Mode, stride: int, ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    """Break at every `stride`-th point, beginning with another one for each mode."""
    counting = Faults()
    await play(ground, name, counting, monkeypatch)
    assert counting.count > 30
    points = range(1 + MODES.index(mode) * stride // len(MODES), counting.count + 1, stride)
    for at in points:
        ground.renew()
        faults = Faults(at, mode)
        clock = await play(ground, name, faults, monkeypatch)
        assert faults.hit, f"point {at} of {counting.count} was not met"
        try:
            await recover(ground, name, clock)
        except AssertionError as error:
            raise AssertionError(f"{name}, {mode} at point {at} of {counting.count}: {error}") from error
    ground.clear()
    print(f"{name}, {mode}: {len(points)} of {counting.count} points, {dict(counting.kinds)}")


every_way = pytest.mark.parametrize("mode", MODES)
every_scenario = pytest.mark.parametrize("name", SCENARIOS)


@pytest.fixture
def on_sqlite(template: Path) -> Ground:
    return Ground(template, None)


@pytest.fixture
def on_postgres(template: Path, reused_postgres: Callable[[], str]) -> Ground:
    return Ground(template, reused_postgres)


@pytest.fixture
def on_new_postgres(template: Path, new_postgres: Callable[[], str]) -> Ground:
    """For very many points, whose databases nobody wants to keep."""
    return Ground(template, new_postgres)


@every_way
@every_scenario
async def test_a_fault_here_and_there_leaves_everything_sound(
    name: str, mode: Mode, on_sqlite: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    await sweep(name, mode, 19, on_sqlite, monkeypatch)


@every_way
@every_scenario
async def test_a_broken_line_to_postgres_leaves_everything_sound(
    name: str, mode: Mode, on_postgres: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    await sweep(name, mode, 61, on_postgres, monkeypatch)


@pytest.mark.slow
@pytest.mark.timeout(600)
@every_way
@every_scenario
async def test_a_fault_at_any_point_leaves_everything_sound(
    name: str, mode: Mode, on_sqlite: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    await sweep(name, mode, 1, on_sqlite, monkeypatch)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@every_way
@every_scenario
async def test_a_broken_line_to_postgres_anywhere_leaves_everything_sound(
    name: str, mode: Mode, on_new_postgres: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    await sweep(name, mode, 1, on_new_postgres, monkeypatch)
