"""Events: everything the engine tells parses as what it says it is, with nothing left over."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from kernel_driver import Drive, Driver
from kernel_workflows import MINUTE, Acts, batch, flow, step

from engine import Completion, RerunFrom, RetryFailed, RetryPolicy, events

NOT_YET = {"annotation:created"}
"""Declared, and written by no command there is so far."""


@dataclass(frozen=True)
class Told:
    """Runs that between them have every kind of event."""

    driver: Driver
    run_ids: list[str]


async def eventful(d: Driver) -> Told:
    run_id = await d.begun(input={"n": 1})
    await d.crash()
    await d.reap()
    await d.drain()
    d.clock.advance(timedelta(minutes=2))
    await d.drain()
    d.clock.advance(MINUTE)
    await d.poll()
    await d.drain()
    await d.dispatch(RetryFailed(run_id=run_id))
    await d.drain()
    d.clock.advance(MINUTE)
    await d.poll()
    await d.dispatch(RerunFrom(run_id=run_id, from_stage_id="say"))
    cancelled = await d.begun("other")
    await d.cancel(cancelled, reason="enough")
    d.sink.failures[:] = [ValueError("no")] * 6
    for _ in range(4):
        await d.flush(max_events=1000)
        d.clock.advance(timedelta(hours=1))
    await d.flush(max_events=1000)
    return Told(d, [run_id, cancelled])


@pytest.fixture
async def told(drive: Drive) -> Told:
    def say(ctx: Any) -> str:
        ctx.progress(0.5, "half", n=1)
        return "said"

    d = drive(
        flow(
            step("say", Acts(ValueError("x"), say)),
            batch(
                "ask", Acts(Completion.failed("expired"), Completion.ready("out")), retry=RetryPolicy(max_attempts=1)
            ),
        ),
        flow(step("one"), id="other"),
    )
    return await eventful(d)


async def test_every_payload_is_its_class_with_no_field_left_over(told: Told) -> None:
    seen = set()
    for run_id in told.run_ids:
        for view in await told.driver.events(run_id):
            common = view.model_dump(include={"id", "run_id", "sequence", "type", "occurred_at", "causation_id"})
            event = events.parse_event({**view.payload, **common})
            assert type(event) is not events.Event, view.type
            own = set(type(event).model_fields) - set(events.Event.model_fields)
            assert set(view.payload) <= own
            required = {name for name in own if type(event).model_fields[name].is_required()}
            assert required <= set(view.payload)
            seen.add(view.type)
    assert seen == events.EVENT_TYPES - NOT_YET


async def test_b159_sequences_have_no_gaps_and_each_event_a_cause(told: Told) -> None:
    for run_id in told.run_ids:
        views = await told.driver.events(run_id)
        assert [view.sequence for view in views] == list(range(1, len(views) + 1))
        assert all(view.causation_id and view.occurred_at.tzinfo for view in views)
        assert len({view.id for view in views}) == len(views)


async def test_the_sink_gets_typed_events(told: Told) -> None:
    by_type = {event.type: event for event in told.driver.sink.events}
    retrying, reaped = by_type["stage:retrying"], by_type["lease:reaped"]
    assert isinstance(retrying, events.StageRetrying)
    assert retrying.due_at.tzinfo is not None
    assert isinstance(reaped, events.LeaseReaped)
    assert (reaped.stage_id, reaped.attempt, reaped.worker_id) == ("say", 1, "w")
    assert {type(event).__name__ for event in told.driver.sink.events} >= {
        "StageProgress",
        "RunRerun",
        "EventDeadLettered",
    }


async def test_the_events_of_one_delivery_belong_together(told: Told) -> None:
    views = await told.driver.events(told.run_ids[0])
    failed = [view for view in views if view.type in ("stage:failed", "stage:retrying")][:2]
    assert [view.type for view in failed] == ["stage:failed", "stage:retrying"]
    assert failed[0].causation_id == failed[1].causation_id
