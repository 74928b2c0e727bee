"""A storm on Postgres: workers are killed, the server is restarted in immediate mode, and nothing is lost or done
twice."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from postgres_server import PostgresServer, create_database
from race_workflows import WORKFLOWS, create

from engine import StoreUnavailable
from engine.bootstrap import Engine, open_engine, upgrade_schema
from engine.inspector import PageRequest

ROOT = Path(__file__).resolve().parents[2]
LEASE = 2.0
PATIENCE = 240.0


class Crew:
    """Two workers; who dies is replaced."""

    def __init__(self, url: str) -> None:
        self.kills = self.starts = 0
        self._url = url
        self._workers = [self._start(), self._start()]

    def _start(self) -> subprocess.Popen[bytes]:
        self.starts += 1
        words = [sys.executable, str(Path(__file__).with_name("storm_worker.py")), self._url, str(LEASE)]
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        return subprocess.Popen(words, env={**os.environ, "PYTHONPATH": str(ROOT)}, **quiet)  # type: ignore[call-overload,no-any-return]

    def look_after(self) -> None:
        """Whoever left because it found no database is replaced."""
        for place, worker in enumerate(self._workers):
            if worker.poll() is not None:
                self._workers[place] = self._start()

    def kill_one(self) -> None:
        place = random.randrange(2)
        self._workers[place].kill()
        self._workers[place].wait()
        self.kills += 1
        self.look_after()

    def close(self) -> None:
        for worker in self._workers:
            worker.kill()
            worker.wait()


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    made = PostgresServer(durable=True)
    yield made
    made.remove()


async def unended(engine: Engine) -> int | None:
    """How many runs have not ended; None while nobody can be asked."""
    try:
        counts = (await engine.inspector.overview()).counts
    except StoreUnavailable:
        return None
    return counts["PENDING"] + counts["RUNNING"]


async def storm(server: PostgresServer, runs: int, every: float, restarts: int) -> None:
    url = create_database(server.url(), "storm")
    upgrade_schema(url)
    async with open_engine(url, workflows=WORKFLOWS) as engine:
        run_ids = await create(engine, "double", runs)
        crew = Crew(url)
        try:
            began = killed = time.monotonic()
            restarted = 0
            while (left := await unended(engine)) != 0:
                now = time.monotonic()
                assert now - began < PATIENCE, f"{left} runs have not ended"
                if now - killed > every:
                    killed = now
                    crew.kill_one()
                if restarted < restarts and left is not None and left < runs * (restarts - restarted) // (restarts + 1):
                    restarted += 1
                    crew.kill_one()
                    await asyncio.to_thread(server.stop, "immediate")
                    await asyncio.to_thread(server.start)
                crew.look_after()
                await asyncio.to_thread(_pause, 0.05)
            assert restarted == restarts
            assert crew.kills >= restarts
        finally:
            crew.close()
        await check(engine, run_ids)


def _pause(seconds: float) -> None:
    """The rhythm of the storm: nothing waits for it."""
    import threading

    threading.Event().wait(seconds)


async def check(engine: Engine, run_ids: list[str]) -> None:
    assert await engine.fsck() == []
    counts = (await engine.inspector.overview()).counts
    assert counts["COMPLETED"] + counts["FAILED"] == len(run_ids)
    # How many are beside the killed three times in a row depends on the machine; it is never most of them.
    assert counts["COMPLETED"] >= len(run_ids) * 0.8
    for run_id in run_ids:
        events = (await engine.inspector.events(run_id, PageRequest(limit=1000, sort="sequence"))).items
        assert [event.sequence for event in events] == list(range(1, len(events) + 1))
        run = await engine.inspector.run(run_id)
        if run.status == "FAILED":
            # Whoever is beside the killed three times in a row has used up its tries.
            assert (run.error_code, run.stages[-1].tries) == ("CRASH_LIMIT", 3)
            continue
        done = [event.payload["stage_id"] for event in events if event.type == "stage:completed"]
        assert done == ["one", "two"], "a stage was committed twice, or not at all"
        ends = [event.type for event in events if event.type.startswith("workflow:")]
        assert ends == ["workflow:created", "workflow:started", "workflow:completed"]


@pytest.mark.timeout(300)
async def test_killed_workers_and_a_server_that_crashes_lose_nothing(server: PostgresServer) -> None:
    await storm(server, runs=200, every=2.0, restarts=1)


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_a_long_storm_loses_nothing(server: PostgresServer) -> None:
    await storm(server, runs=5000, every=2.0, restarts=2)
