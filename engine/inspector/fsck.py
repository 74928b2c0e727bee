"""Checking a database and its blobs: what must always hold, and doesn't."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from engine.inspector.views import View
from engine.model.payload import parse_pointer
from engine.model.read_records import Inconsistency
from engine.ports.blobs import BlobStore
from engine.ports.persistence import Persistence
from engine.ports.reads import ReadStore

EXAMPLES = 20


class Finding(View):
    """A broken rule, how often it is broken, and the first examples: run, `run/stage`, or blob."""

    rule: str
    count: int
    examples: list[str]


async def check(persistence: Persistence, blobs: BlobStore) -> list[Finding]:
    """Every broken rule; an empty list for a sound database. Writes nothing; reads every blob rows point to."""

    def read(reads: ReadStore) -> tuple[list[Inconsistency], set[tuple[str, str]]]:
        pointers = [parse_pointer(text) for text in reads.pointers()]
        named = {(pointer.key, pointer.digest) for pointer in pointers} | set(reads.artifact_blobs())
        return reads.inconsistencies(), named

    broken, named = await persistence.read(read)
    findings = [Finding(rule=one.rule, count=one.count, examples=one.examples) for one in broken]
    missing, altered = [], []
    for key, digest in sorted(named):
        try:
            if hashlib.sha256(await blobs.get(key)).hexdigest() != digest:
                altered.append(key)
        except KeyError:
            missing.append(key)
    return [
        *findings,
        *_found("every blob that is pointed to is there", missing),
        *_found("no blob was altered", altered),
    ]


def _found(rule: str, examples: list[str]) -> Iterable[Finding]:
    if examples:
        yield Finding(rule=rule, count=len(examples), examples=examples[:EXAMPLES])
