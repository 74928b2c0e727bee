"""A log line as rows of (text, style key): time, level, stage and attempt, message, fields.

Style keys are `time`, `source`, `fields`, `text` and the level variables (`level-error` …).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, tzinfo
from functools import lru_cache
from typing import TYPE_CHECKING
from zlib import crc32

from engine.model.status import LogLevel
from wfconsole import formatting
from wfconsole.formatting import TimeMode
from wfconsole.safe_text import safe_lines, safe_text
from wfconsole.tui.layout.cells import chunks, fit

if TYPE_CHECKING:
    from engine.inspector.views import LogLine

MESSAGE_LIMIT = 16_384
FIELD_LIMIT = 400
SOURCE_LIMIT = 20
NARROWEST = 20
_TIME = 12
_NEEDS_QUOTES = re.compile(r"[\s\"=]")
_LEVEL = 5

Span = tuple[str, str]

RUN_COLOURS = ("status-running", "status-waiting", "status-retrying", "status-ok", "level-info", "mark")
"""Prefixes of runs: colours every theme has, none of them that of a failure."""


@dataclass(frozen=True, slots=True)
class LogLook:
    """How lines are laid out. `wrap_at` is the width in cells at which rows break, None where they don't."""

    zone: tzinfo | None = None
    mode: TimeMode = "relative"
    source_cells: int = 0
    with_run: bool = False
    wrap_at: int | None = None

    @property
    def indent(self) -> int:
        """Cells before the message."""
        run = formatting.SHORT_ID + 1 if self.with_run else 0
        return run + _TIME + 1 + _LEVEL + 1 + (self.source_cells + 1 if self.source_cells else 0)

    @property
    def _room(self) -> tuple[int, int]:
        """Indent of a message's further rows and cells for each, when rows break."""
        width = max(self.wrap_at or 0, NARROWEST)
        indent = self.indent if width - self.indent >= NARROWEST else 0
        return indent, width - indent

    def height(self, line: LogLine) -> int:
        """The number of rows of `line`."""
        if self.wrap_at is None:
            return len(_body_lines(line)) if "\n" in line.message else 1
        return len(self._pieces(line))

    def rows(self, line: LogLine) -> list[list[Span]]:
        """The rows of `line`, as many as `height` says."""
        level = f"level-{line.level.value.lower()}"
        loud = level if line.level in {LogLevel.WARN, LogLevel.ERROR, LogLevel.DEBUG} else "text"
        head: list[Span] = []
        if self.with_run:
            head.append((f"{safe_text(formatting.short_id(line.run_id))} ", run_colour(line.run_id)))
        head += [(self._time(line) + " ", "time"), (f"{line.level.value:<{_LEVEL}} ", level)]
        if self.source_cells:
            head.append((fit(source(line), self.source_cells) + " ", "source"))
        fields = fields_text(line)
        pieces = self._pieces(line)
        indent = self._room[0] if self.wrap_at is not None else self.indent
        hanging = [(" " * indent, "text")]
        rows = [[*(hanging if at else head), (piece, loud)] for at, piece in enumerate(pieces)]
        return [_with_fields(row, fields) for row in rows] if fields else rows

    def _pieces(self, line: LogLine) -> list[str]:
        texts = _body_lines(line)
        fields = fields_text(line)
        if fields:
            texts[-1] = f"{texts[-1]}  {fields}"
        if self.wrap_at is None:
            return texts
        indent, room = self._room
        first = room if indent else max(NARROWEST, room - self.indent)
        pieces = chunks(texts[0], first)
        for text in texts[1:]:
            pieces += chunks(text, room)
        return pieces

    def _time(self, line: LogLine) -> str:
        local = line.created_at.astimezone(UTC if self.mode == "utc" else self.zone)
        return f"{local:%H:%M:%S}.{local.microsecond // 1000:03d}"


@lru_cache(maxsize=256)
def run_colour(run_id: str) -> str:
    """A style key for the run, the same in every log."""
    return RUN_COLOURS[crc32(run_id.encode("utf-8", "surrogatepass")) % len(RUN_COLOURS)]


def source(line: LogLine) -> str:
    """Where a line comes from: `embed#3`; empty for the run itself."""
    return "" if line.stage_id is None else _source(line.stage_id, line.attempt)


@lru_cache(maxsize=1024)
def _source(stage_id: str, attempt: int | None) -> str:
    return safe_text(stage_id if attempt is None else f"{stage_id}#{attempt}", limit=SOURCE_LIMIT)


def fields_text(line: LogLine) -> str:
    """The fields as `k=v k2="two words"`, safe on one row."""
    if not line.fields:
        return ""
    return " ".join(f"{safe_text(key, limit=80)}={_value(value)}" for key, value in line.fields.items())


def length(line: LogLine) -> int:
    """About how many cells message and fields take on one row: quick, for the width of the content."""
    fields = sum(
        len(key) + 4 + (min(len(value), FIELD_LIMIT) if isinstance(value, str) else 20)
        for key, value in line.fields.items()
    )
    return len(line.message) + fields


def _value(value: object) -> str:
    if isinstance(value, str) and value and not _NEEDS_QUOTES.search(value):
        return safe_text(value, limit=FIELD_LIMIT)
    if type(value) is int:
        return formatting.integer(value)[:FIELD_LIMIT]
    try:
        shown = json.dumps(value, ensure_ascii=False, default=str)
    except ValueError:  # an integer too long for decimal digits, inside
        shown = "(too long to show)"
    return safe_text(shown, limit=FIELD_LIMIT)


def _body_lines(line: LogLine) -> list[str]:
    message = line.message
    if len(message) > MESSAGE_LIMIT:
        size = formatting.size(len(message.encode("utf-8", "replace")))
        message = f"{message[:MESSAGE_LIMIT]}… ({size} in all)"
    return safe_lines(message.rstrip("\n"))


def _with_fields(row: list[Span], fields: str) -> list[Span]:
    """The row with its fields, where it holds all of them, told apart from the message."""
    text, style = row[-1]
    if not text.endswith(f"  {fields}"):
        return row
    return [*row[:-1], (text[: -len(fields)], style), (fields, "fields")]


def highlighted(row: list[Span], needle: str, style: str) -> list[Span]:
    """The row with every occurrence of `needle` (any case) in `style`."""
    text = "".join(part for part, _ in row).lower()
    wanted = needle.lower()
    # Lower case of a few letters is longer than the letter; such a row is left as it is.
    if not wanted or wanted not in text or len(text) != sum(len(part) for part, _ in row):
        return row
    marked = bytearray(len(text))
    at = text.find(wanted)
    while at >= 0:
        marked[at : at + len(wanted)] = b"\x01" * len(wanted)
        at = text.find(wanted, at + len(wanted))
    spans: list[Span] = []
    place = 0
    for part, usual in row:
        start = 0
        for end in range(1, len(part) + 1):
            if end == len(part) or marked[place + end] != marked[place + start]:
                spans.append((part[start:end], style if marked[place + start] else usual))
                start = end
        place += len(part)
    return spans
