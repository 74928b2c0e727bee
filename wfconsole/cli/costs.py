"""Tokens and money."""

from __future__ import annotations

from engine.inspector.views import CostRow
from wfconsole.cli.encoding import page
from wfconsole.cli.exits import DONE, UsageError
from wfconsole.cli.output import Cell
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
    chosen = session.filter(given.filter)
    async with session.gateway(definitions=False) as gateway:
        found = await gateway.inspector.costs(given.by, since=since, until=until, filter=chosen)
    if session.out.as_json:
        session.out.document(page(found.items, found.next_cursor))
        return DONE
    headers = (
        given.by.upper(),
        "CALLS",
        "RUNS",
        "FAILED",
        "TOKENS IN",
        "TOKENS OUT",
        "COST",
        "WASTED",
        "UNPRICED",
    )
    session.out.table(headers, [_row(row) for row in found.items], right=frozenset(headers[1:]))
    return DONE


def _row(row: CostRow) -> tuple[Cell, ...]:
    numbers = (row.calls, row.runs, row.failed, row.input_tokens, row.output_tokens)
    return (row.key, *map(count, numbers), money(row.cost), money(row.wasted), count(row.unpriced))
