"""Which texts can be stored at all."""

from __future__ import annotations


def storable(text: str) -> bool:
    """Whether a stored text could hold this: no NUL, no lone surrogate. Neither database takes them."""
    return "\x00" not in text and not any("\ud800" <= char <= "\udfff" for char in text)
