"""What `tab` completes in a filter or a command line: the word before the cursor, from words that are known."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from wfconsole.filtering import FIELDS, STATUS_WORDS

EXAMPLES: Mapping[str, tuple[str, ...]] = {
    "since": ("15m", "1h", "2h", "24h", "7d"),
    "until": ("1h", "24h", "7d"),
    "ended": ("15m", "1h", "24h"),
    "cost": (">0.01", ">0.1", ">1"),
    "dur": (">10s", ">1m", ">10m"),
    "idle": (">1m", ">10m", ">1h"),
    "attempt": (">1", ">2"),
}


@dataclass(frozen=True, slots=True)
class Completed:
    """The text with its cursor, and what else the word could have become."""

    text: str
    cursor: int
    choices: tuple[str, ...] = ()


def complete(text: str, cursor: int, words: Sequence[str]) -> Completed:
    """Complete the end of the word before the cursor to the longest beginning shared by the `words` that fit."""
    start = _word_start(text, cursor)
    return _completed(text, start, cursor, words, "" if text[cursor:].startswith(" ") else " ")


def complete_filter(text: str, cursor: int, known: Mapping[str, Iterable[str]]) -> Completed:
    """Fields, and after a field its values: statuses, examples, and those `known` (by field)."""
    start = _word_start(text, cursor)
    word = text[start:cursor]
    start += word.startswith("-")
    field, colon, rest = text[start:cursor].partition(":")
    if not colon:
        return _completed(text, start, cursor, [f"{name}:" for name in FIELDS], "")
    field = field.lower()
    values = {"status": sorted(STATUS_WORDS), **EXAMPLES}.get(field) or sorted(set(known.get(field, ())))
    return _completed(text, cursor - len(rest.rpartition(",")[2]), cursor, values, "")


def _word_start(text: str, cursor: int) -> int:
    return text.rfind(" ", 0, cursor) + 1


def _completed(text: str, start: int, cursor: int, words: Iterable[str], end: str) -> Completed:
    begun = text[start:cursor]
    choices = tuple(word for word in words if word.startswith(begun))
    if not choices:
        return Completed(text, cursor)
    shared = _shared_beginning(min(choices), max(choices))
    if len(choices) == 1:
        shared += end
    return Completed(text[:start] + shared + text[cursor:], start + len(shared), choices if len(choices) > 1 else ())


def _shared_beginning(one: str, other: str) -> str:
    length = next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    return one[:length]
