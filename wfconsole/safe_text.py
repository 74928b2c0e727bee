"""Text from outside made safe to show: whatever could steer a terminal becomes a visible escape.

Neither Rich nor Textual does this: both hand an ESC, a C1 control or a bidi override on to the terminal.
"""

from __future__ import annotations

import re

ELLIPSIS = "…"

_HOSTILE_RANGES = (
    (0x00, 0x1F),
    (0x7F, 0x9F),
    (0xAD, 0xAD),  # soft hyphen: shown by some terminals, hidden by others
    (0x061C, 0x061C),
    (0x180E, 0x180E),
    (0x200B, 0x200F),
    (0x2028, 0x202E),
    (0x2060, 0x206F),
    (0xD800, 0xDFFF),
    (0xFEFF, 0xFEFF),
    (0xFFF9, 0xFFFB),
    (0xE0000, 0xE0FFF),  # tags, invisible copies of ASCII, and what else is never shown
)
_KEPT_IN_BLOCKS = "\n\t"
_SHORT = {0x09: r"\t", 0x0A: r"\n", 0x0D: r"\r"}


def _escape(code: int) -> str:
    if code in _SHORT:
        return _SHORT[code]
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


_RANGES = "".join(f"{re.escape(chr(low))}-{re.escape(chr(high))}" for low, high in _HOSTILE_RANGES)
_HOSTILE = re.compile(f"[{_RANGES}]")
_HOSTILE_IN_BLOCKS = re.compile(f"(?![{_KEPT_IN_BLOCKS}])[{_RANGES}]")


class _Escapes(dict[int, str]):
    """What `str.translate` puts for a character, found when it first comes: there are 6,000 hostile ones."""

    def __init__(self, hostile: re.Pattern[str]) -> None:
        self._hostile = hostile

    def __missing__(self, code: int) -> str:
        shown = self[code] = _escape(code) if self._hostile.match(chr(code)) else chr(code)
        return shown


_ESCAPES = _Escapes(_HOSTILE)
_BLOCK_ESCAPES = _Escapes(_HOSTILE_IN_BLOCKS)


def _leans(character: str) -> bool:
    """Whether it takes no cell of its own, but belongs to what stands before it."""
    from rich.cells import cell_len  # it knows newer characters than this Python may

    return cell_len(character) == 0


def safe_text(text: object, *, multiline: bool = False, limit: int | None = None) -> str:
    r"""`str(text)` with controls, bidi controls, invisible characters, lone surrogates as `\x1b`, `\u202e`.

    A mark without a letter before it is one of these, too: it would change our own glyph beside it. Nothing is
    dropped silently. `multiline` keeps newlines and tabs. `limit` is the most characters returned;
    a cut is shown by an ellipsis. Applying it again changes nothing. Never raises for a string.
    """
    shown = text if type(text) is str else str(text)
    if limit is not None and len(shown) > limit:
        # Escapes only lengthen, so what lies beyond the limit need not be looked at.
        shown = shown[: limit + 1]
    if not shown.isprintable():
        hostile, escapes = (_HOSTILE_IN_BLOCKS, _BLOCK_ESCAPES) if multiline else (_HOSTILE, _ESCAPES)
        if hostile.search(shown):
            shown = shown.translate(escapes)
    if not shown[:1].isascii() and _leans(shown[0]):
        shown = _escape(ord(shown[0])) + shown[1:]
    if limit is not None and len(shown) > limit:
        shown = shown[: max(limit - 1, 0)] + ELLIPSIS if limit > 0 else ""
    return shown


def safe_lines(text: object, *, limit: int | None = None) -> list[str]:
    """The lines of `text`, each fit for one row: tabs become spaces. At least one line, maybe empty."""
    shown = safe_text(text, multiline=True, limit=limit)
    return shown.expandtabs(4).split("\n") if "\t" in shown else shown.split("\n")
