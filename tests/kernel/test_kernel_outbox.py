"""The outbox: delivery in order, backoff, dead letters, replay and discard."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from datetime import timedelta
from typing import Any

import pytest
from kernel_driver import Drive, Driver
from kernel_workflows import flow, step

from engine import (
    DiscardDeadLetters,
    DiscardDeadLettersResult,
    Event,
    FlushOutboxResult,
    ReplayDeadLetters,
    RunNotFound,
    define_plugin,
)
from engine.bootstrap import open_engine
from engine.kernel import delivering
from engine.kernel.procedures import outbox_flush
from engine.plugins import PluginRunner
from engine.testing import FakeClock, MemoryBlobStore, make_kernel

HOUR = timedelta(hours=1)


class Refusing:
    """A sink that refuses the events it is told to, and keeps the others in order."""

    id = "refusing"

    def __init__(self, max_retries: int = 3) -> None:
        self.max_retries = max_retries
        self.refused: set[tuple[str, str]] = set()
        self.asked: list[Event] = []
        self.taken: list[Event] = []

    async def emit(self, event: Event) -> None:
        self.asked.append(event)
        if {(event.run_id, event.type), ("*", event.type)} & self.refused:
            raise ConnectionError("refused")
        self.taken.append(event)

    def types(self, run_id: str) -> list[str]:
        return [event.type for event in self.taken if event.run_id == run_id]


def with_sink(d: Driver, sink: Any) -> Any:
    d.kernel.sink = sink
    return sink


PLAIN = ["workflow:created", "workflow:started", "stage:started", "stage:completed", "workflow:completed"]


async def make_dead(d: Driver, sink: Refusing, run_id: str, type_: str = "workflow:started") -> None:
    """Have one event of the run given up, and everything after it delivered."""
    sink.refused.add((run_id, type_))
    for _ in range(sink.max_retries):
        await d.flush()
        d.clock.advance(HOUR)
    sink.refused.clear()
    await d.flush()


async def dead_types(d: Driver) -> list[str]:
    return [event.type for event in (await d.inspector.dead_letters()).items]


async def test_b151_nothing_reaches_the_sink_before_a_flush(drive: Drive) -> None:
    d = drive(flow(step("one")))
    run_id = (await d.through()).id
    assert d.sink.events == []
    assert {event.delivery for event in await d.events(run_id)} == {"pending"}
    d.clock.advance(HOUR)
    assert await d.flush() == FlushOutboxResult(published=5, failed=0, dead_lettered=0)
    assert d.sink.types == PLAIN
    events = await d.events(run_id)
    assert {(event.delivery, event.published_at, event.sink) for event in events} == {
        ("delivered", d.clock.now(), "collecting")
    }
    assert (await d.flush()).published == 0


async def test_b152_each_runs_events_come_in_order_without_gaps(drive: Drive) -> None:
    d = drive(flow([step("a"), step("b")], step("end")))
    ids = [(await d.through(input=n)).id for n in range(4)]
    await d.flush(max_events=1000)
    sequences: dict[str, list[int]] = defaultdict(list)
    for event in d.sink.events:
        sequences[event.run_id].append(event.sequence)
    assert sequences == {run_id: list(range(1, 10)) for run_id in ids}


async def test_b153_no_more_than_asked_for(drive: Drive) -> None:
    d = drive(flow(step("one")))
    await d.through()
    assert [(await d.flush(max_events=2)).published for _ in range(4)] == [2, 2, 1, 0]
    assert d.sink.types == PLAIN


async def test_b154_b164_a_failing_run_holds_back_only_itself(drive: Drive) -> None:
    d = drive(flow(step("one")))
    sink = with_sink(d, Refusing())
    failing = (await d.through()).id
    sink.refused.add((failing, "stage:started"))
    others = [(await d.through()).id for _ in range(3)]
    results = [await d.flush(max_events=8), await d.flush(max_events=100)]
    assert sum(result.failed for result in results) == 1
    assert sink.types(failing) == PLAIN[:2]
    assert [sink.types(run_id) for run_id in others] == [PLAIN] * 3


async def test_d12_a_failing_run_backs_off_twice_as_long_each_time(drive: Drive) -> None:
    d = drive(flow(step("one")))
    sink = with_sink(d, Refusing(max_retries=20))
    run_id = await d.create()
    sink.refused.add((run_id, "workflow:created"))
    for number, seconds in enumerate([1, 2, 4, 8, 16, 32, 60, 60], 1):
        assert (await d.flush()).failed == 1
        (event,) = await d.events(run_id)
        assert (event.retry_count, event.last_error) == (number, "ConnectionError: refused")
        assert event.next_attempt_at == d.clock.now() + timedelta(seconds=seconds)
        d.clock.advance(timedelta(seconds=seconds) - timedelta(microseconds=1))
        assert await d.flush() == FlushOutboxResult(published=0, failed=0, dead_lettered=0)
        d.clock.advance(timedelta(microseconds=1))


@pytest.mark.parametrize("budget", [1, 3, 5])
async def test_b155_b156_after_the_sinks_budget_an_event_is_dead(drive: Drive, budget: int) -> None:
    d = drive(flow(step("one")))
    sink = with_sink(d, Refusing(budget))
    run_id = (await d.through()).id
    sink.refused.add((run_id, "workflow:created"))
    results = []
    for _ in range(budget):
        results.append(await d.flush())
        d.clock.advance(HOUR)
    assert [result.dead_lettered for result in results] == [0] * (budget - 1) + [1]
    first = (await d.events(run_id))[0]
    assert (first.delivery, first.retry_count, first.last_error) == ("dead", budget, "ConnectionError: refused")
    assert first.dead_at == d.clock.now() - HOUR
    await d.flush()
    assert [event.type for event in sink.asked].count("workflow:created") == budget


async def test_b157_only_successes_count_as_published(drive: Drive) -> None:
    d = drive(flow(step("one")))
    sink = with_sink(d, Refusing())
    run_id = (await d.through()).id
    sink.refused.add((run_id, "stage:completed"))
    assert await d.flush() == FlushOutboxResult(published=3, failed=1, dead_lettered=0)


async def test_d12_b163_after_a_dead_letter_the_later_events_go_on_and_the_death_is_told(drive: Drive) -> None:
    d = drive(flow(step("one")))
    sink = with_sink(d, Refusing())
    run_id = (await d.through()).id
    await make_dead(d, sink, run_id)
    assert sink.types(run_id) == [PLAIN[0], *PLAIN[2:], "event:deadLettered"]
    dead = (await d.events(run_id))[1]
    told = [event for event in await d.events(run_id) if event.type == "event:deadLettered"]
    assert [(event.sequence, event.payload) for event in told] == [
        (6, {"event_id": dead.id, "error": "ConnectionError: refused"})
    ]
    assert await dead_types(d) == ["workflow:started"]


async def test_d18_word_of_a_dead_letter_never_becomes_one_itself(drive: Drive) -> None:
    d = drive(flow(step("one")))
    sink = with_sink(d, Refusing())
    run_id = await d.create()
    sink.refused |= {("*", "workflow:created"), ("*", "event:deadLettered")}
    for _ in range(10):
        await d.flush()
        d.clock.advance(HOUR)
    created, told = await d.events(run_id)
    assert (created.delivery, told.delivery) == ("dead", "discarded")
    assert (told.retry_count, told.last_error, told.dead_at) == (3, "ConnectionError: refused", None)
    assert await dead_types(d) == ["workflow:created"]


async def replay(d: Driver, **fields: Any) -> int:
    return (await d.dispatch(ReplayDeadLetters(**fields))).replayed


async def test_b158_a_replayed_event_is_due_at_once_with_a_fresh_budget(drive: Drive) -> None:
    d = drive(flow(step("one")))
    sink = with_sink(d, Refusing())
    run_id = (await d.through()).id
    assert await replay(d) == 0
    await make_dead(d, sink, run_id)
    assert await replay(d) == 1
    event = (await d.events(run_id))[1]
    assert (event.delivery, event.retry_count, event.dead_at) == ("pending", 0, None)
    assert (await d.flush()).published == 1
    assert sink.taken[-1].id == event.id
    assert (await d.events(run_id))[1].delivery == "delivered"
    assert await dead_types(d) == []


async def test_b158_a_replay_that_fails_again_is_dead_again(drive: Drive) -> None:
    d = drive(flow(step("one")))
    sink = with_sink(d, Refusing())
    run_id = (await d.through()).id
    await make_dead(d, sink, run_id)
    await replay(d)
    await make_dead(d, sink, run_id)
    assert await dead_types(d) == ["workflow:started"]
    assert [event.type for event in sink.asked].count("workflow:started") == 6


async def test_d12_replay_by_id_by_run_or_all_oldest_first(drive: Drive) -> None:
    d = drive(flow(step("one")))
    sink = with_sink(d, Refusing())
    ids = []
    for _ in range(3):
        ids.append((await d.through()).id)
        await make_dead(d, sink, ids[-1], "workflow:started")
        await make_dead(d, sink, ids[-1], "stage:started")
    dead = {run_id: (await d.inspector.dead_letters(run_id)).items for run_id in ids}
    assert [len(dead[run_id]) for run_id in ids] == [1, 1, 1]
    assert await replay(d, run_id=ids[1]) == 1
    assert await replay(d, event_ids=[dead[ids[2]][0].id, "unknown"]) == 1
    assert await replay(d, event_ids=[dead[ids[2]][0].id]) == 0
    assert await replay(d) == 1
    assert await replay(d) == 0
    with pytest.raises(RunNotFound):
        await replay(d, run_id="0" * 20)


async def test_d12_replayed_events_of_a_run_keep_their_order(drive: Drive) -> None:
    d = drive(flow(step("one")))
    sink = with_sink(d, Refusing(max_retries=1))
    run_id = (await d.through()).id
    sink.refused |= {("*", type_) for type_ in PLAIN}
    await d.flush()
    assert len(await dead_types(d)) == 5
    sink.refused.clear()
    await d.flush()
    sink.taken.clear()
    assert [await replay(d, max_events=2) for _ in range(4)] == [2, 2, 1, 0]
    await d.flush()
    assert [(event.type, event.sequence) for event in sink.taken] == list(zip(PLAIN, range(1, 6), strict=True))
    assert sink.types(run_id) == PLAIN


async def test_d12_a_discard_keeps_the_row_and_its_reason(drive: Drive) -> None:
    d = drive(flow(step("one")))
    sink = with_sink(d, Refusing())
    run_id = (await d.through()).id
    await make_dead(d, sink, run_id)
    before = await d.events(run_id)
    command = DiscardDeadLetters(event_ids=[before[1].id, before[0].id, "unknown"], reason="known outage")
    assert await d.dispatch(command) == DiscardDeadLettersResult(discarded=1)
    assert await d.dispatch(command) == DiscardDeadLettersResult(discarded=0)
    after = await d.events(run_id)
    assert [event.sequence for event in after] == list(range(1, 7))
    assert (after[1].delivery, after[0].delivery) == ("discarded", "delivered")
    assert (await replay(d), await dead_types(d), (await d.flush()).published) == (0, [], 0)
    with pytest.raises(ValueError, match="reason"):
        DiscardDeadLetters(event_ids=["x"], reason="")


async def test_d12_without_a_sink_nothing_is_flushed(drive: Drive) -> None:
    kernel = make_kernel([flow(step("one"))], clock=FakeClock())
    d = Driver(kernel, kernel.inspector, MemoryBlobStore(), FakeClock(), drive(flow(step("one"))).sink)
    run_id = await d.create()
    assert await d.flush() == FlushOutboxResult(published=0, failed=0, dead_lettered=0)
    (event,) = await d.events(run_id)
    assert (event.delivery, event.retry_count) == ("pending", 0)
    await d.close()


async def test_d12_one_flusher_at_a_time_delivers_a_run(drive: Drive) -> None:
    d = drive(flow(step("one")))
    await d.through()
    results = await asyncio.gather(*(d.flush() for _ in range(5)))
    assert sum(result.published for result in results) == 5
    assert d.sink.types == PLAIN


async def test_d12_a_flusher_whose_time_is_up_starts_no_further_run(
    drive: Drive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its claims could end while it delivers, and another flusher deliver the same runs."""
    d = drive(flow(step("one")))
    await d.through()
    monkeypatch.setattr(outbox_flush, "EMIT_SECONDS", outbox_flush.CLAIM.total_seconds() + 1)
    assert (await d.flush()).published == 0
    monkeypatch.undo()
    assert (await d.flush()).published == 5


