"""Several sinks: each has its own delivery state; one that fails holds back nothing of the others."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

from kernel_driver import Drive, Driver
from kernel_workflows import flow, step

from engine import DiscardDeadLetters, FlushOutbox, ReplayDeadLetters
from engine.sinks import FanOut
from engine.testing import CollectingEventSink

MINUTE = timedelta(minutes=1)


class Named(CollectingEventSink):
    def __init__(self, name: str, *failures: Exception, max_retries: int = 3) -> None:
        super().__init__(max_retries)
        self.id = name
        self.failures = list(failures)

    @property
    def sequences(self) -> list[int]:
        return [event.sequence for event in self.events]


def fan_out(d: Driver, *sinks: Named) -> None:
    d.kernel.sink = FanOut(sinks)


async def finished(drive: Drive) -> tuple[Driver, str]:
    d = drive(flow(step("one")))
    return d, (await d.through()).id


async def test_each_sink_gets_everything_in_order(drive: Drive) -> None:
    d, run_id = await finished(drive)
    one, other = Named("one"), Named("other")
    fan_out(d, one, other)
    result = await d.flush()
    assert (result.published, result.failed) == (5, 0)
    assert one.sequences == other.sequences == [1, 2, 3, 4, 5]
    assert {event.sink for event in await d.events(run_id)} == {"one, other"}
    assert await d.sql("SELECT * FROM sink_deliveries") == [], "nothing is left to know"
    assert (await d.flush()).published == 0


async def test_one_that_fails_holds_back_nothing_of_the_other(drive: Drive) -> None:
    d, run_id = await finished(drive)
    good, bad = Named("good"), Named("bad", OSError("down"))
    fan_out(d, good, bad)
    result = await d.flush()
    assert (result.published, result.failed) == (0, 1)
    assert (good.sequences, bad.sequences) == ([1, 2, 3, 4, 5], [])
    event = (await d.events(run_id))[0]
    assert (event.delivery, event.sink, event.last_error, event.retry_count) == ("pending", "bad", "OSError: down", 1)
    assert (await d.flush()).published == 0, "it is in its backoff"
    d.clock.advance(MINUTE)
    assert (await d.flush()).published == 5
    assert (good.sequences, bad.sequences) == ([1, 2, 3, 4, 5], [1, 2, 3, 4, 5])
    assert {one.delivery for one in await d.events(run_id)} == {"delivered"}
    assert await d.sql("SELECT * FROM sink_deliveries") == []


async def test_a_dead_letter_is_replayed_to_the_sink_that_gave_up_alone(drive: Drive) -> None:
    d, run_id = await finished(drive)
    good, bad = Named("good"), Named("bad", *[OSError("down")] * 3)
    fan_out(d, good, bad)
    for _ in range(3):
        await d.flush()
        d.clock.advance(MINUTE)
    (dead,) = (await d.inspector.dead_letters()).items
    assert (dead.sequence, dead.sink, dead.last_error, dead.retry_count) == (1, "bad", "OSError: down", 3)
    await d.flush()
    assert (good.sequences, bad.sequences) == ([1, 2, 3, 4, 5, 6], [2, 3, 4, 5, 6]), "later ones go on"
    assert (await d.dispatch(ReplayDeadLetters())).replayed == 1
    await d.flush()
    assert (good.sequences, bad.sequences) == ([1, 2, 3, 4, 5, 6], [2, 3, 4, 5, 6, 1])
    assert (await d.inspector.dead_letters()).items == []
    assert {one.delivery for one in await d.events(run_id)} == {"delivered"}


async def test_a_sink_that_came_later_and_one_that_left(drive: Drive) -> None:
    d, _ = await finished(drive)
    stays, leaves = Named("stays"), Named("leaves", *[OSError("down")] * 2)
    fan_out(d, stays, leaves)
    await d.flush()
    comes = Named("comes")
    fan_out(d, stays, comes)
    d.clock.advance(MINUTE)
    assert (await d.flush()).published == 5
    assert (stays.sequences, comes.sequences) == ([1, 2, 3, 4, 5],) * 2


async def test_how_sinks_do_can_be_seen(drive: Drive) -> None:
    d, _ = await finished(drive)
    good, bad = Named("good"), Named("bad", *[OSError("down")] * 9)
    fan_out(d, good, bad)
    began = d.clock.now()
    await d.flush()
    found = {one.id: one for one in await d.inspector.sinks()}
    assert (found["good"].ok_at, found["good"].pending, found["good"].failing_since) == (began, 0, None)
    assert (found["bad"].failing_since, found["bad"].pending, found["bad"].last_error) == (began, 5, "OSError: down")
    for _ in range(2):
        d.clock.advance(MINUTE)
        await d.flush()
    found = {one.id: one for one in await d.inspector.sinks()}
    assert (found["bad"].dead, found["bad"].failing_since) == (1, began)
    (dead,) = (await d.inspector.dead_letters()).items
    await d.dispatch(DiscardDeadLetters(event_ids=[dead.id], reason="old"))
    assert {one.id: one.dead for one in await d.inspector.sinks()} == {"good": 0, "bad": 0}


async def test_one_sink_needs_no_states(drive: Drive) -> None:
    d, _ = await finished(drive)
    d.kernel.sink = Named("only", OSError("down"))
    await d.flush()
    assert await d.sql("SELECT * FROM sink_deliveries") == []
    (found,) = await d.inspector.sinks()
    assert (found.id, found.pending, found.dead, found.last_error) == ("only", 5, 0, "OSError: down")


async def test_b152_four_flushers_deliver_each_run_in_order_without_a_gap(drive: Drive, tmp_path: Path) -> None:
    """Two sinks, one of which fails now and then: the order holds at both."""
    path, chance = tmp_path / "runs.db", random.Random(7)
    first = drive(flow(step("one")), path=path)
    drivers = [first, *(drive(flow(step("one")), path=path, clock=first.clock) for _ in range(3))]
    got: dict[str, Counter[tuple[str, int]]] = {"steady": Counter(), "shaky": Counter()}
    last: dict[tuple[str, str], int] = {}

    class Watched(Named):
        async def emit(self, event: Any) -> None:
            if self.id == "shaky" and chance.random() < 0.2:
                raise OSError("shaky")
            key = (self.id, event.run_id)
            assert event.sequence == last.get(key, 0) + 1, "a gap, or out of order"
            last[key] = event.sequence
            got[self.id][event.run_id, event.sequence] += 1
            await asyncio.sleep(0)

    for d in drivers:
        fan_out(d, Watched("steady", max_retries=50), Watched("shaky", max_retries=50))
    runs = 40
    for _ in range(runs):
        await first.create()
    while await first.drain():
        pass
    for _ in range(60):
        results = await asyncio.gather(*(d.dispatch(FlushOutbox(max_events=50)) for d in drivers))
        if not any(one.published or one.failed for one in results) and sum(got["shaky"].values()) == runs * 5:
            break
        first.clock.advance(MINUTE)
    for name in got:
        assert len(got[name]) == runs * 5, name
        assert set(got[name].values()) == {1}, name
