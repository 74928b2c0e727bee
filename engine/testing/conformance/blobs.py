"""What `engine.ports.blobs.BlobStore` promises."""

from __future__ import annotations

import asyncio

import pytest

from engine.ports.blobs import BlobStore

BAD_KEYS = ["", "/", "/etc/passwd", "..", "../up", "a/../../up", ".", "a/./b", "a//b", "a/", "a b", "ä", "a\0b", "a\\b"]


class BlobPromises:
    """Needs the fixture `blobs`: an empty `BlobStore`."""

    async def test_what_was_put_is_got_back_byte_by_byte(self, blobs: BlobStore) -> None:
        content = bytes(range(256)) * 300
        await blobs.put("runs/1/output", content)
        await blobs.put("runs/1/empty", b"")
        assert await blobs.get("runs/1/output") == content
        assert await blobs.get("runs/1/empty") == b""
        assert await blobs.has("runs/1/output")

    async def test_the_last_put_wins(self, blobs: BlobStore) -> None:
        await blobs.put("key", b"a much longer first content")
        await blobs.put("key", b"second")
        assert await blobs.get("key") == b"second"
        assert await blobs.list() == ["key"]

    async def test_a_key_that_is_not_there(self, blobs: BlobStore) -> None:
        await blobs.put("runs/1/output", b"x")
        for key in ["other", "runs", "runs/1", "runs/1/output/more"]:
            assert not await blobs.has(key)
            with pytest.raises(KeyError):
                await blobs.get(key)
            await blobs.delete(key)
        assert await blobs.list() == ["runs/1/output"]

    async def test_deleting(self, blobs: BlobStore) -> None:
        await blobs.put("a/b", b"x")
        await blobs.put("a/c", b"y")
        await blobs.delete("a/b")
        assert not await blobs.has("a/b")
        assert await blobs.list() == ["a/c"]

    async def test_keys_are_listed_sorted_by_any_prefix(self, blobs: BlobStore) -> None:
        keys = ["a", "ab/c", "ab/d/e", "ab-1", "b.txt", ".put-1", ".hidden/x", "A_B"]
        for key in keys:
            await blobs.put(key, key.encode())
        assert await blobs.list() == sorted(keys)
        for prefix in ["a", "ab", "ab/", "ab/d", "ab/d/e", ".", "nothing", "nothing/here"]:
            assert await blobs.list(prefix) == sorted(key for key in keys if key.startswith(prefix))

    @pytest.mark.parametrize("key", BAD_KEYS)
    async def test_a_key_that_is_none_is_refused(self, blobs: BlobStore, key: str) -> None:
        for act in (blobs.put(key, b"x"), blobs.get(key), blobs.has(key), blobs.delete(key)):
            with pytest.raises(ValueError, match="key"):
                await act
        assert await blobs.list() == []

    @pytest.mark.parametrize("prefix", ["/", "../", "a/../", "/etc/", "//"])
    async def test_no_prefix_leads_out(self, blobs: BlobStore, prefix: str) -> None:
        await blobs.put("a/b", b"x")
        assert await blobs.list(prefix) == []

    async def test_a_reader_sees_the_whole_of_one_put(self, blobs: BlobStore) -> None:
        size = 1 << 20
        contents = [bytes([number]) * size for number in range(4)]
        await blobs.put("key", contents[0])
        puts = asyncio.gather(*(blobs.put("key", content) for content in contents * 3))
        seen = 0
        while not puts.done():
            content = await blobs.get("key")
            assert len(content) == size
            assert len(set(content)) == 1
            assert await blobs.list() == ["key"]
            seen += 1
            await asyncio.sleep(0)
        await puts
        assert await blobs.get("key") in contents
