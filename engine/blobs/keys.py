"""Which keys a blob may have."""

from __future__ import annotations

import re

_SEGMENT = re.compile(r"[A-Za-z0-9._-]{1,240}")
MAX_LENGTH = 1024


def checked_key(key: str) -> list[str]:
    """The key's segments. Raises `ValueError` for a key that could leave its root or that no file system takes."""
    segments = key.split("/")
    if len(key) > MAX_LENGTH or any(not _SEGMENT.fullmatch(one) or set(one) == {"."} for one in segments):
        raise ValueError(f"no blob key: {key[:80]!r}")
    return segments
