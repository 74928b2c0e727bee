"""JSON as the command line prints it: money as numbers, RFC 3339 UTC times, nothing a terminal would obey."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from pydantic import BaseModel

# Inside JSON strings only; json.dumps itself escapes what lies below U+0020.
_HOSTILE = re.compile(
    "[\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff\U000e0000-\U000e007f]"
)


def encode(value: object, *, indent: int | None = 2) -> str:
    """JSON text of views, results and plain values; `indent=None` puts it on one line."""
    text = json.dumps(_plain(value), default=_plain, ensure_ascii=False, indent=indent)
    return _HOSTILE.sub(_escape, text)


def page(items: Iterable[object], next_cursor: str | None = None) -> dict[str, object]:
    """A list as the contract prints it."""
    return {"items": list(items), "next_cursor": next_cursor}


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    return json.dumps(match[0])[1:-1] if code > 0xFFFF else f"\\u{code:04x}"


def _plain(value: object) -> object:
    if isinstance(value, BaseModel):
        return value.model_dump()
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Sequence | set | frozenset) and not isinstance(value, str | bytes):
        return list(value)
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return value if isinstance(value, dict | str | int | float | None) else str(value)
