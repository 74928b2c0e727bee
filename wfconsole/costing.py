"""Arithmetic of costs: days of a zone, a month's projection, and why one period cost more than the one before.

Pure functions; no terminal, no clock, no database.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from decimal import Decimal

from engine.inspector import CostRow

BLOCKS = "▁▂▃▄▅▆▇█"
ASCII_BLOCKS = ".:-=+*%#"
_EIGHTHS = " ▏▎▍▌▋▊▉█"
_NANO = Decimal("0.000000001")
MOST_DAYS = 120


@dataclass(frozen=True, slots=True)
class Sum:
    """What some calls came to. `unpriced` of the calls have no known price: `cost` is then a lower bound."""

    calls: int = 0
    runs: int = 0
    failed: int = 0
    tokens: int = 0
    cost: Decimal = Decimal(0)
    wasted: Decimal = Decimal(0)
    unpriced: int = 0

    @property
    def shown_cost(self) -> Decimal | None:
        """None where nothing of it has a price: never $0."""
        return None if self.unpriced and not self.cost else self.cost


def total(rows: Iterable[CostRow]) -> Sum:
    """The rows together. Runs add up: give rows of which no two share a run, such as those of one key `workflow`."""
    rows = list(rows)
    return Sum(
        calls=sum(row.calls for row in rows),
        runs=sum(row.runs for row in rows),
        failed=sum(row.failed for row in rows),
        tokens=sum(row.input_tokens + row.output_tokens for row in rows),
        cost=sum((row.cost for row in rows), Decimal(0)),
        wasted=sum((row.wasted for row in rows), Decimal(0)),
        unpriced=sum(row.unpriced for row in rows),
    )


@dataclass(frozen=True, slots=True)
class Split:
    """Why a cost changed: dollars owed to each factor of runs × calls a run × tokens a call × price a token.

    They add up to `change` exactly. With `unpriced` calls on either side the change is only that of the known prices.
    """

    change: Decimal
    runs: Decimal
    calls: Decimal
    tokens: Decimal
    price: Decimal
    unpriced: bool = False


def split(now: Sum, before: Sum) -> Split:
    """The change from `before` to `now`, by factor.

    Each factor gets its share of the logarithmic mean of both costs (the mean Divisia index), which leaves no rest
    and treats both periods alike. What began or ended is owed to its runs alone.
    """
    change = now.cost - before.cost
    unpriced = bool(now.unpriced or before.unpriced)
    zero = Decimal(0)
    if not now.cost or not before.cost:
        return Split(change, change, zero, zero, zero, unpriced)
    mean = _logarithmic_mean(float(now.cost), float(before.cost))
    parts = [_money(mean * math.log(one / other)) for one, other in zip(_factors(now), _factors(before), strict=True)]
    # Rounded to the nano-dollar, they may miss the change by as much: the largest takes it.
    largest = max(range(4), key=lambda at: abs(parts[at]))
    parts[largest] += change - sum(parts, zero)
    return Split(change, parts[0], parts[1], parts[2], parts[3], unpriced)


def _factors(one: Sum) -> tuple[float, float, float, float]:
    """Runs, calls a run, tokens a call, dollars a token; what is unknown or none counts as one."""
    runs, calls, tokens = max(one.runs, 1), max(one.calls, 1), max(one.tokens, 1)
    return float(runs), calls / runs, tokens / calls, float(one.cost) / tokens


def _logarithmic_mean(one: float, other: float) -> float:
    ratio = math.log(one / other)
    return one if abs(ratio) < 1e-12 else (one - other) / ratio


def _money(amount: float) -> Decimal:
    return Decimal(amount).quantize(_NANO)


# -- days and months ---------------------------------------------------------------------------------


def midnight(day: date, zone: tzinfo) -> datetime:
    """The first instant of a day, where the clock of `zone` shows it."""
    return datetime.combine(day, time(), zone)


def days(since: datetime, until: datetime, zone: tzinfo) -> list[tuple[date, datetime, datetime]]:
    """The days from `since` to `until` as (day, first instant, first instant of the next), the newest first.

    At most 120 of them. A day of a change of clocks has its 23 or 25 hours.
    """
    last = (until - timedelta(microseconds=1)).astimezone(zone).date()
    first = max(since.astimezone(zone).date(), last - timedelta(days=MOST_DAYS - 1))
    found = []
    for back in range((last - first).days + 1):
        day = last - timedelta(days=back)
        found.append((day, max(midnight(day, zone), since), min(midnight(day + timedelta(days=1), zone), until)))
    return found


def month_of(now: datetime, zone: tzinfo) -> tuple[datetime, datetime]:
    """The first instants of the month and of the next one."""
    today = now.astimezone(zone).date().replace(day=1)
    return midnight(today, zone), midnight((today + timedelta(days=32)).replace(day=1), zone)


def projected(spent: Decimal, now: datetime, zone: tzinfo) -> Decimal:
    """What the month comes to if it goes on as it went so far."""
    start, end = month_of(now, zone)
    gone, whole = max((now - start).total_seconds(), 1.0), (end - start).total_seconds()
    return _money(float(spent) * whole / gone)


# -- charts ------------------------------------------------------------------------------------------


def bar(amount: Decimal, most: Decimal, width: int, *, ascii_only: bool = False) -> str:
    """A bar of `width` cells at most, an eighth of a cell exact; something that is more than nothing shows."""
    if most <= 0 or amount <= 0:
        return ""
    eighths = max(1, round(float(min(amount / most, Decimal(1))) * width * 8))
    if ascii_only:
        return "#" * max(1, round(eighths / 8))
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()


def sparkline(amounts: Sequence[Decimal], *, ascii_only: bool = False) -> str:
    """One cell an amount, the oldest first."""
    blocks, most = ASCII_BLOCKS if ascii_only else BLOCKS, max(amounts, default=Decimal(0))
    if most <= 0:
        return blocks[0] * len(amounts)
    return "".join(blocks[min(7, int(amount * 8 / most))] for amount in amounts)
