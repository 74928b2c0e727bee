"""`ctx.storage`: blobs private to one run and stage."""

from __future__ import annotations

import base64

from engine.model.json import Json, dumps, loads
from engine.ports.blobs import BlobStore

_BYTES, _JSON = b"b", b"j"
_SEGMENT = 200


class BlobStorage:
    """`engine.definition.context.StageStorage` over the blob store; any text may be a key."""

    def __init__(self, blobs: BlobStore, run_id: str, stage_id: str) -> None:
        self._blobs = blobs
        self._prefix = f"runs/{run_id}/{stage_id}/storage/"

    async def put(self, key: str, value: bytes | Json) -> None:
        content = _BYTES + value if isinstance(value, bytes) else _JSON + dumps(value).encode()
        await self._blobs.put(self._path(key), content)

    async def get(self, key: str) -> bytes | Json:
        try:
            content = await self._blobs.get(self._path(key))
        except KeyError:
            raise KeyError(key) from None
        return content[1:] if content[:1] == _BYTES else loads(content[1:])

    async def has(self, key: str) -> bool:
        return await self._blobs.has(self._path(key))

    async def delete(self, key: str) -> None:
        await self._blobs.delete(self._path(key))

    async def list(self, prefix: str = "") -> list[str]:
        paths = await self._blobs.list(self._prefix)
        keys = sorted(_decode(path.removeprefix(self._prefix)) for path in paths)
        return [key for key in keys if key.startswith(prefix)]

    def _path(self, key: str) -> str:
        return self._prefix + _encode(key)


def _encode(key: str) -> str:
    """Any text as the end of a blob key: a long one in several segments.

    `_` stands before the last segment and `-` before the others: none is empty, and none both ends a key and leads on.
    """
    packed = base64.b32encode(key.encode()).decode().rstrip("=")
    parts = [packed[start : start + _SEGMENT] for start in range(0, len(packed), _SEGMENT)] or [""]
    return "/".join([*(f"-{part}" for part in parts[:-1]), f"_{parts[-1]}"])


def _decode(path: str) -> str:
    packed = "".join(segment[1:] for segment in path.split("/"))
    return base64.b32decode(packed + "=" * (-len(packed) % 8)).decode()
