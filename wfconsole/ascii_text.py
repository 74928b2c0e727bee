"""What `--ascii` shows in the place of signs: rules, blocks, arrows and marks, cell by cell."""

from __future__ import annotations

_RULES = {
    "-": "─━┄┅┈┉╌╍═╴╶╸╺╼╾▔▀−",
    "|": "│┃┆┇┊┋╎╏║╵╷╹╻╽╿▍▎▏▐▕‖",
    "_": "▁▂▃",
    "=": "▄▅↷",
    "#": "▆▇█▉▊▋▌▓",
    ":": "▒",
    ".": "░·◌",
    "~": "…≈",
    "x": "×✗✘✖",
    "+": "✓✔",
    "*": "●◆◉",
    "o": "○◎",
    ">": "→›▸▶",
    "<": "←‹◂◀",
    "^": "↑▲△",
    "v": "↓▼▽",
    "/": "⊘╱",
    "\\": "╲",
    "!": "☠",
    "r": "↻",
    "w": "◫",
    "? ": "🔎",
}
_TABLE: dict[int, str] = {
    **dict.fromkeys(range(9472, 9600), "+"),
    **dict.fromkeys(range(9600, 9632), "#"),
    **{ord(sign): plain for plain, signs in _RULES.items() for sign in signs},
}


def ascii_text(text: str) -> str:
    """`text` with our signs, and what looks like them, in ASCII of the same width; letters stay what they are."""
    return text if text.isascii() else text.translate(_TABLE)
