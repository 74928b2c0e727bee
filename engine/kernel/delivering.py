"""Delivering a run's waiting events to every sink: each sink in order and by itself, so that one that fails holds back
only its own."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from engine.definition.retry import RetryPolicy
from engine.events import parse_event
from engine.kernel.rules.retry import backoff
from engine.model.json import loads
from engine.model.records import EventRecord, SinkDeliveryRecord
from engine.model.redaction import fit_to_write
from engine.ports.sink import EventSink

DEFAULT_MAX_RETRIES = 3
EMIT_SECONDS = 30.0
BACKOFF = RetryPolicy(initial_delay=timedelta(seconds=1), max_delay=timedelta(seconds=60), jitter=False)

States = Mapping[tuple[str, str], SinkDeliveryRecord]
"""What is known by (event id, sink id); nothing is known of an event a sink never had."""


def sinks_of(sink: EventSink) -> tuple[EventSink, ...]:
    """A fan-out's own sinks, or the one."""
    return tuple(getattr(sink, "sinks", ())) or (sink,)


def sink_id(sink: EventSink) -> str:
    return str(getattr(sink, "id", type(sink).__name__))


@dataclass(slots=True)
class AtSink:
    """What happened at one sink: its new states by event id, and why it stopped, if it failed."""

    sink: str
    target: str
    states: dict[str, SinkDeliveryRecord] = field(default_factory=dict)
    tried: int = 0
    failed: int = 0
    error: str | None = None
    held_until: datetime | None = None
    """Its next event is in its backoff until then."""
    cut_off: bool = False
    """Out of time: it could have gone on."""


async def deliver(
    sinks: Sequence[EventSink], waiting: Sequence[EventRecord], known: States, now: datetime, last_start: float
) -> list[AtSink]:
    """Each sink gets, in order, what it has not had; none begins after `last_start` (monotonic seconds)."""
    return list(await asyncio.gather(*(_at_one(sink, waiting, known, now, last_start) for sink in sinks)))


async def _at_one(
    sink: EventSink, waiting: Sequence[EventRecord], known: States, now: datetime, last_start: float
) -> AtSink:
    name = sink_id(sink)
    at = AtSink(name, str(getattr(sink, "target", name)))
    allowed = int(getattr(sink, "max_retries", DEFAULT_MAX_RETRIES))
    for event in waiting:
        before = known.get((event.id, name)) or SinkDeliveryRecord(event.id, name)
        if before.published_at is not None or before.dead_at is not None:
            continue
        if before.next_attempt_at is not None and before.next_attempt_at > now:
            at.held_until = before.next_attempt_at
            break
        if time.monotonic() > last_start:
            at.cut_off = True
            break
        at.tried += 1
        error = await _emit(sink, event)
        if error is None:
            at.error = None
            at.states[event.id] = before._replace(published_at=now, next_attempt_at=None, last_error=None)
            continue
        at.failed += 1
        at.error = error
        failed = before._replace(retry_count=before.retry_count + 1, last_error=error)
        if failed.retry_count < allowed:
            pause = backoff(BACKOFF, failed.retry_count, random.random())  # noqa: S311
            at.held_until = now + pause
            at.states[event.id] = failed._replace(next_attempt_at=at.held_until)
            break
        at.states[event.id] = failed._replace(dead_at=now, next_attempt_at=None)
    return at


async def _emit(sink: EventSink, event: EventRecord) -> str | None:
    """None when the sink took it, else why not."""
    fields = loads(event.payload)
    common = {
        "id": event.id,
        "run_id": event.run_id,
        "sequence": event.sequence,
        "type": event.type,
        "occurred_at": event.occurred_at,
        "causation_id": event.causation_id,
    }
    try:
        async with asyncio.timeout(EMIT_SECONDS):
            await sink.emit(parse_event({**fields, **common}))
    except TimeoutError as error:
        return fit_to_write(str(error)) or f"the sink took longer than {EMIT_SECONDS:g} s"
    except Exception as error:
        return fit_to_write(f"{type(error).__name__}: {error}")
    return None
