"""`outbox.flush`: deliver waiting events, in order within a run, each run by one flusher at a time."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from engine.commands import FlushOutbox, FlushOutboxResult
from engine.definition.retry import RetryPolicy
from engine.errors import EngineError
from engine.events import parse_event
from engine.kernel.changes import Changes
from engine.kernel.rules.retry import backoff
from engine.model.fingerprint import fingerprint
from engine.model.ids import new_token
from engine.model.json import loads
from engine.model.records import EventRecord
from engine.model.redaction import fit_to_write
from engine.ports.persistence import Persistence
from engine.ports.sink import EventSink
from engine.ports.work import UnitOfWork

DEFAULT_MAX_RETRIES = 3
EMIT_SECONDS = 30.0
CLAIM = timedelta(seconds=60)
RUNS_AT_ONCE = 50
_BACKOFF = RetryPolicy(initial_delay=timedelta(seconds=1), max_delay=timedelta(seconds=60), jitter=False)


@dataclass(slots=True)
class _Delivered:
    """What became of a run's events: as they are to be saved."""

    events: list[EventRecord]
    published: int = 0
    failed: int = 0
    dead: list[EventRecord] | None = None


async def flush(command: FlushOutbox, store: Persistence, sink: EventSink | None) -> FlushOutboxResult:
    if sink is None:
        return FlushOutboxResult(published=0, failed=0, dead_lettered=0)
    token = new_token()
    left = command.max_events
    published = failed = dead = 0
    while left > 0:
        limit = min(left, RUNS_AT_ONCE)
        last_start = time.monotonic() + CLAIM.total_seconds() - EMIT_SECONDS
        run_ids = await store.transact(partial(_claim, token=token, limit=limit))
        if not run_ids:
            break
        for run_id in run_ids:
            delivered = await _flush_run(store, sink, run_id, token, left, last_start)
            published += delivered.published
            failed += delivered.failed
            dead += len(delivered.dead or [])
            left -= delivered.published + delivered.failed
        if time.monotonic() > last_start:
            break
    return FlushOutboxResult(published=published, failed=failed, dead_lettered=dead)


def _claim(work: UnitOfWork, token: str, limit: int) -> list[str]:
    return work.outbox.claim_runs(token, work.now + CLAIM, limit)


async def _flush_run(
    store: Persistence, sink: EventSink, run_id: str, token: str, limit: int, last_start: float
) -> _Delivered:
    """A delivery that began after `last_start` (monotonic seconds) could outlast the claim of its run."""
    in_time = limit > 0 and time.monotonic() <= last_start
    waiting = await store.transact(lambda work: work.outbox.undelivered(run_id, limit)) if in_time else []
    delivered = await _deliver(sink, waiting, last_start)
    await store.transact(lambda work: _save(work, run_id, token, delivered))
    return delivered


async def _deliver(sink: EventSink, waiting: list[EventRecord], last_start: float) -> _Delivered:
    """In order; the first failure ends it, unless that event is dead now: then the later ones go on."""
    allowed = int(getattr(sink, "max_retries", DEFAULT_MAX_RETRIES))
    name = str(getattr(sink, "id", type(sink).__name__))
    done = _Delivered([], dead=[])
    assert done.dead is not None
    for event in waiting:
        if time.monotonic() > last_start:
            break
        error = await _emit(sink, event)
        if error is None:
            done.events.append(event._replace(published_at=event.occurred_at, sink=name, last_error=None))
            done.published += 1
            continue
        done.failed += 1
        failed = event._replace(
            retry_count=event.retry_count + 1,
            last_error=error,
            sink=name,
            fingerprint=fingerprint(None, error),
        )
        done.events.append(failed)
        if failed.retry_count < allowed:
            break
        done.dead.append(failed)
    return done


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


def _save(work: UnitOfWork, run_id: str, token: str, delivered: _Delivered) -> None:
    """Write it all and let the run go. A claim lost meanwhile writes nothing: the events come again."""
    due = None
    waiting = [event for event in delivered.events if event.published_at is None]
    dead_ids = {event.id for event in delivered.dead or []}
    if waiting and waiting[-1].id not in dead_ids:
        due = work.now + backoff(_BACKOFF, waiting[-1].retry_count, random.random())  # noqa: S311
    saved = [_as_saved(event, work, dead_ids, due) for event in delivered.events]
    work.outbox.save(saved)
    fresh = [event for event in saved if event.dead_at is not None]
    if fresh:
        _tell(work, run_id, fresh)
    if not work.outbox.release_run(run_id, token, due):
        raise EngineError(f"delivery of the events of run {run_id} went over to somebody else")


def _as_saved(event: EventRecord, work: UnitOfWork, dead_ids: set[str], due: datetime | None) -> EventRecord:
    if event.published_at is not None:
        return event._replace(published_at=work.now, next_attempt_at=None)
    if event.id not in dead_ids:
        return event._replace(next_attempt_at=due)
    if event.type == "event:deadLettered":
        # It tells of a dead letter and would beget the next for ever: closed with its error instead.
        return event._replace(next_attempt_at=None, discarded_at=work.now)
    return event._replace(next_attempt_at=None, dead_at=work.now)


def _tell(work: UnitOfWork, run_id: str, dead: list[EventRecord]) -> None:
    changes = Changes(work)
    changes.lock({run_id})
    for event in dead:
        changes.event(run_id, "event:deadLettered", f"dead:{event.id}", event_id=event.id, error=event.last_error or "")
    changes.write()
    work.announce()
