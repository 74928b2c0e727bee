"""Two hundred calls at once, a tenth of them refused, and a worker killed in their midst: every call is one row."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import ai_worker
import pytest

from engine import CreateRun
from engine.ai import Providers
from engine.bootstrap import Engine, open_engine
from engine.inspector import AICallView
from engine.model.criteria import PageRequest

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60.0
PRICE = Decimal("0.001")
EVERYTHING = PageRequest(limit=10_000)


@pytest.fixture
def workers() -> Iterator[list[subprocess.Popen[bytes]]]:
    started: list[subprocess.Popen[bytes]] = []
    yield started
    for process in started:
        process.kill()
        process.wait()


def start(url: str, folder: Path, worker_id: str) -> subprocess.Popen[bytes]:
    script = str(Path(__file__).with_name("ai_worker.py"))
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, script, url, str(folder), worker_id], env=environment)


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


async def create(engine: Engine, folder: Path) -> str:
    command = CreateRun(idempotency_key="one", workflow_id="asking", input={"folder": str(folder)})
    return (await engine.dispatch(command)).run_id


async def all_calls(engine: Engine, run_id: str) -> list[AICallView]:
    return list((await engine.inspector.ai_calls(run_id, page=EVERYTHING)).items)


async def stored_money(engine: Engine, run_id: str) -> Decimal:
    def total(work: Any) -> Decimal:
        return Decimal(work.runs.get(run_id).total_cost)

    return await engine.kernel.persistence.transact(total)


async def test_two_hundred_calls_at_once_are_as_many_rows(url: str, tmp_path: Path) -> None:
    (tmp_path / "open").touch()
    providers = Providers(everything=ai_worker.Billing(tmp_path))
    async with open_engine(url, workflows=[ai_worker.made()], providers=providers) as engine:
        run_id = await create(engine, tmp_path)
        async with engine.worker("w"):
            run = await engine.wait(run_id, timeout=PATIENCE)
        rows = await all_calls(engine, run_id)
        assert Counter(row.status for row in rows) == {"ok": 180, "error": 20}
        assert run.output == {"answered": 180, "failed": 20}
        assert len(lines(tmp_path / "billed")) == 180
        assert run.total_cost == sum(row.cost or 0 for row in rows) == 180 * PRICE
        assert run.total_tokens == sum(row.input_tokens + row.output_tokens for row in rows) == 180 * 30
        assert (await engine.inspector.costs("run")).items[0].cost == run.total_cost
        assert await engine.fsck() == []


async def test_a_worker_killed_among_its_calls_loses_no_answer(
    url: str, tmp_path: Path, workers: list[subprocess.Popen[bytes]]
) -> None:
    async with open_engine(url, workflows=[ai_worker.made()]) as engine:
        run_id = await create(engine, tmp_path)
        workers.append(start(url, tmp_path, "victim"))
        give_up = time.monotonic() + PATIENCE
        while len(lines(tmp_path / "seen")) < 20:
            assert time.monotonic() < give_up, "no answers came"
            await engine.changed(0.05)
        workers[0].kill()
        workers[0].wait()
        seen_before = set(lines(tmp_path / "seen"))
        (tmp_path / "open").touch()
        workers.append(start(url, tmp_path, "heir"))
        run = await engine.wait(run_id, timeout=PATIENCE)
        rows = await all_calls(engine, run_id)

        assert run.status == "COMPLETED"
        assert run.output == {"answered": 180, "failed": 20}
        statuses = Counter((row.attempt, row.status) for row in rows)
        assert statuses[2, "ok"] == 180
        assert not [row for row in rows if row.status == "open"]
        answered = {row.id for row in rows if row.status == "ok"}
        assert set(lines(tmp_path / "seen")) <= answered, "an answer the body saw is in the store"
        assert seen_before < answered
        assert statuses[1, "interrupted"] >= 90, "those that were held were under way"
        assert all(row.cost is None for row in rows if row.status == "interrupted")
        billed = lines(tmp_path / "billed")
        assert len(billed) == len(set(billed))
        unrecorded = len(billed) - len(answered)
        assert 0 <= unrecorded <= statuses[1, "interrupted"]
        assert await stored_money(engine, run_id) == sum(row.cost or 0 for row in rows) == len(answered) * PRICE
        assert run.total_cost is None, "what the interrupted ones cost nobody knows"
        assert await engine.fsck() == []