async def test_a_sink_that_hangs_is_a_failed_delivery(drive: Drive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivering, "EMIT_SECONDS", 0.03)

    class Hanging:
        async def emit(self, event: Event) -> None:
            await asyncio.Event().wait()

    d = drive(flow(step("one")))
    with_sink(d, Hanging())
    run_id = await d.create()
    assert (await d.flush()).failed == 1
    (event,) = await d.events(run_id)
    assert event.last_error == "the sink took longer than 0.03 s"


async def test_b160_b161_plugins_are_called_in_order_and_all_again_after_a_failure(drive: Drive) -> None:
    calls: list[str] = []
    trouble = [ValueError("not now")]

    def plain(event: Event) -> None:
        calls.append(f"plain {event.type}")

    async def failing(event: Event) -> None:
        calls.append(f"failing {event.type}")
        if trouble:
            raise trouble.pop()

    d = drive(flow(step("one")))
    first = define_plugin("plain", "Plain", ["workflow:started", "workflow:completed"], plain)
    second = define_plugin("failing", "Failing", ["workflow:started"], failing)
    with_sink(d, PluginRunner([first, second]))
    run_id = (await d.through()).id
    assert (await d.flush()).published == 1
    d.clock.advance(timedelta(seconds=1))
    assert (await d.flush()).published == 4
    assert calls == [
        "plain workflow:started",
        "failing workflow:started",
        "plain workflow:started",
        "failing workflow:started",
        "plain workflow:completed",
    ]
    assert {event.delivery for event in await d.events(run_id)} == {"delivered"}


async def test_the_plugin_that_allows_most_deliveries_decides_for_all() -> None:
    hasty = define_plugin("hasty", "Hasty", ["workflow:started"], print, max_retries=1)
    patient = define_plugin("patient", "Patient", ["workflow:started"], print, max_retries=2)
    for plugins, allowed in ((hasty,), 1), ((hasty, patient), 2):
        async with open_engine("sqlite://", plugins=plugins) as engine:
            assert isinstance(engine.kernel.sink, PluginRunner)
            assert engine.kernel.sink.max_retries == allowed


async def test_b162_a_replayed_command_adds_no_event(drive: Drive) -> None:
    d = drive(flow(step("one")))
    for _ in range(3):
        await d.create(idempotency_key="k")
    await d.flush()
    assert d.sink.types == ["workflow:created"]
