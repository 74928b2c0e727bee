"""Text measured and cut in terminal cells, where an ideograph is two wide and a combining mark none."""

from __future__ import annotations

from rich.cells import cell_len, set_cell_size

from wfconsole.safe_text import ELLIPSIS

Part = tuple[str, str]
"""A text and its style, e.g. `("● live", "$status-ok")`; the text must be safe already."""


def fit(text: str, width: int, *, right: bool = False, ellipsis: str = ELLIPSIS) -> str:
    """Exactly `width` cells of `text`: padded (on the left when `right`), or cut and ended by `ellipsis`."""
    used = len(text) if text.isascii() else cell_len(text)
    if used == width:
        return text
    if used < width:
        return " " * (width - used) + text if right else text + " " * (width - used)
    mark = cell_len(ellipsis)
    return set_cell_size(text, width - mark) + ellipsis if width >= mark else " " * max(width, 0)


def fit_counted(text: str, width: int, *, ellipsis: str = ELLIPSIS) -> str:
    """`text` in at most `width` cells, where `keywords +2` is cut before what is counted: `keyw… +2`."""
    name, plus, number = text.rpartition(" +")
    room = width - len(plus) - len(number)
    if not plus or not number.isdigit() or room < 2 or cell_len(text) <= width:
        return text
    return f"{clip(name, room, ellipsis=ellipsis)}{plus}{number}"


def clip(text: str, width: int, *, ellipsis: str = ELLIPSIS) -> str:
    """`text`, cut to at most `width` cells and ended by `ellipsis` if it was longer; never padded."""
    return text if cell_len(text) <= width else fit(text, width, ellipsis=ellipsis)


def words(text: str, width: int) -> list[str]:
    """`text` broken as by `chunks`, at spaces where the words are not too long for it."""
    if len(text) <= width // 2 or cell_len(text) <= width:
        return [text]
    if not text.isascii() and cell_len(text) != len(text):
        return chunks(text, width)
    pieces, at = [], 0
    while len(text) - at > width:
        space = text.rfind(" ", at + width // 2, at + width + 1)
        end = space if space > at else at + width
        pieces.append(text[at:end])
        at = end + (space > 0)
    return [*pieces, text[at:]]


def chunks(text: str, width: int) -> list[str]:
    """`text` broken into pieces of at most `width` cells (at least one piece; `width` at least 2)."""
    if len(text) <= width // 2 or cell_len(text) <= width:
        return [text]
    if text.isascii():
        return [text[at : at + width] for at in range(0, len(text), width)]
    pieces, start, used = [], 0, 0
    for at, char in enumerate(text):
        wide = cell_len(char)
        if used + wide > width:
            pieces.append(text[start:at])
            start, used = at, 0
        used += wide
    return [*pieces, text[start:]]
