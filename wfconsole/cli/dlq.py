"""Dead letters: list, show, replay, discard."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime

from engine.commands import DiscardDeadLetters, ReplayDeadLetters
from engine.inspector.views import EventView
from engine.model.criteria import Page, PageRequest
from engine.model.ids import new_id
from wfconsole.bulk import Item, Report
from wfconsole.cli.encoding import page
from wfconsole.cli.exits import DONE, PARTLY, NotFound, UsageError
from wfconsole.cli.output import Cell, Printer, talk
from wfconsole.cli.run_ids import resolve
from wfconsole.cli.session import Session
from wfconsole.formatting import age, short_id
from wfconsole.gateway import Gateway

_BATCH = 1_000


async def ls(session: Session) -> int:
    """List dead letters, oldest first."""
    given = session.arguments
    if not 1 <= given.limit <= 10_000:
        raise UsageError("--limit has to be between 1 and 10000")
    async with session.gateway() as gateway:
        run_id = await resolve(gateway, given.run) if given.run else None
        found = await _page(gateway, run_id, PageRequest(limit=given.limit, cursor=given.cursor))
    if session.out.as_json:
        session.out.document(page(found.items, found.next_cursor))
        return DONE
    _print(session.out, found.items)
    if found.next_cursor:
        talk(f"more exist: --cursor {found.next_cursor}")
    return DONE


async def show(session: Session) -> int:
    """One dead letter, whole."""
    async with session.gateway() as gateway:
        event = await _find(gateway, session.arguments.event)
    out = session.out
    if out.as_json:
        out.document(event)
        return DONE
    out.line(event.id, (event.type, "bold"))
    out.line(f"run {event.run_id}  sequence {event.sequence}  occurred {out.time(event.occurred_at)}")
    out.line(f"sink {event.sink or '-'}  deliveries {event.retry_count}  dead since {out.time(event.dead_at)}")
    out.line(("last error", "status-failed"))
    out.block(event.last_error or "-")
    out.line(("payload", "bold"))
    out.block(json.dumps(event.payload, ensure_ascii=False, indent=2, default=str))
    return DONE


async def replay(session: Session) -> int:
    """Make dead letters due again: the given ones, one run's, or all."""
    given = session.arguments
    session.forbid_read_only()
    if sum((bool(given.events), given.all, given.run is not None)) != 1:
        raise UsageError("say which dead letters: their ids, --run RUN, or --all")
    if given.all:
        session.insist("replay --all")
    async with session.gateway() as gateway:
        run_id = await resolve(gateway, given.run) if given.run else None
        named = [await _find(gateway, name) for name in given.events]
        chosen = named or [event async for event in _each(gateway, run_id)]
        if chosen:
            session.confirm(f"Replay {len(chosen)} dead letters?", word=str(len(chosen)))
        bulk = given.key or new_id()
        replayed = 0
        for at in range(0, len(chosen), _BATCH):
            part = [event.id for event in chosen[at : at + _BATCH]]
            key = bulk if len(chosen) <= _BATCH else f"{bulk}/{at}"
            command = ReplayDeadLetters(event_ids=part, max_events=len(part), idempotency_key=key)
            replayed += (await gateway.send(command)).replayed
        left = await _still_dead(gateway, chosen) if replayed < len(chosen) else set()
        if replayed and not any(worker.alive for worker in await gateway.inspector.workers()):
            talk("they are due again; no live worker delivers them: start one with `wfconsole worker`")
    return _report(session, bulk, chosen, left, "replayed")


async def discard(session: Session) -> int:
    """Close dead letters for good, with a reason."""
    given = session.arguments
    session.forbid_read_only()
    session.insist("discard")
    async with session.gateway() as gateway:
        chosen = [await _find(gateway, name) for name in given.events]
        session.confirm(f"Discard {len(chosen)} dead letters for good?", word=str(len(chosen)))
        bulk = given.key or new_id()
        ids = [event.id for event in chosen]
        answer = await gateway.send(DiscardDeadLetters(event_ids=ids, reason=given.reason, idempotency_key=bulk))
        left = await _still_dead(gateway, chosen) if answer.discarded < len(chosen) else set()
    return _report(session, bulk, chosen, left, "discarded")


def _report(session: Session, bulk: str, chosen: Sequence[EventView], left: set[str], word: str) -> int:
    items = [
        Item(id=event.id, result="failed", reason=f"not {word}: still a dead letter")
        if event.id in left
        else Item(id=event.id, result="done")
        for event in chosen
    ]
    done = len(items) - len(left)
    if session.out.as_json:
        session.out.document(Report(bulk=bulk, done=done, skipped=0, failed=len(left), items=items))
    else:
        session.out.line(f"{done} {word}")
    return PARTLY if left else DONE


async def _page(gateway: Gateway, run_id: str | None, request: PageRequest) -> Page[EventView]:
    return await gateway.inspector.dead_letters(run_id=run_id, page=request)


async def _each(gateway: Gateway, run_id: str | None = None) -> AsyncIterator[EventView]:
    cursor: str | None = None
    while True:
        found = await _page(gateway, run_id, PageRequest(limit=_BATCH, cursor=cursor))
        for event in found.items:
            yield event
        cursor = found.next_cursor
        if cursor is None:
            return


async def _find(gateway: Gateway, given: str) -> EventView:
    """The dead letter of that id or unique prefix; raises `NotFound`, or `UsageError` with the candidates."""
    found = [event async for event in _each(gateway) if event.id.startswith(given)]
    if not given or not found:
        raise NotFound(f"no dead letter {given!r}; see `wfconsole dlq ls`")
    if len(found) > 1:
        raise UsageError(f"{given!r} is the beginning of several: {', '.join(event.id for event in found[:8])}")
    return found[0]


async def _still_dead(gateway: Gateway, chosen: Sequence[EventView]) -> set[str]:
    dead = {event.id async for event in _each(gateway)}
    return {event.id for event in chosen} & dead


def _print(out: Printer, found: Sequence[EventView]) -> None:
    now = datetime.now(UTC)
    run_ids = [event.run_id for event in found]
    rows: list[tuple[Cell, ...]] = [
        (
            # Event ids are ordered by time: their first characters tell little.
            event.id,
            short_id(event.run_id, run_ids),
            event.type,
            event.sink or "-",
            str(event.retry_count),
            age(event.dead_at, now),
            event.last_error or "",
        )
        for event in found
    ]
    out.table(("ID", "RUN", "TYPE", "SINK", "TRIES", "DEAD", "LAST ERROR"), rows, right=frozenset({"TRIES", "DEAD"}))
