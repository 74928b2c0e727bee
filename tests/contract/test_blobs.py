"""The blob stores keep the promises of the port; files are private and put down whole."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.blobs.filesystem import FilesystemBlobStore
from engine.blobs.memory import MemoryBlobStore
from engine.ports.blobs import BlobStore
from engine.testing.conformance import BlobPromises


class TestMemoryBlobs(BlobPromises):
    @pytest.fixture
    def blobs(self) -> BlobStore:
        return MemoryBlobStore()


class TestFilesystemBlobs(BlobPromises):
    @pytest.fixture
    def blobs(self, tmp_path: Path) -> BlobStore:
        return FilesystemBlobStore(tmp_path / "blobs")


@pytest.fixture
def lax_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.mark.usefixtures("lax_umask")
async def test_files_are_private_whatever_the_umask(tmp_path: Path) -> None:
    root = tmp_path / "blobs"
    await FilesystemBlobStore(root).put("runs/1/output", b"secret")
    modes = {path.relative_to(tmp_path).as_posix(): path.stat().st_mode & 0o777 for path in tmp_path.rglob("*")}
    assert modes == {"blobs": 0o700, "blobs/runs": 0o700, "blobs/runs/1": 0o700, "blobs/runs/1/output": 0o600}


async def test_a_put_that_fails_leaves_the_old_content_and_no_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blobs = FilesystemBlobStore(tmp_path)
    await blobs.put("key", b"old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        await blobs.put("key", b"new")
    assert await blobs.get("key") == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["key"]


async def test_what_a_crash_left_half_written_is_no_key(tmp_path: Path) -> None:
    blobs = FilesystemBlobStore(tmp_path)
    await blobs.put("key", b"whole")
    (tmp_path / ".put~half").write_bytes(b"ha")
    assert await blobs.list() == ["key"]
    with pytest.raises(ValueError, match="key"):
        await blobs.get(".put~half")


async def test_new_folders_are_synced_into_their_parents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a power cut could take a folder away, and with it a blob that was durable."""
    synced: list[Path] = []
    fsync = os.fsync

    def noting(descriptor: int) -> None:
        synced.append(Path(os.readlink(f"/proc/self/fd/{descriptor}")))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", noting)
    await FilesystemBlobStore(tmp_path / "blobs").put("runs/1/output", b"x")
    folders = {tmp_path, tmp_path / "blobs", tmp_path / "blobs/runs", tmp_path / "blobs/runs/1"}
    assert folders <= set(synced)


async def test_a_link_put_in_the_place_of_a_blob_is_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"not a blob")
    blobs = FilesystemBlobStore(tmp_path / "blobs")
    await blobs.put("other", b"x")
    (tmp_path / "blobs" / "key").symlink_to(secret)
    with pytest.raises(OSError):
        await blobs.get("key")
