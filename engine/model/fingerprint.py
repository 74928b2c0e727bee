"""Errors that are the same but for their particulars have one fingerprint."""

from __future__ import annotations

import hashlib
import re

_PARTICULARS = re.compile(r"0x[0-9a-f]+|[0-9a-f]{8,}|\d+|'[^']*'|\"[^\"]*\"", re.IGNORECASE)
_LENGTH = 12


def fingerprint(code: str | None, message: str) -> str:
    """12 hex digits of the code and the message's first line without numbers, ids and quoted values."""
    first_line = message.split("\n", 1)[0]
    normal = _PARTICULARS.sub("#", first_line)
    return hashlib.sha256(f"{code}\n{normal}".encode()).hexdigest()[:_LENGTH]
