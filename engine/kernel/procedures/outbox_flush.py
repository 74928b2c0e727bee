"""`outbox.flush`: deliver waiting events, in order within a run, each run by one flusher at a time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from engine.commands import FlushOutbox, FlushOutboxResult
from engine.errors import EngineError
from engine.kernel.changes import Changes
from engine.kernel.delivering import EMIT_SECONDS, AtSink, States, deliver, sink_id, sinks_of
from engine.kernel.sink_health import SinkHealth
from engine.model.fingerprint import fingerprint
from engine.model.ids import new_token
from engine.model.records import EventRecord, SinkDeliveryRecord
from engine.ports.persistence import Persistence
from engine.ports.sink import EventSink
from engine.ports.work import UnitOfWork

CLAIM = timedelta(seconds=60)
RUNS_AT_ONCE = 50


@dataclass(frozen=True, slots=True)
class _Waiting:
    events: list[EventRecord]
    known: States
    now: datetime


@dataclass(frozen=True, slots=True)
class _Delivered:
    """What came of a run's events: as they are to be saved."""

    events: list[EventRecord]
    states: list[SinkDeliveryRecord]
    done: list[str]
    """Ids of events every sink has: what is known of them by sink is needed no more."""
    published: int
    failed: int
    dead: list[EventRecord]
    due: datetime | None


async def flush(
    command: FlushOutbox, store: Persistence, sink: EventSink | None, health: SinkHealth
) -> FlushOutboxResult:
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
        tried = 0
        for run_id in run_ids:
            delivered = await _flush_run(store, sinks_of(sink), run_id, token, left, last_start, health)
            published += delivered.published
            failed += delivered.failed
            dead += len(delivered.dead)
            tried += delivered.published + delivered.failed
            left -= delivered.published + delivered.failed
        if time.monotonic() > last_start or not tried:
            break
    return FlushOutboxResult(published=published, failed=failed, dead_lettered=dead)


def _claim(work: UnitOfWork, token: str, limit: int) -> list[str]:
    return work.outbox.claim_runs(token, work.now + CLAIM, limit)


async def _flush_run(
    store: Persistence,
    sinks: Sequence[EventSink],
    run_id: str,
    token: str,
    limit: int,
    last_start: float,
    health: SinkHealth,
) -> _Delivered:
    """A delivery that began after `last_start` (monotonic seconds) could outlast the claim of its run."""
    in_time = limit > 0 and time.monotonic() <= last_start
    waiting = await store.transact(partial(_waiting, run_id=run_id, limit=limit if in_time else 0, sinks=sinks))
    happened = await deliver(sinks, waiting.events, waiting.known, waiting.now, last_start)
    delivered = _combined(waiting, happened, several=len(sinks) > 1)
    await store.transact(partial(_save, run_id=run_id, token=token, delivered=delivered))
    told = health.news(happened, waiting.now)
    if told:
        await store.transact(lambda work: work.outbox.note_sinks(told))
    return delivered


def _waiting(work: UnitOfWork, run_id: str, limit: int, sinks: Sequence[EventSink]) -> _Waiting:
    events = work.outbox.undelivered(run_id, limit) if limit else []
    if len(sinks) > 1:
        known = {(one.event_id, one.sink): one for one in work.outbox.states([event.id for event in events])}
    else:
        # With one sink the event's own row says it all.
        name = sink_id(sinks[0])
        known = {(event.id, name): SinkDeliveryRecord(event.id, name, None, event.retry_count) for event in events}
    return _Waiting(events, known, work.now)


def _combined(waiting: _Waiting, happened: list[AtSink], *, several: bool) -> _Delivered:
    """An event is done once every sink has it or gave it up: delivered, or a dead letter of those that gave up."""
    saved, kept, done, dead = [], [], [], []
    published = 0
    for event in waiting.events:
        fresh = [at.states[event.id] for at in happened if event.id in at.states]
        if not fresh:
            continue
        all_states = [at.states.get(event.id) or waiting.known.get((event.id, at.sink)) for at in happened]
        gave_up = [one for one in all_states if one is not None and one.dead_at is not None]
        finished = all(one is not None and (one.published_at or one.dead_at) for one in all_states)
        found = _as_saved(event, fresh, gave_up, [at.sink for at in happened], waiting.now, finished=finished)
        saved.append(found)
        if finished and not gave_up:
            published += 1
            done.append(event.id)
        elif several:
            kept += fresh
        if finished and gave_up:
            dead.append(found)
    held = [at.held_until for at in happened if at.held_until is not None]
    free = any(at.held_until is None and at.cut_off for at in happened) or not held
    return _Delivered(
        events=saved,
        states=kept,
        done=done if several else [],
        published=published,
        failed=sum(at.failed for at in happened),
        dead=dead,
        due=None if free else min(held),
    )


def _as_saved(
    event: EventRecord,
    fresh: list[SinkDeliveryRecord],
    gave_up: list[SinkDeliveryRecord],
    names: list[str],
    now: datetime,
    *,
    finished: bool,
) -> EventRecord:
    if finished and not gave_up:
        return event._replace(published_at=now, next_attempt_at=None, sink=", ".join(names), last_error=None)
    errors = [one for one in [*gave_up, *fresh] if one.last_error is not None]
    if not errors:
        return event
    last = errors[-1]
    told = event._replace(
        retry_count=max(one.retry_count for one in errors),
        next_attempt_at=None if finished else last.next_attempt_at,
        last_error=last.last_error,
        sink=", ".join(dict.fromkeys(one.sink for one in (gave_up or errors))),
        fingerprint=fingerprint(None, last.last_error or ""),
    )
    if not finished:
        return told
    if event.type == "event:deadLettered":
        # It tells of a dead letter and would beget the next for ever: closed with its error instead.
        return told._replace(discarded_at=now)
    return told._replace(dead_at=now)


def _save(work: UnitOfWork, run_id: str, token: str, delivered: _Delivered) -> None:
    """Write it all and let the run go. A claim lost meanwhile writes nothing: the events come again."""
    work.outbox.save(delivered.events)
    work.outbox.save_states(delivered.states, delivered.done)
    fresh = [event for event in delivered.dead if event.dead_at is not None]
    if fresh:
        _tell(work, run_id, fresh)
    if not work.outbox.release_run(run_id, token, delivered.due):
        raise EngineError(f"delivery of the events of run {run_id} went over to somebody else")


def _tell(work: UnitOfWork, run_id: str, dead: list[EventRecord]) -> None:
    changes = Changes(work)
    changes.lock({run_id})
    for event in dead:
        changes.event(run_id, "event:deadLettered", f"dead:{event.id}", event_id=event.id, error=event.last_error or "")
    changes.write()
    work.announce()
