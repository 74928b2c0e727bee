"""The timeline of a run as lines of (text, style key): a bar an attempt, on one scale, idle time folded if wanted.

Style keys are `label`, `focus`, `quiet`, `plain` and the status variables of `wfconsole.formatting`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from math import ceil

from rich.cells import cell_len

from wfconsole import formatting
from wfconsole.formatting import STATUS, UNREACHED
from wfconsole.safe_text import safe_text
from wfconsole.tui.layout.attempt_bars import Bar, Phase, Stretch
from wfconsole.tui.layout.cells import fit

Span = tuple[str, str]

_SECOND = 1_000
_STEPS_MS = (
    *(1, 2, 5, 10, 20, 50, 100, 200, 500),
    *(
        _SECOND * step
        for step in (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200)
    ),
    *(86_400 * _SECOND * step for step in (1, 2, 7, 14, 30, 90, 365)),
)
"""Lengths of time that read well: of a cell while a run goes on, and between the marks of the axis."""

FOLD = 3
"""Cells of a folded idle time."""
LONG = 6
"""An idle time of fewer cells is not worth folding."""
TICK = 12
"""Cells between two marks of the axis at least."""
LEAST_BAR = 10
MOST_LABEL = 28
_DURATION = 7

_SIGNS = {Phase.QUEUED: "░", Phase.WAITING: "▒", Phase.RUNNING: "█", Phase.BACKOFF: "·"}
_ASCII = {Phase.QUEUED: ".", Phase.WAITING: "w", Phase.RUNNING: "=", Phase.BACKOFF: "-"}
_STYLES = {
    Phase.QUEUED: "status-queued",
    Phase.WAITING: "status-waiting",
    Phase.RUNNING: "status-running",
    Phase.BACKOFF: "status-retrying",
}
_ORDER = (Phase.QUEUED, Phase.BACKOFF, Phase.WAITING, Phase.RUNNING)
"""Where two share a cell, the later one shows."""


@dataclass(frozen=True, slots=True)
class TimelineLayout:
    """`axis` stands over `rows`; `places` gives the (stage id, attempt) of each row."""

    axis: list[Span]
    rows: list[list[Span]]
    places: list[tuple[str, int]]
    folded: timedelta
    """Idle time that is not drawn to scale."""


@dataclass(frozen=True, slots=True)
class _Piece:
    """A time drawn to scale, or a folded one, from cell `x` on."""

    start: datetime
    end: datetime
    x: float
    cells: float
    folded: bool = False


class Scale:
    """From moments to cells, increasing throughout."""

    def __init__(self, start: datetime, pieces: Sequence[_Piece]) -> None:
        self.start = start
        self.pieces = pieces

    @property
    def cells(self) -> float:
        return self.pieces[-1].x + self.pieces[-1].cells if self.pieces else 0.0

    def x(self, moment: datetime) -> float:
        """The place of a moment in cells; what lies outside is put at the nearest end."""
        for piece in self.pieces:
            if moment <= piece.end:
                length = (piece.end - piece.start).total_seconds()
                share = (moment - piece.start).total_seconds() / length if length else 0.0
                return piece.x + piece.cells * max(0.0, share)
        return self.cells


def scale_of(bars: Sequence[Bar], width: int, *, fold: bool, live: bool) -> Scale:
    """A scale of at most `width` cells. While the run goes on a cell is a round time, so that what is drawn stays."""
    start = min(bar.start for bar in bars)
    end = max(bar.end for bar in bars)
    parts = _parts(bars, start, end, width) if fold else [(start, end, False)]
    folds = sum(folded for _, _, folded in parts)
    room = max(1, width - FOLD * folds)
    drawn_ms = sum(_ms(till - since) for since, till, folded in parts if not folded)
    cell_ms: float = max(drawn_ms / room, 1e-3)
    if live:
        cell_ms = next((step for step in _STEPS_MS if step * room >= drawn_ms), cell_ms)
    pieces, x = [], 0.0
    for since, till, folded in parts:
        cells = float(FOLD) if folded else _ms(till - since) / cell_ms
        pieces.append(_Piece(since, till, x, cells, folded))
        x += cells
    return Scale(start, pieces)


def _parts(bars: Sequence[Bar], start: datetime, end: datetime, width: int) -> list[tuple[datetime, datetime, bool]]:
    """The whole time in parts; those in which nothing executed, and long enough, are to be folded."""
    busy = sorted((one.start, one.end) for bar in bars for one in bar.stretches if one.phase is Phase.RUNNING)
    least = (end - start) * LONG / max(width, LONG)
    # A little is left at both ends, so that what waits is seen to wait.
    spent = sum((till - since for since, till in busy), timedelta())
    edge = min(least / LONG, spent / 20) if spent else least / LONG
    parts: list[tuple[datetime, datetime, bool]] = []
    drawn, reached = start, start
    for since, till in [*busy, (end, end)]:
        if since - reached > least:
            parts += [(drawn, reached + edge, False), (reached + edge, since - edge, True)]
            drawn = since - edge
        reached = max(reached, till)
    return [*parts, (drawn, end, False)]


def layout(
    bars: Sequence[Bar],
    width: int,
    *,
    fold: bool = False,
    focus: tuple[str, int] | None = None,
    ascii_only: bool = False,
) -> TimelineLayout:
    """Lay the attempts out in `width` cells; the same input gives the same output."""
    if not bars or width < 1:
        return TimelineLayout([], [], [], timedelta())
    label_cells = _label_cells(bars, width)
    bar_cells = max(1, width - label_cells - _DURATION - 1)
    scale = scale_of(bars, bar_cells, fold=fold, live=any(bar.live for bar in bars))
    rows, places, before = [], [], ""
    for bar in bars:
        focused = (bar.stage_id, bar.attempt) == focus
        label = _label(bar, bar.stage_id != before, label_cells, focused, ascii_only)
        rows.append([*label, *_drawn(bar, scale, bar_cells, ascii_only), (_took(bar), "quiet")])
        places.append((bar.stage_id, bar.attempt))
        before = bar.stage_id
    axis = [(" " * (label_cells + 1), "plain"), (_axis(scale, bar_cells, ascii_only), "quiet")]
    folded = sum((piece.end - piece.start for piece in scale.pieces if piece.folded), timedelta())
    return TimelineLayout(_cut(axis, width), [_cut(row, width) for row in rows], places, folded)


def legend(ascii_only: bool = False) -> list[Span]:
    """What the signs mean."""
    signs = _ASCII if ascii_only else _SIGNS
    spans: list[Span] = []
    for phase in (Phase.QUEUED, Phase.WAITING, Phase.RUNNING, Phase.BACKOFF):
        spans += [(signs[phase], _STYLES[phase]), (f" {phase}  ", "quiet")]
    return [*spans, (STATUS["FAILED"].sign(ascii_only), "status-failed"), (" failed", "quiet")]


def mini(bars: Sequence[Bar], width: int, *, planned: Sequence[str] = (), ascii_only: bool = False) -> list[Span]:
    """One line: each stage's name and its attempts, all on one scale; empty where it does not fit.

    Stages have equal room, those `planned` from the beginning: nothing moves aside while bars grow.
    """
    attempts: dict[str, list[Bar]] = {stage_id: [] for stage_id in planned}
    for bar in bars:
        attempts.setdefault(bar.stage_id, []).append(bar)
    names = [safe_text(stage_id, limit=MOST_LABEL) for stage_id in attempts]
    room = (width - sum(cell_len(name) + 3 for name in names) + 1) // max(len(names), 1)
    spent = [[_ms(bar.end - bar.start) for bar in members] for members in attempts.values()]
    cell_ms = next(
        (step for step in _STEPS_MS if all(sum(_least_cells(ms, step) for ms in one) <= room for one in spent)), None
    )
    if not bars or cell_ms is None:
        return []
    spans: list[Span] = [(" ", "plain")]
    for name, members in zip(names, attempts.values(), strict=True):
        spans.append((f"{name} ", "label" if members else "quiet"))
        left = room
        for bar in members:
            cells = _least_cells(_ms(bar.end - bar.start), cell_ms)
            whole = Scale(bar.start, [_Piece(bar.start, bar.end, 0.0, float(cells))])
            spans += _drawn(bar, whole, cells, ascii_only)
            left -= cells
        spans.append((" " * (left + 2), "plain"))
    return spans[:-1]


def _least_cells(ms: float, cell_ms: float) -> int:
    return max(1, ceil(ms / cell_ms))


def _ms(time: timedelta) -> float:
    return max(0.0, time.total_seconds() * _SECOND)


def _label_cells(bars: Sequence[Bar], width: int) -> int:
    """Room for mark, name and number of an attempt; less where the bar would get too little."""
    longest = max(cell_len(safe_text(bar.stage_id, limit=MOST_LABEL)) + len(_number(bar)) for bar in bars)
    return max(4, min(longest + 3, MOST_LABEL, width - LEAST_BAR - _DURATION - 1))


def _number(bar: Bar) -> str:
    return f" #{bar.attempt}"


def _label(bar: Bar, first: bool, cells: int, focused: bool, ascii_only: bool) -> list[Span]:
    mark = STATUS.get(bar.state, UNREACHED)
    number = _number(bar)
    ellipsis = "~" if ascii_only else "…"
    room = max(0, cells - 3 - len(number))
    name = fit(safe_text(bar.stage_id, limit=MOST_LABEL) if first or focused else "", room, ellipsis=ellipsis)
    cursor = (">" if ascii_only else "▸") if focused else " "
    style = "focus" if focused else "label"
    shown = fit(f"{name}{number}", cells - 3)
    return [(cursor, "focus"), (mark.sign(ascii_only), mark.variable), (" ", "plain"), (shown, style), (" ", "plain")]


def _took(bar: Bar) -> str:
    began = bar.began
    took = formatting.duration(_ms(bar.end - began)) if began is not None else formatting.NONE
    return f" {took:>{_DURATION - 1}}"


def _drawn(bar: Bar, scale: Scale, cells: int, ascii_only: bool) -> list[Span]:
    """The bar in exactly `cells` cells: every attempt that ran is seen, however short it was."""
    signs = _ASCII if ascii_only else _SIGNS
    painted: list[Span] = [(" ", "plain")] * cells
    last = 0
    for phase in _ORDER:
        for stretch in bar.stretches:
            if stretch.phase is phase:
                first, end = _range(stretch, scale, cells)
                painted[first:end] = [(signs[phase], _style(bar, phase))] * (end - first)
                last = max(last, end)
    if bar.state in ("FAILED", "CANCELLED") and last:
        painted[last - 1] = (STATUS[bar.state].sign(ascii_only), STATUS[bar.state].variable)
    return [(text * len(list(group)), style) for (text, style), group in groupby(painted)]


def _style(bar: Bar, phase: Phase) -> str:
    """What ran well has the colour of its end; the rest that of what it is."""
    return "status-ok" if phase is Phase.RUNNING and bar.state == "COMPLETED" else _STYLES[phase]


def _range(stretch: Stretch, scale: Scale, cells: int) -> tuple[int, int]:
    first, end = scale.x(stretch.start), scale.x(stretch.end)
    if stretch.phase is Phase.RUNNING:
        place = min(int(first), cells - 1)
        return place, min(cells, max(place + 1, ceil(end - 1e-9)))
    return min(round(first), cells), min(round(end), cells)


def _axis(scale: Scale, cells: int, ascii_only: bool) -> str:
    """Times since the start where they have room, and the sign of each fold."""
    shown = [" "] * cells
    for piece in scale.pieces:
        if piece.folded:
            place = round(piece.x)
            _put(shown, place, "~" * FOLD if ascii_only else "≈" * FOLD)
    for x, text in _ticks(scale, cells):
        place = round(x)
        if all(char == " " for char in shown[max(0, place - 1) : place + len(text) + 1]) and place + len(text) <= cells:
            _put(shown, place, text)
    return "".join(shown)


def _put(shown: list[str], place: int, text: str) -> None:
    for at, char in enumerate(text, start=place):
        if 0 <= at < len(shown):
            shown[at] = char


def _ticks(scale: Scale, cells: int) -> Iterator[tuple[float, str]]:
    drawn = [piece for piece in scale.pieces if not piece.folded]
    room = sum(piece.cells for piece in drawn)
    drawn_ms = sum(_ms(piece.end - piece.start) for piece in drawn)
    if not room or not drawn_ms:
        yield 0.0, "0s"
        return
    step = next((step for step in _STEPS_MS if step / drawn_ms * room >= TICK), _STEPS_MS[-1])
    for piece in drawn:
        since, till = _ms(piece.start - scale.start), _ms(piece.end - scale.start)
        at = ceil(since / step) * step
        # A run that goes on leaves room to its right: the axis says what it will be.
        end = (
            max(till, since + (cells - piece.x) / piece.cells * (till - since))
            if piece is drawn[-1] and piece.cells
            else till
        )
        while at <= end:
            yield piece.x + (at - since) / (till - since) * piece.cells if till > since else piece.x, _tick(at)
            at += step


def _tick(ms: float) -> str:
    return "0s" if ms == 0 else formatting.duration(ms)


def _cut(spans: list[Span], width: int) -> list[Span]:
    cut: list[Span] = []
    for text, style in spans:
        shown = text if cell_len(text) <= width else fit(text, width, ellipsis="")
        if shown:
            cut.append((shown, style))
        width -= cell_len(shown)
        if width <= 0:
            break
    return cut
