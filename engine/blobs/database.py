"""Blobs in the database itself: where workers share nothing else."""

from __future__ import annotations

import builtins

from engine.blobs.keys import checked_key
from engine.ports.persistence import Persistence


class DatabaseBlobStore:
    """`engine.ports.blobs.BlobStore` in a table. A blob is one row: made for megabytes, not for gigabytes."""

    def __init__(self, persistence: Persistence) -> None:
        self._persistence = persistence

    async def put(self, key: str, content: bytes) -> None:
        checked_key(key)
        await self._persistence.transact(lambda work: work.blobs.put(key, content))

    async def get(self, key: str) -> bytes:
        checked_key(key)
        content = await self._persistence.read(lambda reads: reads.blob(key))
        if content is None:
            raise KeyError(key)
        return content

    async def has(self, key: str) -> bool:
        checked_key(key)
        return await self._persistence.read(lambda reads: reads.has_blob(key))

    async def delete(self, key: str) -> None:
        checked_key(key)
        await self._persistence.transact(lambda work: work.blobs.delete([key]))

    async def list(self, prefix: str = "") -> builtins.list[str]:
        return await self._persistence.read(lambda reads: reads.blob_keys(prefix))
