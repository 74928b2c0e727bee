"""The costs place as columns, rows and lines of parts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, tzinfo
from decimal import Decimal

from engine.inspector import AICallView
from wfconsole.costing import Split, Sum, bar, projected, sparkline, split
from wfconsole.formatting import NONE, UNKNOWN, count, duration, money, short_id
from wfconsole.safe_text import safe_text
from wfconsole.tui.cost_sheet import CALLS, Budget, CostSheet, SheetRow
from wfconsole.tui.layout.cells import Part
from wfconsole.tui.layout.table_columns import Column, Row

BAR = 16
PROMPT = 60
TEXT_LIMIT = 64 * 1024
CALL_COLUMNS = (
    Column("TIME", 14),
    Column("RUN", 8),
    Column("STATUS", 11),
    Column("IN", 7, right=True),
    Column("OUT", 6, right=True),
    Column("TOOK", 6, right=True, drop=2),
    Column("COST", 8, right=True),
    Column("PROMPT", 16, grows=1, drop=1),
)


def columns_of(level: str, *, compare: bool) -> tuple[Column, ...]:
    title = level.upper()
    if level == CALLS:
        return CALL_COLUMNS
    if compare:
        return (
            Column(title, 18, grows=1, most=44),
            Column("BEFORE", 9, right=True, drop=1),
            Column("NOW", 9, right=True),
            Column("CHANGE", 9, right=True),
            Column("RUNS", 9, right=True, drop=2),
            Column("CALLS/RUN", 9, right=True, drop=3),
            Column("TOKENS/CALL", 11, right=True, drop=4),
            Column("PRICE", 9, right=True, drop=5),
        )
    return (
        # No column grows: numbers far from what they are about can't be read.
        Column(title, {"day": 10, "topic": 44}.get(level, 30)),
        Column("", BAR, drop=3),
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
        count(one.calls) if one.calls else NONE,
        (count(one.failed), "status-failed") if one.failed else NONE,
        count(one.runs) if one.runs else NONE,
        count(one.tokens) if one.tokens else NONE,
    )


def call_row(call: AICallView, zone: tzinfo, *, ascii_only: bool) -> Row:
    """One call; what nobody knows the price of shows `?`, also while it is under way."""
    well, ill = ("+ ok", f"x {call.status}") if ascii_only else ("✓ ok", f"✗ {call.status}")
    status = (well, "status-ok") if call.status == "ok" else (ill, "status-failed")
    if call.status == "open":
        status = ("> open" if ascii_only else "● open", "status-running")
    cells = (
        f"{call.created_at.astimezone(zone):%m-%d %H:%M:%S}",
        short_id(call.run_id) if call.run_id else "-",
        ("reused", "status-skipped") if call.reused else status,
        count(call.input_tokens),
        count(call.output_tokens),
        duration(call.latency_ms),
        money(call.cost) if call.cost is not None else (UNKNOWN, "status-retrying"),
        (call.error or call.prompt or "-")[:PROMPT],
    )
    return Row(call.id, cells)


def call_parts(call: AICallView, zone: tzinfo) -> list[Part | str]:
    """One call whole."""
    read, cached, written = map(count, (call.input_tokens, call.cached_tokens, call.output_tokens))
    facts = {
        "call": call.id,
        "run": f"{call.run_id or '-'}  {call.stage_id or ''}{f'#{call.attempt}' if call.attempt else ''}",
        "topic": call.topic,
        "model": f"{call.model}{f'  answered by {call.answered_by}' if call.answered_by else ''}",
        "at": call.created_at.astimezone(zone).isoformat(sep=" ", timespec="seconds"),
        "status": f"{call.status}{f'  {call.error_code}' if call.error_code else ''}",
        "tokens": f"{read} in ({cached} cached), {written} out",
        "cost": money(call.cost, zero="$0"),
        "took": duration(call.latency_ms),
    }
    parts: list[Part | str] = []
    for name, value in facts.items():
        parts += [(f"{name:<8} ", "$quiet"), safe_text(value, limit=300), "\n"]
    for name, text in (("error", call.error), ("prompt", call.prompt), ("response", call.response)):
        if text:
            style = "$status-failed" if name == "error" else ""
            parts += [(f"\n{name}\n", "bold"), (safe_text(text, multiline=True, limit=TEXT_LIMIT), style), "\n"]
    parts += [("\nthe same by command line\n", "bold"), (f"wfconsole ai show {safe_text(call.id, limit=60)}", "$quiet")]
    return parts


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
    for _, key in question.path:
        parts += [(step, "$quiet"), (safe_text(key, limit=28), "bold")]
    parts += ["   ", (_text(price(sheet.total)), "bold")]
    # Of a day gone into the path has said when.
    if not question.fixed("day"):
        parts.append((f"   {_when(sheet.start, zone)} to {_when(sheet.end, zone)}", "$quiet"))
    if sheet.total.unpriced:
        parts.append((f"  {count(sheet.total.unpriced)} calls without a known price", "$status-retrying"))
    return parts


def split_line(sheet: CostSheet) -> list[Part | str]:
    """Why the period cost more or less than the one before."""
    if sheet.before is None:
        return []
    found = split(sheet.total, sheet.before)
    against = "vs the day before" if sheet.question.fixed("day") else "change"
    parts: list[Part | str] = [(f" {against} ", "$quiet"), _coloured(found.change), (" =", "$quiet")]
    for name, amount in (
        ("runs", found.runs),
        ("calls/run", found.calls),
        ("tokens/call", found.tokens),
        ("price", found.price),
    ):
        parts += [(f"  {name} ", "$quiet"), _coloured(amount)]
    if found.unpriced:
        parts.append(("  known prices only", "$status-retrying"))
    return parts


def budget_line(budgets: Sequence[Budget], *, ascii_only: bool) -> list[Part | str]:
    """A bar a budget of the day: its name, what of it is spent."""
    parts: list[Part | str] = [(" budget a day (UTC)  ", "$quiet")] if budgets else []
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
