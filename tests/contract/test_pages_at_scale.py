"""What the inspector's pages cost a full database: processor time, so that a busy machine says the same."""

from __future__ import annotations

import os
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import pytest
from full_store import fill
from sqlalchemy import text

from engine.blobs.memory import MemoryBlobStore
from engine.inspector import Inspector, LogLevel, PageRequest, RunFilter
from engine.ports.persistence import Persistence
from engine.ports.reads import ReadStore
from engine.stores.databases import database_at
from engine.stores.sql.reads import SqlReads

R = TypeVar("R")
Page = Callable[[], Awaitable[Any]]

MOST_MS = 100.0
REPEATS = 5


class Metered:
    """A store that sums up the processor time of its reads."""

    def __init__(self, store: Persistence) -> None:
        self._store = store
        self.spent_ms = 0.0

    async def read(self, fn: Callable[[ReadStore], R]) -> R:
        def read(reads: ReadStore) -> R:
            assert isinstance(reads, SqlReads)
            clock = _clock_of(reads)
            began = clock()
            try:
                return fn(reads)
            finally:
                self.spent_ms += (clock() - began) * 1000

        return await self._store.read(read)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


def _clock_of(reads: SqlReads) -> Callable[[], float]:
    """SQLite works on the reader's own thread, Postgres in a process of its own."""
    if reads._dialect.name == "sqlite":
        return time.thread_time
    backend = reads._connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
    ticks = os.sysconf("SC_CLK_TCK")
    stat = Path(f"/proc/{backend}/stat")
    if not stat.exists():  # a server somewhere else
        return time.monotonic

    def cpu() -> float:
        fields = stat.read_text().rpartition(")")[2].split()
        return time.thread_time() + (int(fields[11]) + int(fields[12])) / ticks

    return cpu


def filters(now: datetime, runs: int) -> dict[str, RunFilter]:
    """What one filters by, from what most runs have to what none has."""
    return {
        "all": RunFilter(),
        "failed": RunFilter(status=("FAILED",)),
        "running": RunFilter(status=("RUNNING",)),
        "waiting": RunFilter(status=("WAITING",)),
        "retrying": RunFilter(status=("RETRYING",)),
        "one workflow": RunFilter(workflow_id=("flow-3",)),
        "failed of one workflow": RunFilter(workflow_id=("flow-3",), status=("FAILED",)),
        "of the last day": RunFilter(since=now - timedelta(days=1)),
        "long ago": RunFilter(until=now - timedelta(minutes=runs // 2)),
        "by key": RunFilter(key=("key-7",)),
        "by cause": RunFilter(fingerprint=("cause-3",)),
        "by a cause that none has": RunFilter(fingerprint=("none",)),
        "at a stage": RunFilter(stage_id=("step-3",)),
        "dear": RunFilter(min_cost=Decimal("0.09")),
        "long": RunFilter(min_duration=timedelta(seconds=40)),
        "search for what most have": RunFilter(text=("WEATHER",)),
        "search for what one has": RunFilter(text=(f"document {runs - 5} ",)),
        "search for what none has": RunFilter(text=("nowhere to be found",)),
        "search an error": RunFilter(error=("row 13",)),
        "search an error that none has": RunFilter(error=("nowhere to be found",)),
    }


async def pages(inspector: Inspector, runs: int) -> dict[str, Page]:
    """What the console and the command line ask for."""
    ask, now = inspector, datetime.now(UTC)
    newest = (await ask.runs()).items[0].id
    oldest = (await ask.runs(RunFilter(), PageRequest(sort="created_at"))).items[0].id
    deep = (await ask.runs(RunFilter(), PageRequest(limit=min(10_000, runs // 2)))).next_cursor
    line = (await ask.tail_logs(limit=50)).items[0].id
    day, week = now - timedelta(days=1), now - timedelta(days=7)
    found: dict[str, Page] = {
        f"runs: {name}": lambda criteria=criteria: ask.runs(criteria)  # type: ignore[misc]
        for name, criteria in filters(now, runs).items()
    }
    for sort in ("-completed_at", "completed_at", "-updated_at", "-total_cost", "-duration_ms", "priority", "status"):
        found[f"runs: by {sort}"] = lambda sort=sort: ask.runs(RunFilter(), PageRequest(sort=sort))  # type: ignore[misc]
    for by in ("model", "workflow", "stage", "day"):
        found[f"costs of a week by {by}"] = lambda by=by: ask.costs(by, since=week)  # type: ignore[misc]
    return found | {
        "overview": ask.overview,
        "runs: a deep page": lambda: ask.runs(RunFilter(), PageRequest(cursor=deep)),
        "run": lambda: ask.run(oldest),
        "explain": lambda: ask.explain(newest),
        "a shortened id": lambda: ask.resolve(oldest[:8]),
        "logs": ask.logs,
        "logs of a run": lambda: ask.logs(oldest),
        "lines that say what all say": lambda: ask.logs(search="PARSED and"),
        "lines that say what some say": lambda: ask.logs(search=f"of run {runs - 7}:"),
        "lines that say what none says": lambda: ask.logs(search="nowhere to be found"),
        "a page in its fields": lambda: ask.logs(search=str(runs - 9)),
        "grave lines": lambda: ask.logs(level=LogLevel.ERROR),
        "lines of the last hour": lambda: ask.logs(since=now - timedelta(hours=1)),
        "tail": lambda: ask.tail_logs(limit=500),
        "tail of a run": lambda: ask.tail_logs(oldest),
        "tail on": lambda: ask.tail_logs(after=line),
        "events": lambda: ask.events(oldest),
        "dead letters": ask.dead_letters,
        "dead letters of a run": lambda: ask.dead_letters(oldest),
        "failures": ask.failures,
        "failures of a day": lambda: ask.failures(RunFilter(since=day)),
        "queue": ask.queue,
        "workers": ask.workers,
        "workflows": ask.workflows,
        "sinks": ask.sinks,
        "audit": ask.audit,
    }


async def too_dear(url: str, runs: int, most_ms: float) -> dict[str, float]:
    """The pages that cost more than that, and what they cost."""
    fill(url, runs)
    database = database_at(url)
    store = Metered(database.store(database.clock(), read_only=False, durability="full"))
    inspector = Inspector(store, MemoryBlobStore(), dict)  # type: ignore[arg-type]
    spent: dict[str, float] = {}
    for name, page in (await pages(inspector, runs)).items():
        await page()
        costs = []
        for _ in range(REPEATS):
            store.spent_ms = 0.0
            await page()
            costs.append(store.spent_ms)
        # What other processes of the tests take from this one is not the page's cost.
        spent[name] = min(costs)
    await store.close()
    print("\n".join(f"{cost:8.1f} ms  {name}" for name, cost in sorted(spent.items(), key=lambda one: -one[1])[:15]))
    return {name: round(cost, 1) for name, cost in spent.items() if cost > most_ms}


async def test_a_page_costs_little(url: str) -> None:
    assert await too_dear(url, 2_000, 20.0) == {}


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_a_page_costs_little_among_100_000_runs(url: str) -> None:
    assert await too_dear(url, 100_000, MOST_MS) == {}
