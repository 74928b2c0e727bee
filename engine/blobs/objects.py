"""Blobs in an object store: S3 and whatever speaks like it, Google Cloud Storage, Azure.

The library is `obstore`, in the extra `objects`. It takes credentials from the environment of the process, as the
tools of each cloud do, never from an address.
"""

from __future__ import annotations

import asyncio
import builtins
import hashlib
import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

from engine.blobs.filesystem import FilesystemBlobStore
from engine.blobs.keys import checked_key
from engine.errors import EngineError, StoreUnavailable
from engine.model.redaction import redact_text
from engine.ports.blobs import BlobStore

if TYPE_CHECKING:
    from obstore.store import ClientConfig, ObjectStore, RetryConfig

SCHEMES = ("s3", "gs", "az", "file", "memory")
_DIGEST = "sha256"
"""The metadata that holds the digest of an object. Azure takes only names without a hyphen."""
_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
_TIMES: ClientConfig = {"connect_timeout": "5s", "timeout": "60s"}
_RETRY: RetryConfig = {"max_retries": 4, "retry_timeout": timedelta(seconds=30)}


class ObjectBlobStore:
    """`engine.ports.blobs.BlobStore` over an object store, where a put is atomic and durable by itself.

    Every object carries the digest of its bytes; `get` raises `ValueError` for bytes that don't match it,
    every method `StoreUnavailable` when the store can't be reached or refuses.
    """

    def __init__(self, objects: ObjectStore, shown: str) -> None:
        self._objects = objects
        self._shown = shown

    async def put(self, key: str, content: bytes) -> None:
        checked_key(key)
        digest = await asyncio.to_thread(_digest, content)
        async with self._asking():
            await self._objects.put_async(key, content, attributes={_DIGEST: digest})

    async def get(self, key: str) -> bytes:
        checked_key(key)
        async with self._asking():
            try:
                found = await self._objects.get_async(key)
                content = bytes(await found.bytes_async())
            except FileNotFoundError:
                raise KeyError(key) from None
        expected = found.attributes.get(_DIGEST)
        if expected is not None and await asyncio.to_thread(_digest, content) != expected:
            raise ValueError(f"blob {key} was altered")
        return content

    async def has(self, key: str) -> bool:
        checked_key(key)
        async with self._asking():
            try:
                await self._objects.head_async(key)
            except FileNotFoundError:
                return False
        return True

    async def delete(self, key: str) -> None:
        checked_key(key)
        async with self._asking():
            try:
                await self._objects.delete_async(key)
            except FileNotFoundError:
                return

    async def list(self, prefix: str = "") -> builtins.list[str]:
        folders = prefix.split("/")[:-1]
        if any(not one.strip(".") for one in folders):
            return []
        keys: builtins.list[str] = []
        async with self._asking():
            # The store finds whole segments only; the rest is looked at here.
            async for several in self._objects.list("/".join(folders) or None):
                keys += [one["path"] for one in several if one["path"].startswith(prefix)]
        return sorted(keys)

    @asynccontextmanager
    async def _asking(self) -> AsyncIterator[None]:
        from obstore.exceptions import BaseError

        try:
            yield
        except (BaseError, OSError) as error:
            raise StoreUnavailable(f"blobs in {self._shown}: {_first_line(error)}") from error


def blob_store_at(url: str) -> BlobStore:
    """The blob store an address names: `s3://bucket/prefix`, `gs://…`, `az://container/…`, `file:///folder`, `memory://`.

    Nothing is asked yet. Raises `EngineError` for an address that is none, or when the extra `objects` is missing.
    """
    parts = _checked(url)
    if parts.scheme == "file":
        return FilesystemBlobStore(Path(parts.path))
    try:
        from obstore.store import AzureStore, GCSStore, MemoryStore, S3Store
    except ImportError as error:
        raise EngineError(f"blobs in {parts.scheme}:// need the extra: pip install 'wfconsole[objects]'") from error
    prefix = parts.path.strip("/") or None
    shown = f"{parts.scheme}://{parts.netloc}"
    if parts.scheme == "memory":
        return ObjectBlobStore(MemoryStore(), shown)
    try:
        objects: ObjectStore
        if parts.scheme == "s3":
            objects = S3Store(
                parts.netloc, prefix=prefix, checksum_algorithm="SHA256", client_options=_client(), retry_config=_RETRY
            )
        elif parts.scheme == "gs":
            objects = GCSStore(parts.netloc, prefix=prefix, client_options=_TIMES, retry_config=_RETRY)
        else:
            objects = AzureStore(parts.netloc, prefix=prefix, client_options=_TIMES, retry_config=_RETRY)
    except Exception as error:
        raise EngineError(f"blobs in {shown}: {_first_line(error)}") from error
    return ObjectBlobStore(objects, shown)


def _checked(url: str) -> SplitResult:
    """The parts of an address; an unfit one is not shown, for it may hold a secret."""
    how = "use s3://bucket/prefix, gs://bucket/prefix, az://container/prefix or file:///folder"
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise EngineError(f"no address of a blob store: {how}") from error
    if parts.scheme not in SCHEMES or parts.query or parts.fragment or "@" in parts.netloc or ":" in parts.netloc:
        raise EngineError(f"no address of a blob store: {how}; credentials come from the environment")
    if bool(parts.netloc) == (parts.scheme in ("file", "memory")):
        raise EngineError(f"no address of a blob store: {how}")
    if parts.scheme == "file" and not parts.path.strip("/"):
        raise EngineError(f"no address of a blob store: {how}")
    return parts


def _client() -> ClientConfig:
    """Plain HTTP only where the operator wrote such an endpoint: a store on one's own machine or network."""
    endpoint = next((os.environ[name] for name in _ENDPOINTS if os.environ.get(name)), "")
    return {**_TIMES, "allow_http": endpoint.startswith("http://")}


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _first_line(error: BaseException) -> str:
    """What the library says, without the queries of addresses, which may be signed."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return redact_text(re.sub(r"\?[^\s)]*", "", lines[0]))[:300]
