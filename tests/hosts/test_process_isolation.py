"""Bodies in processes of their own: they say, ask and end as any other, and die alone."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import pytest
from lonely_bodies import FIRST_PIDS, WORKFLOWS
from worker_yard import Yard, until

from engine import Budgets, CancelRun, CreateRun, DefinitionError, NoConfig, StageContext, WorkflowBuilder, stage
from engine.bootstrap import Engine, open_engine
from engine.inspector import RunDetail


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    async with (
        open_engine(f"sqlite:///{tmp_path / 'runs.db'}", workflows=WORKFLOWS) as engine,
        engine.worker("w", concurrency=4),
    ):
        yield engine


async def create(engine: Engine, workflow_id: str = "lonely", config: Any = None, **order: Any) -> str:
    key = f"{workflow_id}-{len(list((await engine.inspector.runs()).items))}"
    command = CreateRun(idempotency_key=key, workflow_id=workflow_id, input=order, config=config or {})
    return (await engine.dispatch(command)).run_id


async def through(engine: Engine, **order: Any) -> RunDetail:
    return await engine.wait(await create(engine, **order), timeout=60)


async def test_b070_a_child_has_all_of_the_context(engine: Engine) -> None:
    run = await engine.wait(await create(engine, what="tell", config={"alone": {"word": "hi"}}), timeout=60)
    assert run.status == "COMPLETED", run.error
    output = run.output
    assert output["pid"] != os.getpid()
    assert (output["before"]["what"], output["kept"], output["word"]) == ("tell", [0, 255], "hi")
    assert output["facts"] == [run.id, "lonely", 2, 1, f"{run.id}:alone:0"]
    (line,) = (await engine.inspector.logs(run.id)).items
    assert (line.message, line.level, line.fields, line.stage_id) == (
        "from the child",
        "WARN",
        {"pid": output["pid"]},
        "alone",
    )
    assert run.stages[1].progress_message == "half"
    assert [note.value for note in (await engine.inspector.annotations(run.id)).items] == [{"n": 1}]


async def test_b072_only_the_stages_that_ask_for_it_leave_the_process(engine: Engine) -> None:
    """What the first stage says comes from this process, what the second says from another."""
    run = await through(engine, what="tell")
    assert FIRST_PIDS[run.id] == os.getpid()
    assert run.output["pid"] != os.getpid()


async def test_a_child_asks_models_and_its_parent_notes_it(engine: Engine) -> None:
    run = await through(engine, what="think")
    assert run.status == "COMPLETED", run.error
    rows = (await engine.inspector.ai_calls(run.id)).items
    assert [(row.status, row.model, row.stage_id, row.attempt) for row in rows] == [
        ("ok", "offline/demo", "alone", 1)
    ] * 2
    same, call_id, topic = run.output
    assert same
    assert call_id in {row.id for row in rows}
    assert topic == f"workflow.{run.id}.stage.alone"
    assert run.total_cost == sum(row.cost or 0 for row in rows)
    assert run.total_cost
    assert run.stages[1].cost == run.total_cost


@pytest.mark.parametrize("on_exceeded", ["fail", "suspend"])
async def test_a_child_is_held_to_its_budget(tmp_path: Path, on_exceeded: Literal["fail", "suspend"]) -> None:
    url = f"sqlite:///{tmp_path / 'runs.db'}"
    budgets = Budgets(run=Decimal("0.0000001"), on_exceeded=on_exceeded)
    async with open_engine(url, workflows=WORKFLOWS, budgets=budgets) as engine, engine.worker("w"):
        run_id = await create(engine, what="think")
        async with asyncio.timeout(60):
            while (why := await engine.inspector.explain(run_id)).code != "budget":
                await engine.changed(1.0)
        run = await engine.inspector.run(run_id)
        assert run.status == ("FAILED" if on_exceeded == "fail" else "RUNNING")
        assert why.facts["error"].startswith("BudgetExceeded: the budget of run")
        assert len((await engine.inspector.ai_calls(run_id)).items) == 1


async def test_artifacts_metrics_and_large_outputs_come_through(engine: Engine) -> None:
    run = await through(engine, what="extras")
    assert run.output == "o"
    assert [(one.name, one.size) for one in run.stages[1].artifacts] == [("a.bin", 2), ("b.json", 3)]
    assert run.stages[1].metrics == {"m": 2}
    large = await through(engine, what="large", size=20_000_000)
    assert len(large.output) == 20_000_000


@pytest.mark.parametrize(
    ("what", "error", "attempts"),
    [("refuse", "no", 1), ("raise", "ValueError: bad", 3), ("missing", "KeyError", 3), ("sys.exit", "SystemExit", 3)],
)
async def test_an_exception_is_told_as_in_process(engine: Engine, what: str, error: str, attempts: int) -> None:
    run = await through(engine, what=what)
    assert run.error is not None
    assert run.error.startswith(error)
    assert (run.status, run.stages[1].attempt) == ("FAILED", attempts)


@pytest.mark.parametrize(
    ("what", "how"),
    [
        ("kill", "its process was killed by SIGKILL"),
        ("segfault", "its process was killed by SIGSEGV"),
        ("exit", "its process left with exit code 7"),
    ],
)
async def test_d03_a_process_that_dies_is_failed_after_exactly_its_attempts(
    engine: Engine, what: str, how: str
) -> None:
    run = await through(engine, what=what)
    assert (run.status, run.error_code, run.error) == (
        "FAILED",
        "CRASH_LIMIT",
        f"CRASH_LIMIT: {how} during try 3 of 3",
    )
    assert run.stages[1].attempt == 3
    assert [one.error for one in run.stages[1].attempts][:2] == [f"CRASHED: {how}"] * 2
    other = await through(engine, what="extras")
    assert other.status == "COMPLETED", "nothing else noticed"
    if what == "kill":
        lines = [line.fields.get("lines") for line in (await engine.inspector.logs(run.id)).items]
        assert all("last words" in line for line in lines if line)
        assert len(lines) == 3


async def test_a_cancelled_body_notices_and_a_deaf_one_is_killed(engine: Engine, tmp_path: Path) -> None:
    for what in ("hold", "deaf"):
        folder = tmp_path / what
        folder.mkdir()
        run_id = await create(engine, what=what, path=str(folder))
        await asyncio.to_thread(until, (folder / "entered-1").exists)
        pid = int((folder / "entered-1").read_text() or 0) or None
        await engine.dispatch(CancelRun(run_id=run_id))
        await asyncio.to_thread(until, lambda pid=pid: pid is None or not Path(f"/proc/{pid}").exists())
        assert (await engine.inspector.run(run_id)).status == "CANCELLED"
    assert (tmp_path / "hold" / "noticed").exists()


async def test_a_timeout_ends_the_process(engine: Engine, tmp_path: Path) -> None:
    run = await through(engine, workflow_id="impatient", path=str(tmp_path))
    assert (run.status, run.error_code) == ("FAILED", "TIMEOUT")
    entered = tmp_path / "entered-1"
    if entered.exists():
        await asyncio.to_thread(until, lambda: not Path(f"/proc/{entered.read_text()}").exists())


async def test_d03_the_culprit_alone_reaches_the_limit_and_its_neighbours_complete(yard: Yard, tmp_path: Path) -> None:
    """In process it takes the worker along; whoever was beside it goes on alone, and so does the culprit."""
    near = 7

    async with open_engine(yard.url, workflows=WORKFLOWS) as orders:

        async def order(workflow_id: str, name: str) -> str:
            folder = tmp_path / name
            folder.mkdir()
            given = {"path": str(folder), "size": near}
            command = CreateRun(idempotency_key=name, workflow_id=workflow_id, input=given)
            return (await orders.dispatch(command)).run_id

        culprit = await order("deadly", "culprit")
        neighbours = [await order("harmless", f"neighbour-{number}") for number in range(20)]
        first = yard.start("first", lease=1.0, concurrency=near + 1)
        await asyncio.to_thread(until, lambda: first.gone)
        second = yard.start("second", lease=1.0, concurrency=near + 1)
        found = await orders.wait(culprit, timeout=60)
        done = [await orders.wait(run_id, timeout=60) for run_id in neighbours]
        assert not second.gone, "its second try was alone already"
    assert (found.error_code, found.stages[0].attempt) == ("CRASH_LIMIT", 3)
    assert {run.status for run in done} == {"COMPLETED"}
    assert max(run.output for run in done) == 2, "some were beside it when it died"


def test_a_stage_no_process_could_import_is_refused() -> None:
    @stage(id="local", isolation="process")
    def local(ctx: StageContext[int, NoConfig]) -> int:
        return ctx.input

    with pytest.raises(DefinitionError, match="'local' has isolation='process', but no process could import it"):
        WorkflowBuilder("w", "W", input=int).pipe(local).build()
