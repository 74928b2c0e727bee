"""The costs place as columns, rows and lines of parts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, tzinfo
from decimal import Decimal

from wfconsole.costing import Split, Sum, bar, projected, sparkline, split
from wfconsole.formatting import UNKNOWN, count, money
from wfconsole.safe_text import safe_text
from wfconsole.tui.cost_sheet import CostSheet, SheetRow
from wfconsole.tui.layout.table_columns import Column
from wfconsole.tui.layout.table_rows import Part

BAR = 16


def columns_of(level: str, *, compare: bool) -> tuple[Column, ...]:
    title = level.upper()
    if compare:
        return (
            Column(title, 18, grows=1),
            Column("BEFORE", 9, right=True, drop=1),
            Column("NOW", 9, right=True),
            Column("CHANGE", 9, right=True),
            Column("RUNS", 9, right=True, drop=2),
            Column("CALLS/RUN", 9, right=True, drop=3),
            Column("TOKENS/CALL", 11, right=True, drop=4),
            Column("PRICE", 9, right=True, drop=5),
        )
    return (
        Column(title, 24 if level != "day" else 10, grows=0 if level == "day" else 1),
        Column("", BAR, drop=3, grows=1 if level == "day" else 0),
        Column("COST", 7, right=True),
        Column("", 2),
        Column("WASTED", 9, right=True, drop=4),
        Column("CALLS", 8, right=True),
        Column("FAILED", 6, right=True, drop=5),
        Column("RUNS", 7, right=True, drop=1),
        Column("TOKENS", 11, right=True, drop=2),
    )


def cells_of(sheet: CostSheet, row: SheetRow, *, ascii_only: bool) -> tuple[str | Part, ...]:
    one = row.sum
    if row.before is not None:
        return _compared(row.key, split(one, row.before), one, row.before)
    most = max((other.sum.cost for other in sheet.rows), default=Decimal(0))
    wasted = (money(one.wasted), "status-failed") if one.wasted else money(one.wasted)
    return (
        row.key,
        (bar(one.cost, most, BAR, ascii_only=ascii_only), "status-running"),
        money(one.shown_cost),
        ("+?", "status-retrying") if one.unpriced and one.cost else "",
        wasted,
        count(one.calls),
        (count(one.failed), "status-failed") if one.failed else "-",
        count(one.runs),
        count(one.tokens),
    )


def price(one: Sum) -> str | Part:
    """What is known of a cost: `?` where nothing is, `$0.12 +?` where something is missing."""
    if not one.unpriced:
        return money(one.cost)
    return (UNKNOWN if one.shown_cost is None else f"{money(one.cost)} +{UNKNOWN}", "status-retrying")


def _compared(key: str, parts: Split, now: Sum, before: Sum) -> tuple[str | Part, ...]:
    owed = (parts.runs, parts.calls, parts.tokens, parts.price)
    return (key, price(before), price(now), signed(parts.change), *map(signed, owed))


def signed(amount: Decimal) -> str | Part:
    """A change of dollars: `+$1.20` costs more and is told from `-$0.40`."""
    if not amount:
        return "-"
    return (f"+{money(amount)}", "status-failed") if amount > 0 else (money(amount), "status-ok")


def month_line(sheet: CostSheet, now: datetime, zone: tzinfo, *, cells: int, ascii_only: bool) -> list[Part | str]:
    """Today, the month so far and where it goes, and a cell a day, of at most `cells` days."""
    trend = sheet.trend[-cells:]
    month = sheet.month.shown_cost
    parts: list[Part | str] = [(" today ", "$quiet"), _text(price(sheet.today)), ("   month ", "$quiet")]
    parts.append((_text(price(sheet.month)), "bold"))
    if month is not None:
        arrow = "->" if ascii_only else "→"
        parts += [(f" {arrow} ", "$quiet"), money(projected(month, now, zone)), (" projected", "$quiet")]
    parts += [(f"   {len(trend)} days ", "$quiet"), (sparkline(trend, ascii_only=ascii_only), "$status-running")]
    return parts


def path_line(sheet: CostSheet, zone: tzinfo, *, ascii_only: bool) -> list[Part | str]:
    """What is shown: the level, the values gone into, the period and what it came to."""
    question, step = sheet.question, " > " if ascii_only else " › "
    parts: list[Part | str] = [(" Costs", "bold"), (f" by {question.shown_level}", "$quiet")]
    for name, key in question.path:
        parts += [(step, "$quiet"), (f"{name} ", "$quiet"), (safe_text(key, limit=40), "bold")]
    parts += [(f"   {_when(sheet.start, zone)} to {_when(sheet.end, zone)}   ", "$quiet")]
    parts.append((_text(price(sheet.total)), "bold"))
    if sheet.total.unpriced:
        parts.append((f"  {count(sheet.total.unpriced)} calls without a known price", "$status-retrying"))
    return parts


def split_line(sheet: CostSheet) -> list[Part | str]:
    """Why the period cost more or less than the one before."""
    if sheet.before is None:
        return []
    found = split(sheet.total, sheet.before)
    parts: list[Part | str] = [(" against the period before ", "$quiet"), _coloured(found.change), ("  =", "$quiet")]
    for name, amount in (
        ("runs", found.runs),
        ("calls a run", found.calls),
        ("tokens a call", found.tokens),
        ("price", found.price),
    ):
        parts += [(f"  {name} ", "$quiet"), _coloured(amount)]
    if found.unpriced:
        parts.append(("  (known prices only)", "$status-retrying"))
    return parts


def budget_lines(budgets: Sequence[tuple[str, Decimal, Decimal]], *, ascii_only: bool) -> list[Part | str]:
    """A bar a budget: its name, what of it is spent."""
    parts: list[Part | str] = []
    for name, spent, limit in budgets:
        share = spent / limit if limit else Decimal(0)
        colour = "$status-failed" if share >= 1 else "$status-retrying" if share >= Decimal("0.8") else "$status-ok"
        filled = bar(min(share, Decimal(1)), Decimal(1), BAR, ascii_only=ascii_only)
        rest = ("." if ascii_only else "░") * (BAR - len(filled))
        parts += [(f" {safe_text(name, limit=24)} ", "$quiet"), (filled, colour), (rest, "$quiet")]
        parts += [(f" {money(spent, zero='$0')} of {money(limit)}  ", "")]
    return parts


def _coloured(amount: Decimal) -> Part:
    shown = signed(amount)
    return (shown, "") if isinstance(shown, str) else (shown[0], f"${shown[1]}")


def _text(cell: str | Part) -> str:
    return cell if isinstance(cell, str) else cell[0]


def _when(moment: datetime, zone: tzinfo) -> str:
    local = moment.astimezone(zone)
    return f"{local:%Y-%m-%d}" if (local.hour, local.minute) == (0, 0) else f"{local:%Y-%m-%d %H:%M}"
