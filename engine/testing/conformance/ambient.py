"""What `engine.ports.clock.Clock` promises, and what an `engine.ports.sink.EventSink` has to bear."""

from __future__ import annotations

from datetime import UTC, timedelta
from typing import Any

import pytest

from engine.events import EVENT_TYPES, Event, parse_event
from engine.ports.clock import Clock
from engine.ports.sink import EventSink
from engine.testing.conformance.records import NOON

FIELDS: dict[str, Any] = {
    "workflow_id": "flow",
    "stage_id": "step",
    "stage_name": "Step",
    "stage_number": 1,
    "attempt": 1,
    "error": "ValueError: ä \x1b[31m'",
    "progress": 0.5,
    "key": "key",
    "value": {"deep": [1, None, "ä"]},
    "due_at": NOON.isoformat(),
    "from_stage_id": "step",
    "deleted_stages": ["step"],
    "event_id": "e",
}
"""All that any kind of event must have."""


def event_of(kind: str, sequence: int = 1) -> Event:
    common = {"id": f"e{sequence}", "run_id": "r" * 20, "sequence": sequence, "causation_id": "cause"}
    return parse_event({**FIELDS, **common, "type": kind, "occurred_at": NOON.isoformat()})


class ClockPromises:
    """Needs the fixture `clock`: a `Clock`."""

    def test_an_instant_is_aware_and_utc(self, clock: Clock) -> None:
        now = clock.now()
        assert now.utcoffset() == timedelta(0)
        assert now.astimezone(UTC) == now

    def test_instants_do_not_run_backwards_while_nobody_sets_the_clock(self, clock: Clock) -> None:
        instants = [clock.now() for _ in range(1000)]
        assert instants == sorted(instants)


class SinkPromises:
    """Needs the fixture `sink`: an `EventSink` whose other end takes everything."""

    @pytest.mark.parametrize("kind", [*sorted(EVENT_TYPES), "future:unknown"])
    async def test_every_kind_of_event_is_taken(self, sink: EventSink, kind: str) -> None:
        event = event_of(kind)
        assert type(event) is not Event or kind == "future:unknown"
        await sink.emit(event)

    async def test_an_event_that_comes_again_is_taken_again(self, sink: EventSink) -> None:
        event = event_of("stage:completed")
        await sink.emit(event)
        await sink.emit(event)

    async def test_the_events_of_a_run_are_taken_one_after_the_other(self, sink: EventSink) -> None:
        for sequence in range(1, 20):
            await sink.emit(event_of("stage:cancelled", sequence))

    def test_how_often_it_is_tried_is_a_number_from_one_on(self, sink: EventSink) -> None:
        tries = getattr(sink, "max_retries", 3)
        assert isinstance(tries, int)
        assert tries >= 1
