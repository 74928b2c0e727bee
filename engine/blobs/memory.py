"""Blobs in memory, for databases in memory and tests."""

from __future__ import annotations

from engine.blobs.keys import checked_key


class MemoryBlobStore:
    """`engine.ports.blobs.BlobStore` in a dictionary; gone with the process."""

    def __init__(self) -> None:
        self._blobs: dict[str, bytes] = {}

    async def put(self, key: str, content: bytes) -> None:
        checked_key(key)
        self._blobs[key] = bytes(content)

    async def get(self, key: str) -> bytes:
        checked_key(key)
        return self._blobs[key]

    async def has(self, key: str) -> bool:
        checked_key(key)
        return key in self._blobs

    async def delete(self, key: str) -> None:
        checked_key(key)
        self._blobs.pop(key, None)

    async def list(self, prefix: str = "") -> list[str]:
        return sorted(key for key in self._blobs if key.startswith(prefix))
