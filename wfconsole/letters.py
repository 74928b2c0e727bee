"""Dead letters in bulk, for console and command line: replayed and followed to what becomes of them, or discarded.

A replay makes an event due again; only its delivery, later, by a worker, says what came of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from engine.commands import DiscardDeadLetters, ReplayDeadLetters
from engine.inspector import Delivery, EventView, PageRequest
from wfconsole.bulk import Item, Pace, Report, Skipped, run_bulk

if TYPE_CHECKING:
    from wfconsole.gateway import Gateway

PAGE = 1_000
"""Events read, or acted on, at once."""
DELIVERED, DEAD_AGAIN, PENDING = "delivered", "dead again", "still pending"
NO_FLUSHER = "no live worker delivers events now: what is replayed waits (start one: wfconsole worker)"
_LOOK_S = 0.5
OnItem = Callable[[Item, int], None]


async def every(
    gateway: Gateway, *, run_id: str | None = None, fingerprint: str | None = None, sink: str | None = None
) -> list[EventView]:
    """All dead letters there are, of one run or one cause, the oldest first."""
    found: list[EventView] = []
    page = PageRequest(limit=PAGE, sort="dead_at")
    while True:
        part = await gateway.inspector.dead_letters(run_id, page, fingerprint=fingerprint, sink=sink)
        found += part.items
        if part.next_cursor is None:
            return in_order(found)
        page = page.model_copy(update={"cursor": part.next_cursor})


def in_order(events: Sequence[EventView]) -> list[EventView]:
    """As they are to be delivered: the first given up first, within a run by sequence."""
    return sorted(events, key=lambda event: (event.dead_at or event.occurred_at, event.run_id, event.sequence))


async def flusher_alive(gateway: Gateway) -> bool:
    """Whether anybody is there to deliver."""
    return any(worker.alive for worker in await gateway.inspector.workers())


@dataclass(frozen=True, slots=True)
class Fates:
    """What became of replayed events: those that died again with their errors, those that wait still."""

    dead: dict[str, str]
    pending: frozenset[str]


async def fates(gateway: Gateway, event_ids: Sequence[str]) -> Fates:
    """What became of events that were replayed, by now."""
    dead: dict[str, str] = {}
    pending = set()
    for at in range(0, len(event_ids), PAGE):
        for event in await gateway.inspector.events_by_id(event_ids[at : at + PAGE]):
            if event.delivery == Delivery.DEAD:
                dead[event.id] = event.last_error or ""
            elif event.delivery == Delivery.PENDING:
                pending.add(event.id)
    return Fates(dead, frozenset(pending))


async def followed(gateway: Gateway, event_ids: Sequence[str], patience: timedelta) -> Fates:
    """What became of them once none waits any more, or once patience is used up."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + patience.total_seconds()
    while True:
        found = await fates(gateway, event_ids)
        left = deadline - loop.time()
        if not found.pending or left <= 0:
            return found
        await gateway.changed(min(_LOOK_S, left))
        await asyncio.sleep(min(0.05, max(left, 0)))


async def replay(
    gateway: Gateway,
    bulk: str,
    event_ids: Sequence[str],
    pace: Pace,
    *,
    patience: timedelta,
    on_item: OnItem = lambda item, total: None,
) -> Report:
    """Replay these dead letters, in this order, and follow them for as long as `patience` says.

    Without a pace they become due together; with one, one by one: the canary must have been delivered before the rest
    goes, and letters that died again count as failures. An item is done with `delivered` or `still pending` as its
    reason, or failed as `dead again`.
    """
    if pace == Pace():
        report = await _together(gateway, bulk, event_ids, on_item)
    else:
        report = await _one_by_one(gateway, bulk, event_ids, pace, patience, on_item)
    sent = [item.id for item in report.items if item.result == "done"]
    found = await followed(gateway, sent, patience)
    return Report.of(bulk, [_ended(item, found) for item in report.items])


async def discard(gateway: Gateway, bulk: str, event_ids: Sequence[str], reason: str) -> Report:
    """Close these dead letters for good, together or in batches; those that were none any more are skipped."""
    items: list[Item] = []
    for at in range(0, len(event_ids), PAGE):
        part = list(event_ids[at : at + PAGE])
        dead = (await fates(gateway, part)).dead
        key = bulk if len(event_ids) <= PAGE else f"{bulk}/{at}"
        await gateway.send(DiscardDeadLetters(event_ids=part, reason=reason, idempotency_key=key))
        items += [_done(one, one in dead) for one in part]
    return Report.of(bulk, items)


async def _together(gateway: Gateway, bulk: str, event_ids: Sequence[str], on_item: OnItem) -> Report:
    items: list[Item] = []
    for at in range(0, len(event_ids), PAGE):
        part = list(event_ids[at : at + PAGE])
        dead = (await fates(gateway, part)).dead
        key = bulk if len(event_ids) <= PAGE else f"{bulk}/{at}"
        await gateway.send(ReplayDeadLetters(event_ids=part, max_events=len(part), idempotency_key=key))
        for one in part:
            items.append(_done(one, one in dead))
            on_item(items[-1], len(event_ids))
    return Report.of(bulk, items)


async def _one_by_one(
    gateway: Gateway, bulk: str, event_ids: Sequence[str], pace: Pace, patience: timedelta, on_item: OnItem
) -> Report:
    async def act(event_id: str, key: str) -> None:
        if not (await gateway.send(ReplayDeadLetters(event_ids=[event_id], idempotency_key=key))).replayed:
            raise Skipped("it is no dead letter any more")

    async def ended_well(ids: Sequence[str]) -> str | None:
        found = await followed(gateway, ids, patience)
        if found.dead:
            return f"{DEAD_AGAIN}: {next(iter(found.dead.values()))}"
        return f"{PENDING} after {patience.total_seconds():g} s" if found.pending else None

    async def failed_later(ids: Sequence[str]) -> int:
        return len((await fates(gateway, ids)).dead)

    return await run_bulk(bulk, event_ids, act, pace, ended_well=ended_well, failed_later=failed_later, on_item=on_item)


def _done(event_id: str, was_dead: bool) -> Item:
    if was_dead:
        return Item(id=event_id, result="done")
    return Item(id=event_id, result="skipped", reason="it is no dead letter any more")


def _ended(item: Item, found: Fates) -> Item:
    if item.result != "done":
        return item
    if item.id in found.dead:
        return Item(id=item.id, result="failed", reason=f"{DEAD_AGAIN}: {found.dead[item.id]}")
    return Item(id=item.id, result="done", reason=PENDING if item.id in found.pending else DELIVERED)
