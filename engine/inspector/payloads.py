"""Payload texts to values; the large ones come from the blob store."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from engine.model.json import Json, NotJson, loads
from engine.model.payload import is_pointer, parse_pointer
from engine.ports.blobs import BlobStore

_AT_ONCE = 8


class Payloads:
    """The values of some payload texts, blobs included, read once: `value` is a plain call afterwards."""

    def __init__(self, values: dict[str, Json]) -> None:
        self._pointed = values

    @classmethod
    async def fetch(cls, blobs: BlobStore, texts: Iterable[str | None]) -> Payloads:
        """Read the blobs these texts point to. One that is gone reads as `{"$missing_blob": key}`."""
        pointers = sorted({text for text in texts if text is not None and is_pointer(text)})
        gate = asyncio.Semaphore(_AT_ONCE)

        async def read(pointer: str) -> Json:
            async with gate:
                return await _read(blobs, pointer)

        return cls(dict(zip(pointers, await asyncio.gather(*map(read, pointers)), strict=True)))

    def value(self, text: str | None) -> Json:
        if text is None:
            return None
        return self._pointed[text] if is_pointer(text) else loads(text)


async def _read(blobs: BlobStore, text: str) -> Json:
    try:
        pointer = parse_pointer(text)
    except ValueError:
        return {"$unreadable_pointer": text}
    try:
        return loads(await blobs.get(pointer.key))
    except KeyError:
        return {"$missing_blob": pointer.key}
    except (NotJson, ValueError):
        return {"$unreadable_blob": pointer.key}
