"""What the command line prints: data to standard output, talk to standard error, foreign text made safe."""

from __future__ import annotations

import contextlib
import io
import shutil
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime, tzinfo

from rich.cells import cell_len, set_cell_size

from wfconsole.ascii_text import ascii_text
from wfconsole.cli.encoding import encode
from wfconsole.formatting import STATUS, UNREACHED
from wfconsole.safe_text import safe_lines, safe_text

Cell = str | tuple[str, str]
"""Text, or text and the theme variable that colours it."""

_SGR = {
    "status-queued": "2",
    "status-running": "36",
    "status-retrying": "33",
    "status-waiting": "35",
    "status-ok": "32",
    "status-failed": "31",
    "status-cancelled": "2",
    "status-skipped": "2",
    "level-debug": "2",
    "level-warn": "33",
    "level-error": "31",
    "dim": "2",
    "bold": "1",
}
_GAP = "  "


class Printer:
    """Prints for a person or, with `as_json`, for a program. `zone` is that of the times it shows."""

    def __init__(self, *, as_json: bool, ascii_only: bool, colour: bool, zone: tzinfo) -> None:
        self.as_json = as_json
        self.zone = zone
        self._terminal = sys.stdout.isatty()
        self.ascii_only = ascii_only or not _can_draw(sys.stdout)
        self._colour = colour and self._terminal
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")

    def document(self, value: object) -> None:
        """One JSON document."""
        print(encode(value))

    def record(self, value: object) -> None:
        """One JSON object on a line of its own, at once: a member of a stream."""
        print(encode(value, indent=None), flush=True)

    def line(self, *cells: Cell) -> None:
        """Cells side by side, one blank between them."""
        print(" ".join(self._painted(cell) for cell in cells))

    def block(self, text: str, indent: str = "  ") -> None:
        """Several lines of foreign text."""
        for line in safe_lines(self._drawn(text)):
            print(f"{indent}{line}".rstrip())

    def table(
        self, headers: Sequence[str], rows: Iterable[Sequence[Cell]], *, right: frozenset[str] = frozenset()
    ) -> None:
        """Aligned columns, the last one cut at a terminal's edge. `right` names right-aligned ones."""
        headers = [self._drawn(header) for header in headers]
        shown = [[self._split(cell) for cell in row] for row in rows]
        widths = [
            max([cell_len(header), *(cell_len(row[at][0]) for row in shown)]) for at, header in enumerate(headers)
        ]
        if self._terminal:
            room = shutil.get_terminal_size().columns - sum(widths[:-1]) - len(_GAP) * (len(widths) - 1)
            widths[-1] = max(8, min(widths[-1], room))
        heading = [(header, "dim") for header in headers]
        for row in [heading, *shown]:
            cells = [
                self._fitted(cell, width, header in right, at == len(headers) - 1)
                for at, (cell, width, header) in enumerate(zip(row, widths, headers, strict=True))
            ]
            print(_GAP.join(cells).rstrip())

    def status(self, state: str) -> Cell:
        """Sign and word of a state of `formatting.STATUS`, with its colour."""
        mark = STATUS.get(state, UNREACHED)
        return mark.label(self.ascii_only), mark.variable

    def time(self, moment: datetime | None) -> str:
        """A moment in the zone of the settings, to the second, with its offset; `-` for none."""
        if moment is None:
            return "-"
        local = moment.astimezone(self.zone)
        return f"{local:%Y-%m-%d %H:%M:%S}{'Z' if local.tzname() == 'UTC' else f'{local:%z}'}"

    def _fitted(self, cell: tuple[str, str], width: int, to_the_right: bool, last: bool) -> str:
        text, style = cell
        if cell_len(text) > width:
            text = set_cell_size(text, width - 1) + ("~" if self.ascii_only else "…")
        blank = " " * (width - cell_len(text))
        painted = self._sgr(text, style)
        if to_the_right:
            return blank + painted
        return painted if last else painted + blank

    def _painted(self, cell: Cell) -> str:
        return self._sgr(*self._split(cell))

    def _split(self, cell: Cell) -> tuple[str, str]:
        text, style = (cell, "") if isinstance(cell, str) else cell
        return self._drawn(safe_text(text)), style

    def _drawn(self, text: str) -> str:
        return ascii_text(text) if self.ascii_only else text

    def _sgr(self, text: str, style: str) -> str:
        code = _SGR.get(style) if self._colour else None
        return f"\x1b[{code}m{text}\x1b[0m" if code else text


def talk(text: str) -> None:
    """A line to the person at the terminal, made safe. Lost, if nobody listens any more."""
    with contextlib.suppress(OSError, ValueError):
        print(safe_text(text), file=sys.stderr, flush=True)


def _can_draw(stream: object) -> bool:
    try:
        "✓●…".encode(getattr(stream, "encoding", None) or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
