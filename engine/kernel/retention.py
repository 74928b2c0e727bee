"""Retention: old runs go, in bounded batches, and their blobs after them. What is active stays."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from engine.model.payload import parse_pointer
from engine.ports.blobs import BlobStore
from engine.ports.persistence import Persistence
from engine.ports.reads import ReadStore
from engine.ports.work import UnitOfWork

KEEP_AUDIT = timedelta(days=400)
PREFIXES_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class PruneReport:
    """What was removed, or with `dry_run` how many runs would be; counts."""

    runs: int = 0
    undelivered: int = 0
    """Events of those runs that no sink ever got."""
    blobs: int = 0
    definitions: int = 0
    workers: int = 0
    schedules: int = 0
    audit: int = 0
    dry_run: bool = False


async def prune(
    persistence: Persistence,
    blobs: BlobStore,
    older_than: timedelta,
    *,
    keep_failed: bool = False,
    audit_older_than: timedelta = KEEP_AUDIT,
    batch: int = 500,
    dry_run: bool = False,
    on_progress: Callable[[int, int], None] = lambda done, all_: None,
) -> PruneReport:
    """Remove runs that ended before `older_than`, with everything of theirs, and what nothing refers to any more.

    A transaction a batch, the oldest first: it may be interrupted, repeated, and done by two at once.
    `on_progress` is told how many runs of how many.
    """
    if older_than < timedelta(0) or batch < 1:
        raise ValueError("older_than is no negative duration, and batch is 1 or more")
    due = await persistence.read(lambda reads: reads.expired(reads.now - older_than, keep_failed=keep_failed))
    if dry_run:
        return PruneReport(runs=due, dry_run=True)
    gone: Counter[str] = Counter()

    def one_batch(work: UnitOfWork) -> Counter[str]:
        expired = work.retention.expired_runs(work.now - older_than, batch, keep_failed=keep_failed)
        return work.retention.delete_runs(expired)

    while (deleted := await persistence.transact(one_batch))["runs"]:
        gone += deleted
        on_progress(gone["runs"], max(due, gone["runs"]))
    gone += await persistence.transact(
        lambda work: work.retention.delete_rest(work.now - older_than, work.now - audit_older_than)
    )
    gone["blobs"] = await collect_garbage(persistence, blobs) + await collect_orphans(persistence, blobs)
    return PruneReport(**{kind: gone[kind] for kind in gone}, dry_run=False)


async def forget_texts(persistence: Persistence, older_than: timedelta, batch: int = 500) -> int:
    """Drop the prompts and answers of AI calls made before; how many calls. Their tokens and money stay."""
    if older_than < timedelta(0) or batch < 1:
        raise ValueError("older_than is no negative duration, and batch is 1 or more")
    gone = 0
    while some := await persistence.transact(lambda work: work.ai_calls.forget_texts(work.now - older_than, batch)):
        gone += some
    return gone


async def collect_garbage(persistence: Persistence, blobs: BlobStore) -> int:
    """Delete the blobs of removed runs; how many. Two collectors at once do no harm."""
    deleted = 0
    while prefixes := await persistence.transact(lambda work: work.retention.garbage(PREFIXES_AT_ONCE)):
        for prefix in prefixes:
            keys = await blobs.list(prefix)
            await asyncio.gather(*(blobs.delete(key) for key in keys))
            deleted += len(keys)
        await persistence.transact(partial(_note_collected, prefixes=prefixes))
    return deleted


def _note_collected(work: UnitOfWork, prefixes: list[str]) -> None:
    work.retention.collected(prefixes)


async def collect_orphans(persistence: Persistence, blobs: BlobStore) -> int:
    """Delete blobs of deliveries whose outcome was never committed; how many.

    The blobs are listed before the rows are read: whatever was listed is by then referred to, or its delivery still
    holds its lease, or nobody will ever refer to it.
    """
    keys = [key for key in await blobs.list("runs/") if key.count("/") >= 3]
    run_ids = sorted({key.split("/")[1] for key in keys})

    def read(reads: ReadStore) -> tuple[set[str], set[str], set[str]]:
        named = {parse_pointer(text).key for text in reads.pointers()} | {key for key, _ in reads.artifact_blobs()}
        return named, reads.tokens(), reads.existing(run_ids)

    named, tokens, existing = await persistence.read(read)
    orphans = [key for key in keys if key not in named and not _is_kept(key, tokens, existing)]
    for key in orphans:
        await blobs.delete(key)
    return len(orphans)


def _is_kept(key: str, tokens: set[str], existing: set[str]) -> bool:
    _, run_id, _, part, *_ = key.split("/")
    return part in tokens or (part == "storage" and run_id in existing)
