"""Many callers with one key: one run, and the same answer for all."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from race_workflows import WORKFLOWS, event_types, in_threads

from engine import CreateRun, CreateRunResult, IdempotencyConflict
from engine.bootstrap import Engine, open_engine

ROOT = Path(__file__).resolve().parents[2]
SAME = CreateRun(idempotency_key="same", workflow_id="single", input={"n": 1})


async def check_one_run(engine: Engine, answers: list[CreateRunResult]) -> None:
    assert all(answer == answers[0] for answer in answers)
    assert [run.id for run in (await engine.inspector.runs()).items] == [answers[0].run_id]
    assert await event_types(engine, answers[0].run_id) == ["workflow:created"]
    assert sum((await engine.inspector.overview()).counts.values()) == 1


async def test_concurrent_creates_on_one_loop(url: str) -> None:
    async with open_engine(url, workflows=WORKFLOWS) as engine:
        await check_one_run(engine, await asyncio.gather(*(engine.dispatch(SAME) for _ in range(32))))


async def test_concurrent_creates_on_32_threads(url: str) -> None:
    async with open_engine(url, workflows=WORKFLOWS) as engine:
        await check_one_run(engine, in_threads(32, lambda _: engine.dispatch(SAME)))


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_two_hundred_rounds_of_32_creates_are_two_hundred_runs(url: str) -> None:
    """Between two engines, each with a writer of its own."""
    async with open_engine(url, workflows=WORKFLOWS) as here, open_engine(url, workflows=WORKFLOWS) as there:
        for number in range(200):
            command = SAME.model_copy(update={"idempotency_key": f"round-{number}"})
            engines = [here, there] * 16
            answers = await asyncio.gather(*(engine.dispatch(command) for engine in engines))
            assert len({answer.run_id for answer in answers}) == 1
        assert sum((await here.inspector.overview()).counts.values()) == 200


async def test_two_payloads_under_one_key_are_one_run_and_conflicts(url: str) -> None:
    async with open_engine(url, workflows=WORKFLOWS) as engine:

        async def attempt(number: int) -> CreateRunResult | None:
            command = CreateRun(idempotency_key="same", workflow_id="single", input={"n": number % 2})
            with contextlib.suppress(IdempotencyConflict):
                return await engine.dispatch(command)
            return None

        found = in_threads(16, attempt)
        even, odd = found[0::2], found[1::2]
        winners, losers = (odd, even) if even[0] is None else (even, odd)
        assert losers == [None] * 8
        await check_one_run(engine, [answer for answer in winners if answer is not None])
        assert None not in winners


@contextlib.contextmanager
def creating(url: str, processes: int, count: int) -> Iterator[list[subprocess.Popen[str]]]:
    """Processes that are ready to begin."""
    words = [sys.executable, str(Path(__file__).with_name("create_process.py")), url, str(count)]
    started = [
        subprocess.Popen(
            words,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(processes)
    ]
    try:
        for process in started:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        yield started
    finally:
        for process in started:
            process.kill()
            process.communicate()


async def test_concurrent_creates_of_four_processes(url: str) -> None:
    with creating(url, processes=4, count=8) as processes:
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        said = [process.stdout.readline() for process in processes if process.stdout is not None]
    answers = [CreateRunResult.model_validate(one) for line in said for one in json.loads(line)]
    assert len(answers) == 32
    async with open_engine(url, workflows=WORKFLOWS) as engine:
        await check_one_run(engine, answers)
