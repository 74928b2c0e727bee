"""Payloads too large for a row: the column then holds a pointer to a blob instead of the JSON text itself."""

from __future__ import annotations

import json
from dataclasses import dataclass

INLINE_LIMIT = 256 * 1024
"""Bytes of JSON beyond which an output goes to a blob, and an input is derived instead of copied."""

_MARK = "@"
"""No JSON text begins with it."""


@dataclass(frozen=True, slots=True)
class BlobPointer:
    """Where the text lies: a blob key, its size in bytes and the SHA-256 of its bytes in hex."""

    key: str
    size: int
    digest: str


def pointer_text(pointer: BlobPointer) -> str:
    """The text a payload column holds instead of the payload."""
    fields = {"key": pointer.key, "size": pointer.size, "digest": pointer.digest}
    return _MARK + json.dumps(fields, ensure_ascii=False, separators=(",", ":"))


def is_pointer(text: str) -> bool:
    return text.startswith(_MARK)


def parse_pointer(text: str) -> BlobPointer:
    """The pointer of `pointer_text`; unknown fields are ignored. Raises `ValueError` for any other text."""
    if not is_pointer(text):
        raise ValueError("the text is no blob pointer")
    try:
        plain = json.loads(text[len(_MARK) :])
        return BlobPointer(str(plain["key"]), int(plain["size"]), str(plain["digest"]))
    except (KeyError, TypeError) as error:
        raise ValueError(f"a broken blob pointer: {error}") from error
