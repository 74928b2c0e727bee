"""Blobs as files under a directory: written aside, synced, then renamed, so that a reader sees all or nothing."""

from __future__ import annotations

import asyncio
import builtins
import contextlib
import os
import tempfile
from pathlib import Path

from engine.blobs.keys import checked_key

_UNDER_WAY = ".put~"
"""Begins the names of files being written: no key has a `~`."""


class FilesystemBlobStore:
    """`engine.ports.blobs.BlobStore` under `root`, private to the user (directories 0700, files 0600)."""

    def __init__(self, root: Path) -> None:
        self._root = root

    async def put(self, key: str, content: bytes) -> None:
        await asyncio.to_thread(self._put, self._path(key), content)

    async def get(self, key: str) -> bytes:
        return await asyncio.to_thread(self._get, self._path(key), key)

    async def has(self, key: str) -> bool:
        return await asyncio.to_thread(self._path(key).is_file)

    async def delete(self, key: str) -> None:
        path = self._path(key)
        with contextlib.suppress(FileNotFoundError, NotADirectoryError, IsADirectoryError):
            await asyncio.to_thread(path.unlink)

    async def list(self, prefix: str = "") -> builtins.list[str]:
        return await asyncio.to_thread(self._keys, prefix)

    def _path(self, key: str) -> Path:
        return self._root.joinpath(*checked_key(key))

    def _put(self, path: Path, content: bytes) -> None:
        _make_private(path.parent, self._root)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=_UNDER_WAY)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(name, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(name)
            raise
        _sync_directory(path.parent)

    @staticmethod
    def _get(path: Path, key: str) -> bytes:
        try:
            with open(path, "rb", opener=_open_no_link) as file:
                return file.read()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            raise KeyError(key) from None

    def _keys(self, prefix: str) -> builtins.list[str]:
        folders = prefix.split("/")[:-1]
        if any(not one.strip(".") for one in folders):
            return []
        start = self._root.joinpath(*folders)
        found = (path for path in start.rglob("*") if path.is_file() and not path.name.startswith(_UNDER_WAY))
        keys = (path.relative_to(self._root).as_posix() for path in found)
        return sorted(key for key in keys if key.startswith(prefix))


def _make_private(directory: Path, root: Path) -> None:
    """Missing directories up to and with the root, each 0700 whatever the umask."""
    missing = []
    while not directory.is_dir():
        missing.append(directory)
        if directory == root:
            break
        directory = directory.parent
    for one in reversed(missing):
        one.mkdir(mode=0o700, parents=True, exist_ok=True)
        _sync_directory(one.parent)


def _open_no_link(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0))


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
