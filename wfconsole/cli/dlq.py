"""Dead letters: list, show, replay, discard."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from engine.inspector.views import EventView
from engine.model.criteria import PageRequest
from engine.model.ids import new_id
from wfconsole import letters
from wfconsole.bulk import Item, Report
from wfconsole.cli.actions import NO_BULK, pace_of, print_report
from wfconsole.cli.encoding import page
from wfconsole.cli.exits import DONE, PARTLY, NotFound, UsageError, WaitTimedOut
from wfconsole.cli.output import Cell, Printer, talk
from wfconsole.cli.progress import ProgressLine
from wfconsole.cli.run_ids import resolve
from wfconsole.cli.session import Session
from wfconsole.formatting import age, short_id
from wfconsole.gateway import Gateway

_GLANCE = timedelta(seconds=5)
"""How long a replay looks on unasked: a live worker delivers within a moment."""
_CANARY = timedelta(seconds=60)
_MANY = 20
_FOREVER = timedelta(days=365)


async def ls(session: Session) -> int:
    """List dead letters, the latest first."""
    given = session.arguments
    if not 1 <= given.limit <= 10_000:
        raise UsageError("--limit has to be between 1 and 10000")
    async with session.gateway() as gateway:
        run_id = await resolve(gateway, given.run) if given.run else None
        request = PageRequest(limit=given.limit, cursor=given.cursor)
        found = await gateway.inspector.dead_letters(run_id, request, fingerprint=given.cause, sink=given.sink)
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
    """Make dead letters due again, the oldest first, and say what became of each: the given ones, one run's, or all."""
    given = session.arguments
    session.forbid_read_only()
    by_cause = given.cause is not None or given.sink is not None
    if sum((bool(given.events), given.all, given.run is not None or by_cause)) != 1:
        raise UsageError("say which dead letters: their ids, --run RUN, --cause FINGERPRINT, or --all")
    if (given.all or by_cause or given.events == ["-"]) and not given.dry_run:
        session.insist("acting on ids from standard input" if given.events else "replaying all of a kind")
    asked = session.duration("timeout")
    async with session.gateway() as gateway:
        chosen = await _chosen(session, gateway)
        if given.dry_run:
            return _dry(session, chosen)
        live = await letters.flusher_alive(gateway)
        if chosen and not live:
            talk(letters.NO_FLUSHER)
        if chosen:
            session.confirm(f"Replay {len(chosen)} dead letters?", word=str(len(chosen)))
        if len(chosen) > _MANY and not (given.canary or given.rate or given.max_failures):
            talk("that many at once: --canary 1 --rate 20/min --max-failures 10% goes carefully")
        unasked = _CANARY if given.canary else _GLANCE
        patience = asked if asked is not None else _FOREVER if given.wait else unasked if live else timedelta(0)
        with ProgressLine() as line:
            report = await letters.replay(
                gateway,
                given.key or new_id(),
                [event.id for event in chosen],
                pace_of(session, len(chosen)),
                patience=patience,
                on_item=_progress(line),
            )
    print_report(session, report)
    if given.wait and any(item.reason == letters.PENDING for item in report.items):
        raise WaitTimedOut("the wait timed out: some are still pending")
    return PARTLY if report.failed else DONE


async def discard(session: Session) -> int:
    """Close dead letters for good, with a reason."""
    given = session.arguments
    session.forbid_read_only()
    if not given.dry_run:
        session.insist("discard")
    async with session.gateway(definitions=False) as gateway:
        chosen = await _chosen(session, gateway)
        if given.dry_run:
            return _dry(session, chosen)
        session.confirm(f"Discard {len(chosen)} dead letters for good?", word=str(len(chosen)))
        ids = [event.id for event in chosen]
        report = await letters.discard(gateway, given.key or new_id(), ids, given.reason)
    print_report(session, report)
    return PARTLY if report.failed else DONE


async def _chosen(session: Session, gateway: Gateway) -> list[EventView]:
    """The dead letters meant, each once, the oldest first; frozen now."""
    given = session.arguments
    if not given.events:
        run_id = await resolve(gateway, given.run) if given.run else None
        return await letters.every(gateway, run_id=run_id, fingerprint=given.cause, sink=given.sink)
    names = [name for one in given.events for name in (sys.stdin.read().split() if one == "-" else [one])]
    found = {event.id: event for event in [await _find(gateway, name) for name in names]}
    return letters.in_order(list(found.values()))


def _dry(session: Session, chosen: Sequence[EventView]) -> int:
    items = [
        Item(id=event.id, result="skipped", reason=f"would act on {event.type} of run {event.run_id}")
        for event in chosen
    ]
    print_report(session, Report.of(NO_BULK, items))
    return DONE


def _progress(line: ProgressLine) -> letters.OnItem:
    done = 0

    def on_item(item: Item, total: int) -> None:
        nonlocal done
        done += 1
        line.paint(done / max(total, 1), f"{done} of {total} dead letters")

    return on_item


async def _find(gateway: Gateway, given: str) -> EventView:
    """The dead letter of that id or unique prefix; raises `NotFound`, or `UsageError` with the candidates."""
    found = (await gateway.inspector.dead_letters(prefix=given, page=PageRequest(limit=8))).items if given else []
    if not found:
        raise NotFound(f"no dead letter {given!r}; see `wfconsole dlq ls`")
    if len(found) > 1:
        raise UsageError(f"{given!r} is the beginning of several: {', '.join(event.id for event in found)}")
    return found[0]


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
