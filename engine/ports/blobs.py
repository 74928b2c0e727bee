"""Large payloads and artifacts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class BlobStore(Protocol):
    """Keys are `/`-separated segments of `[A-Za-z0-9._-]`. A put is atomic: a reader sees all of it or nothing."""

    async def put(self, key: str, content: bytes) -> None:
        """Store under the key, replacing what was there; durable when it returns."""

    async def get(self, key: str) -> bytes:
        """Raises `KeyError` for a key that isn't there."""

    async def has(self, key: str) -> bool: ...

    async def delete(self, key: str) -> None:
        """A key that isn't there is no error."""

    async def list(self, prefix: str = "") -> list[str]:
        """Keys that begin with `prefix`, sorted."""


class BlobRows(Protocol):
    """Blobs kept in the database itself, inside the open transaction."""

    def put(self, key: str, content: bytes) -> None:
        """Store under the key, replacing what was there."""

    def delete(self, keys: Sequence[str]) -> int:
        """How many there were."""
