"""Ids: 20 lower-case Crockford base-32 characters (100 bits), made by the client so that no write waits for one."""

from __future__ import annotations

import random
import re
import secrets
import time

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
LENGTH = 20
_RANDOM_BITS = 46
_RUN_ID = re.compile(f"[{ALPHABET}]{{{LENGTH}}}")


def _encode(number: int) -> str:
    digits = []
    for _ in range(LENGTH):
        digits.append(ALPHABET[number & 31])
        number >>= 5
    return "".join(reversed(digits))


def new_run_id() -> str:
    """Random from the first character on, so that a short prefix already tells runs apart."""
    return _encode(secrets.randbits(100))


def new_id() -> str:
    """Time-ordered to the microsecond, for jobs, events, log lines: a B-tree grows at its end only."""
    # Nobody gains by guessing these; a system call for each of a turn's fifty ids would show.
    return _encode((time.time_ns() // 1000 << _RANDOM_BITS) | random.getrandbits(_RANDOM_BITS))


def new_token() -> str:
    """A lease token: unguessable and never used twice."""
    return secrets.token_hex(16)


def is_run_id(text: str) -> bool:
    return _RUN_ID.fullmatch(text) is not None
