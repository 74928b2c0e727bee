"""What has happened before a story begins: real runs of a real engine, on a clock that is put back."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from story_flows import EVERYTHING, summarise_docs

from engine.ai import Providers
from engine.ai.providers.fake import FakeAIProvider
from engine.bootstrap import Engine, open_engine
from engine.commands import AnnotateRun, ClaimPendingRuns, CreateRun, RetryFailed
from engine.inspector import PageRequest, RunFilter, RunStatus, StageStatus
from engine.sinks import WebhookSink
from engine.testing import FakeClock

Config = Mapping[str, Mapping[str, Any]]
_FEW = 10


class World:
    """A scratch database and the world around it; its clock stands where it is put."""

    def __init__(self, folder: Path, name: str = "prod.db") -> None:
        self.folder, self._name = folder, name
        self.now = datetime.now(UTC)
        self.clock = FakeClock(self.now)
        os.environ["STORY_WORLD"] = str(folder)

    @property
    def url(self) -> str:
        return f"sqlite:///{self.folder / self._name}"

    def is_so(self, name: str, so: bool = True) -> None:
        """Make something about the world outside true, or untrue."""
        (self.folder / name).touch() if so else (self.folder / name).unlink()

    def ago(self, **how_long: float) -> None:
        self.clock.set(self.now - timedelta(**how_long))

    @asynccontextmanager
    async def engine(self, **more: Any) -> AsyncIterator[Engine]:
        arguments = {"workflows": EVERYTHING, "clock": self.clock, "durability": "normal", "actor": "anna", **more}
        async with open_engine(self.url, **arguments) as engine:
            yield engine


async def create(engine: Engine, workflow: str, urls: Sequence[str], config: Config | None = None) -> list[str]:
    """A run of each document; their ids."""
    chosen = {stage: dict(fields) for stage, fields in (config or {}).items()}
    commands = [CreateRun(workflow_id=workflow, input={"url": url}, config=chosen, idempotency_key=url) for url in urls]
    return [(await engine.dispatch(command)).run_id for command in commands]


async def ended(engine: Engine, run_ids: Sequence[str], status: RunStatus) -> None:
    """Wait until all of these ended so."""
    for run_id in run_ids:
        run = await engine.wait(run_id, 30.0)
        assert run.status is status, run.error


async def polled(engine: Engine, run_ids: Sequence[str], times: int) -> None:
    """Wait until all of these wait for an outside result, and were asked so often whether it is there."""
    for run_id in run_ids:
        while not any(
            stage.status is StageStatus.SUSPENDED and stage.polls >= times
            for stage in (await engine.inspector.run(run_id)).stages
        ):
            await engine.changed(1.0)


def documents(first: int, count: int) -> list[str]:
    return [f"s3://docs/{number}.pdf" for number in range(first, first + count)]


async def rate_limited(world: World, failures: int, since: datetime) -> None:
    """Good runs until `since`; from then on each is refused by the provider, spread evenly until now."""
    async with world.engine() as engine, engine.worker("worker-1", 8):
        world.clock.set(since - timedelta(minutes=9))
        await ended(engine, await create(engine, "summarise-docs", documents(1, 12)), RunStatus.COMPLETED)
        world.is_so("provider-full")
        times = max(1, failures // _FEW)
        for number in range(times):
            world.clock.set(since + number * (world.now - since) / times)
            urls = documents(1000 + number * _FEW, min(_FEW, failures))
            await ended(engine, await create(engine, "summarise-docs", urls), RunStatus.FAILED)
    world.is_so("provider-full", so=False)


async def nobody_knows_it(world: World) -> str:
    """One run was begun, then the only worker that knows its workflow was taken away; others went well."""
    async with world.engine() as engine:
        world.ago(minutes=47)
        (stuck,) = await create(engine, "sort-mail", ["mail 8812"])
        await engine.dispatch(ClaimPendingRuns(worker_id="worker-7"))
    async with world.engine(workflows=[summarise_docs]) as engine, engine.worker("worker-1", 4):
        world.ago(minutes=20)
        await ended(engine, await create(engine, "summarise-docs", documents(1, 15)), RunStatus.COMPLETED)
    return stuck


async def cost_doubled(world: World) -> None:
    """The day before yesterday drafts were asked of a small model, yesterday of a large one; mail was as ever."""
    small, large = "openai/gpt-4o-mini", "openai/gpt-4o"
    provider = FakeAIProvider(cost=None, input_tokens=9_000, output_tokens=700, default="Dear reader, …")
    async with world.engine(providers=Providers(everything=provider)) as engine, engine.worker("worker-1", 8):
        for days, model in ((3, small), (2, small), (1, large)):
            noon = world.now.replace(hour=12, minute=0, second=0, microsecond=0)
            world.clock.set(noon - timedelta(days=days))
            config = {"outline": {"model": small}, "draft": {"model": model, "prompt": "Write a long draft"}}
            letters = [f"letter {days}/{number}" for number in range(12)]
            mails = [f"mail {days}/{number}" for number in range(150)]
            ids = await create(engine, "write-answers", letters, config)
            ids += await create(engine, "sort-mail", mails, {"outline": {"model": small}})
            await ended(engine, ids, RunStatus.COMPLETED)


async def webhook_down(world: World, address: str, letters: int) -> None:
    """Nobody answered at the address while these runs went by: their events are dead letters."""
    sink = WebhookSink("orders", address, on=["workflow:completed"], max_retries=1, allow_private=True)
    async with world.engine(event_sink=[sink]) as engine, engine.worker("worker-1", 8):
        world.ago(minutes=31)
        await ended(engine, await create(engine, "summarise-docs", documents(1, letters)), RunStatus.COMPLETED)
        while (await engine.inspector.overview()).dead_letters < letters:
            await engine.changed(1.0)


async def batch_waits(world: World, runs: int = 1) -> list[str]:
    """Batches that were handed in 20 hours ago, and polled in vain every six hours since."""
    async with world.engine() as engine, engine.worker("worker-1", 4):
        world.ago(days=2)
        await ended(engine, await create(engine, "summarise-docs", documents(1, 6)), RunStatus.COMPLETED)
        world.ago(hours=20)
        ids = await create(engine, "transcribe-calls", [f"s3://calls/{8812 + number}.wav" for number in range(runs)])
        for polls in range(4):
            await polled(engine, ids, polls)
            world.clock.advance(timedelta(hours=6, seconds=1))
    return ids


async def one_document(world: World) -> str:
    """One document went through an hour ago."""
    async with world.engine() as engine, engine.worker("worker-1", 4):
        world.ago(hours=1)
        (run_id,) = await create(engine, "summarise-docs", documents(8812, 1))
        await ended(engine, [run_id], RunStatus.COMPLETED)
    return run_id


async def incident(world: World) -> list[str]:
    """Three runs failed, somebody retried one of them in vain and noted what they know."""
    world.is_so("provider-full")
    async with world.engine() as engine, engine.worker("worker-1", 4):
        world.ago(minutes=26)
        ids = await create(engine, "summarise-docs", documents(8812, 3))
        await ended(engine, ids, RunStatus.FAILED)
        world.ago(minutes=12)
        await engine.dispatch(RetryFailed(run_id=ids[0]))
        await ended(engine, ids[:1], RunStatus.FAILED)
        note = {"note": "the quota of the key is used up; billing was asked for more"}
        await engine.dispatch(AnnotateRun(run_id=ids[0], attributes=note, actor_kind="human"))
    return ids


async def statuses(world: World, **wanted: Any) -> list[RunStatus]:
    """How the runs stand that match, as the database has it."""
    async with world.engine(read_only=True) as engine:
        page = await engine.inspector.runs(RunFilter(**wanted), PageRequest(limit=500))
    return [run.status for run in page.items]


async def dead_letters(world: World) -> int:
    async with world.engine(read_only=True) as engine:
        return (await engine.inspector.overview()).dead_letters


async def polls(world: World, run_id: str) -> int:
    """How often the run's first stage was asked whether it is done."""
    async with world.engine(read_only=True) as engine:
        return (await engine.inspector.run(run_id)).stages[0].polls


async def rerun_with(world: World, run_id: str, stage_id: str) -> tuple[dict[str, Any], dict[str, int]]:
    """The overlap that stage has now, and the attempts of it and of the one before."""
    async with world.engine(read_only=True) as engine:
        run = await engine.inspector.run(run_id)
    attempts = {stage.stage_id: stage.attempt for stage in run.stages if stage.stage_id in ("chunk", stage_id)}
    return {"overlap": run.config[stage_id]["overlap"]}, attempts
