"""Replaying dead letters ends as delivered, dead again or still pending; on both databases, with a real worker."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, cast

from pydantic import BaseModel

from engine import CreateRun, NoConfig, StageContext, WorkflowBuilder, stage
from engine.bootstrap import Engine, open_engine
from wfconsole import letters
from wfconsole.bulk import Pace
from wfconsole.gateway import Gateway

PATIENCE = timedelta(seconds=30)
AT_ONCE = timedelta(0)


class Text(BaseModel):
    text: str = ""


@stage(id="only", name="Only")
async def only(ctx: StageContext[Text, NoConfig]) -> Text:
    return ctx.input


FLOW = WorkflowBuilder("letters", "Letters", input=Text).pipe(only).build()


class Sink:
    """Refuses everything while `down`, and always what is in `never`."""

    id = "test-sink"
    max_retries = 1

    def __init__(self) -> None:
        self.down = True
        self.never: set[str] = set()
        self.got: list[str] = []

    async def emit(self, event: Any) -> None:
        if self.down or event.id in self.never:
            raise ConnectionError("refused")
        self.got.append(event.id)


class Door:
    """What `letters` needs of a gateway."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.inspector, self.send, self.changed = engine, engine.inspector, engine.dispatch, engine.changed


@asynccontextmanager
async def dead_letters(url: str) -> AsyncIterator[tuple[Gateway, Sink, list[str]]]:
    """A database with the dead letters of one run, in their order, and the sink that refused them."""
    sink = Sink()
    async with open_engine(url, workflows=[FLOW], event_sink=sink) as engine:
        created = await engine.dispatch(CreateRun(idempotency_key="k", workflow_id="letters", input={}))
        gateway = cast("Gateway", Door(engine))
        async with engine.worker("w1"):
            await engine.wait(created.run_id, 30)
            while (await engine.inspector.overview()).undelivered:
                await engine.changed(0.2)
        dead = [event.id for event in await letters.every(gateway)]
        assert len(dead) > 3
        yield gateway, sink, dead


async def test_r11_a_replay_ends_as_delivered_in_the_old_order(url: str) -> None:
    async with dead_letters(url) as (gateway, sink, dead):
        sink.down = False
        async with gateway.engine.worker("w2"):
            report = await letters.replay(gateway, "b1", dead, Pace(), patience=PATIENCE)
        assert {(item.result, item.reason) for item in report.items} == {("done", letters.DELIVERED)}
        assert sink.got == dead
        again = await letters.replay(gateway, "b2", dead, Pace(), patience=AT_ONCE)
        assert (again.skipped, again.items[0].reason) == (len(dead), "it is no dead letter any more")


async def test_r11_without_a_flusher_it_is_still_pending(url: str) -> None:
    async with dead_letters(url) as (gateway, _, dead):
        assert not await letters.flusher_alive(gateway)
        report = await letters.replay(gateway, "b1", dead, Pace(), patience=AT_ONCE)
        assert {(item.result, item.reason) for item in report.items} == {("done", letters.PENDING)}


async def test_r11_what_dies_again_has_failed(url: str) -> None:
    async with dead_letters(url) as (gateway, sink, dead):
        sink.down, sink.never = False, {dead[1]}
        async with gateway.engine.worker("w2"):
            report = await letters.replay(gateway, "b1", dead, Pace(), patience=PATIENCE)
        assert (report.failed, report.done) == (1, len(dead) - 1)
        assert (report.items[1].reason or "").startswith("dead again: ")


async def test_r12_a_canary_that_dies_again_stops_the_rest(url: str) -> None:
    async with dead_letters(url) as (gateway, _, dead):
        async with gateway.engine.worker("w2"):
            report = await letters.replay(gateway, "b1", dead, Pace(canary=1), patience=PATIENCE)
        assert [item.result for item in report.items] == ["failed", *["skipped"] * (len(dead) - 1)]
        assert "the canary failed: dead again" in (report.items[1].reason or "")


async def test_r12_a_canary_nobody_delivers_stops_the_rest(url: str) -> None:
    async with dead_letters(url) as (gateway, _, dead):
        report = await letters.replay(gateway, "b1", dead, Pace(canary=1), patience=AT_ONCE)
        assert (report.items[0].reason, report.skipped) == (letters.PENDING, len(dead) - 1)


async def test_r12_letters_that_die_again_count_against_the_limit(url: str) -> None:
    async with dead_letters(url) as (gateway, _, dead):
        async with gateway.engine.worker("w2"):
            pace = Pace(pause=1.0, most_failures=0)
            report = await letters.replay(gateway, "b1", dead, pace, patience=PATIENCE)
        assert report.items[-1].result == "skipped"
        assert "more than 0" in (report.items[-1].reason or "")


async def test_r11_discarding_says_what_was_gone_already(url: str) -> None:
    async with dead_letters(url) as (gateway, _, dead):
        report = await letters.discard(gateway, "b1", dead[:2], "old")
        assert (report.done, report.skipped) == (2, 0)
        report = await letters.discard(gateway, "b2", dead[:3], "old")
        assert [item.result for item in report.items] == ["skipped", "skipped", "done"]
        assert [event.id for event in await letters.every(gateway)] == dead[3:]
