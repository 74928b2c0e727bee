"""Payloads between the store and a body: what is long lies in the blob store."""

from __future__ import annotations

import hashlib

from engine.model.json import Json, dumps, loads
from engine.model.payload import INLINE_LIMIT, BlobPointer, is_pointer, parse_pointer, pointer_text
from engine.model.records import Claimed
from engine.ports.blobs import BlobStore


class LoadedOutputs:
    """`engine.definition.context.Outputs`: texts at hand, parsed when asked for."""

    def __init__(self, texts: dict[str, str]) -> None:
        self._texts = texts

    def read(self, stage_id: str) -> Json:
        return loads(self._texts[stage_id])

    def stage_ids(self) -> list[str]:
        return list(self._texts)


async def load_texts(blobs: BlobStore, outputs: dict[str, str]) -> dict[str, str]:
    """The outputs with every pointer followed. Raises `KeyError` or `ValueError` for a blob that is gone or altered."""
    return {stage_id: await _follow(blobs, text) if is_pointer(text) else text for stage_id, text in outputs.items()}


async def _follow(blobs: BlobStore, text: str) -> str:
    pointer = parse_pointer(text)
    content = await blobs.get(pointer.key)
    if hashlib.sha256(content).hexdigest() != pointer.digest:
        raise ValueError(f"blob {pointer.key} was altered")
    return content.decode()


def group_input(claimed: Claimed, texts: dict[str, str]) -> Json:
    """The input of a stage: as stored, or put together from the outputs of the group before."""
    if claimed.input is not None:
        return loads(claimed.input)
    before = claimed.stage.group_no - 1
    members = {stage_id: loads(texts[stage_id]) for stage_id, group in claimed.groups.items() if group == before}
    return next(iter(members.values())) if len(members) == 1 else members


async def keep_output(blobs: BlobStore, prefix: str, output: Json) -> str:
    """The output as a row holds it: its text, or the pointer of the blob written for it."""
    text = dumps(output)
    content = text.encode()
    if len(content) <= INLINE_LIMIT:
        return text
    return pointer_text(await put_blob(blobs, f"{prefix}/output.json", content))


async def put_blob(blobs: BlobStore, key: str, content: bytes) -> BlobPointer:
    await blobs.put(key, content)
    return BlobPointer(key, len(content), hashlib.sha256(content).hexdigest())
