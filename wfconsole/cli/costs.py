"""Tokens and money."""

from __future__ import annotations

from decimal import Decimal

from engine.inspector import CostComparison, CostRow
from wfconsole.cli.encoding import page
from wfconsole.cli.exits import DONE, UsageError
from wfconsole.cli.output import Cell
from wfconsole.cli.run_ids import resolve
from wfconsole.cli.session import Session
from wfconsole.formatting import count, money

_KEYS = ("model", "workflow", "stage", "topic", "run", "day")


async def costs(session: Session) -> int:
    """AI calls summed up by one or several keys."""
    given = session.arguments
    keys = given.by.split(",")
    for key in keys:
        if key not in _KEYS:
            raise UsageError(f"--by {key!r}: one of {', '.join(_KEYS)}")
    since, until = session.moment("since"), session.moment("until")
    chosen, zone = session.filter(given.filter), session.settings.zone
    if given.compare and since is None:
        raise UsageError("--compare needs --since: the period before is as long as the one since then")
    headers: tuple[str, ...]
    async with session.gateway(definitions=False) as gateway:
        if given.compare and since is not None:
            compared = await gateway.inspector.costs_compared(
                given.by, since=since, until=until, filter=chosen, zone=zone
            )
            headers, rows = _COMPARED, list(map(_compared, compared.items))
            document = page(compared.items, compared.next_cursor)
        else:
            found = await gateway.inspector.costs(given.by, since=since, until=until, filter=chosen, zone=zone)
            headers, rows = _SUMMED, list(map(_row, found.items))
            document = page(found.items, found.next_cursor)
    if session.out.as_json:
        session.out.document(document)
    else:
        title = ",".join(f"DAY ({zone})" if key == "day" else key.upper() for key in keys)
        session.out.table((title, *headers), rows, right=frozenset(headers))
    return DONE


_SUMMED = ("CALLS", "RUNS", "FAILED", "TOKENS IN", "TOKENS OUT", "COST", "WASTED", "UNPRICED")
_COMPARED = ("CALLS", "BEFORE", "TOKENS", "BEFORE", "COST", "BEFORE", "CHANGE")


def _row(row: CostRow) -> tuple[Cell, ...]:
    numbers = (row.calls, row.runs, row.failed, row.input_tokens, row.output_tokens)
    return (row.key, *map(count, numbers), money(row.cost), money(row.wasted), count(row.unpriced))


def _compared(row: CostComparison) -> tuple[Cell, ...]:
    tokens = row.input_tokens + row.output_tokens
    sign = "+" if row.change > 0 else ""
    return (
        row.key,
        *(count(row.calls), count(row.previous_calls), count(tokens), count(row.previous_tokens)),
        *(money(row.cost), money(row.previous_cost), f"{sign}{money(row.change)}"),
    )


async def reprice(session: Session) -> int:
    """What a run's recorded tokens would have cost on another model."""
    given = session.arguments
    if "/" not in given.model:
        raise UsageError(f"--model {given.model!r}: models are named provider/model (see `wfconsole models`)")
    async with session.gateway() as gateway:
        run_id = await resolve(gateway, given.run)
        found = await gateway.inspector.reprice(run_id, given.model)
    if session.out.as_json:
        session.out.document(found)
        return DONE
    rows: list[tuple[Cell, ...]] = [
        (
            row.stage_id or "-",
            row.model,
            *map(count, (row.calls, row.input_tokens, row.output_tokens)),
            *map(_exact, (row.cost, row.repriced)),
        )
        for row in found.rows
    ]
    cost = None if found.unpriced else found.cost
    rows.append(("all", "", count(found.calls), "", "", _exact(cost), _exact(found.repriced)))
    headers = ("STAGE", "MODEL", "CALLS", "TOKENS IN", "TOKENS OUT", "COST", f"ON {given.model}")
    session.out.table(headers, rows, right=frozenset(headers[2:]))
    return DONE


def _exact(amount: Decimal | None) -> str:
    return money(amount, zero="$0")
