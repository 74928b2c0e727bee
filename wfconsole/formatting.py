"""How values look, on screen and on the command line: status marks, times, durations, money, counts.

Pure functions from values to short strings; no colour, no terminal. Theme variables are named, not resolved.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

from engine.model.status import RunStatus, StageStatus

if TYPE_CHECKING:
    from engine.inspector.views import RunSummary, StageView

NONE = "-"
UNKNOWN = "?"
SHORT_ID = 8
_BYTE_UNITS = ("kB", "MB", "GB", "TB")

TimeMode = Literal["relative", "local", "utc"]


@dataclass(frozen=True, slots=True)
class StatusMark:
    """How one state is shown: shape, word and colour. `variable` names the theme's colour for it."""

    key: str
    glyph: str
    ascii: str
    word: str
    variable: str

    def sign(self, ascii_only: bool = False) -> str:
        """The one-cell sign."""
        return self.ascii if ascii_only else self.glyph

    def label(self, ascii_only: bool = False) -> str:
        """Sign and word: `✗ failed`."""
        return f"{self.sign(ascii_only)} {self.word}"


STATUS: Mapping[str, StatusMark] = {
    mark.key: mark
    for mark in (
        StatusMark("PENDING", "◌", ".", "queued", "status-queued"),
        StatusMark("RUNNING", "●", ">", "running", "status-running"),
        StatusMark("RETRYING", "↻", "r", "retrying", "status-retrying"),
        StatusMark("WAITING", "◫", "w", "waiting", "status-waiting"),
        StatusMark("COMPLETED", "✓", "+", "ok", "status-ok"),
        StatusMark("FAILED", "✗", "x", "failed", "status-failed"),
        StatusMark("CANCELLED", "⊘", "/", "cancelled", "status-cancelled"),
        StatusMark("SKIPPED", "↷", "=", "skipped", "status-skipped"),
    )
}
UNREACHED = StatusMark("UNREACHED", "·", "-", "not reached", "status-queued")
"""A stage of the plan that has no row yet."""


def state_of(summary: RunSummary) -> str:
    """The key into `STATUS` of a run: its stored status, or RETRYING or WAITING where the facts say so."""
    if summary.status is RunStatus.RUNNING:
        if summary.waiting:
            return "WAITING"
        if summary.retry_at is not None:
            return "RETRYING"
    return summary.status.value


def stage_state(stage: StageView) -> str:
    """The key into `STATUS` of a stage: a retry in backoff is RETRYING, a suspended stage WAITING."""
    if stage.status is StageStatus.SUSPENDED:
        return "WAITING"
    if stage.status is StageStatus.PENDING and stage.retry_at is not None:
        return "RETRYING"
    return stage.status.value


def age(then: datetime | None, now: datetime) -> str:
    """Time since `then` in its largest unit, at most four characters below 1,000 days: `12s 4m 3h 2d`."""
    if then is None:
        return NONE
    seconds = max(0, int((now - then).total_seconds()))
    for size_s, unit in ((86_400, "d"), (3_600, "h"), (60, "m")):
        if seconds >= size_s:
            return f"{seconds // size_s}{unit}"
    return f"{seconds}s"


def duration(ms: float | None) -> str:
    """Milliseconds in at most six characters (below 1,000 days): `812ms 5.2s 42s 1m12s 3h04m 2d`."""
    if ms is None:
        return NONE
    whole = max(0, int(ms))
    if whole < 1_000:
        return f"{whole}ms"
    if whole < 10_000:
        return f"{whole // 100 / 10:.1f}s"
    seconds = whole // 1_000
    if seconds < 60:
        return f"{seconds}s"
    if seconds < 3_600:
        return f"{seconds // 60}m{seconds % 60:02d}s"
    if seconds < 86_400:
        return f"{seconds // 3_600}h{seconds % 3_600 // 60:02d}m"
    return f"{seconds // 86_400}d"


def running_ms(started_at: datetime | None, now: datetime) -> int | None:
    """Milliseconds from `started_at` to `now`, never negative; None before the start."""
    if started_at is None:
        return None
    return max(0, int((now - started_at).total_seconds() * 1_000))


def run_ms(summary: RunSummary, now: datetime) -> int | None:
    """How long a run took, or takes until `now` while it runs."""
    if summary.status is RunStatus.RUNNING:
        return running_ms(summary.started_at, now)
    return summary.duration_ms


def money(amount: Decimal | None, *, zero: str = NONE) -> str:
    """US dollars: `?` for an unknown price, never $0; nothing spent is `zero`. `$0.412 $38.21 $1,234`."""
    if amount is None:
        return UNKNOWN
    if amount == 0:
        return zero
    sign, size_of = ("-" if amount < 0 else ""), abs(amount)
    if size_of < Decimal("0.001"):
        return f"{sign}<$0.001"
    places = 3 if size_of < 1 else 2 if size_of < 1_000 else 0
    shown = f"{size_of:,.{places}f}"
    return f"{sign}${'1.00' if shown == '1.000' else shown}"


def count(number: int) -> str:
    """A number with thousands set apart: `8,120`."""
    return f"{number:,}"


def integer(number: int) -> str:
    """Exact, however long: beyond Python's limit of decimal digits in hexadecimal."""
    try:
        return str(number)
    except ValueError:
        return hex(number)


def size(number_of_bytes: int) -> str:
    """Bytes in decimal units: `812 B`, `12.3 kB`, `4.0 MB`."""
    if number_of_bytes < 1_000:
        return f"{number_of_bytes} B"
    amount, larger = number_of_bytes / 1_000, 0
    while amount >= 999.95 and larger + 1 < len(_BYTE_UNITS):
        amount, larger = amount / 1_000, larger + 1
    return f"{amount:.1f} {_BYTE_UNITS[larger]}"


def clock(moment: datetime | None, zone: tzinfo | None, mode: TimeMode, *, now: datetime | None = None) -> str:
    """A time of day, `12:04:33`, in `zone` (None: the machine's) or UTC; in relative mode the age at `now`.

    With `now`, a time of another day shows its date instead: `11-23` or, another year, `2025-11-23`. Relative
    mode without `now` shows the local time.
    """
    if moment is None:
        return NONE
    if mode == "relative" and now is not None:
        return age(moment, now)
    there = UTC if mode == "utc" else zone
    local = moment.astimezone(there)
    if now is None or local.date() == (today := now.astimezone(there)).date():
        return f"{local:%H:%M:%S}"
    return f"{local:%m-%d}" if local.year == today.year else f"{local:%Y-%m-%d}"


def short_id(full: str, others: Iterable[str] | None = None) -> str:
    """The first 8 characters of an id, or as many as tell it apart from `others`."""
    length = SHORT_ID
    for other in others or ():
        if other == full:
            continue
        shared = next((at for at, (a, b) in enumerate(zip(full, other, strict=False)) if a != b), None)
        length = max(length, min(len(full), (len(other) if shared is None else shared) + 1))
    return full[:length]
