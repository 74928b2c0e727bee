"""`wfconsole` alone: the interactive console, or the overview where nobody is at a terminal."""

from __future__ import annotations

import asyncio
import sys

from wfconsole.cli.exits import UsageError
from wfconsole.cli.session import Place, Session


def open_console(session: Session) -> int:
    """Open the console, there where the options say."""
    given = session.arguments
    if given.json or not (sys.stdin.isatty() and sys.stdout.isatty()):
        from wfconsole.cli.runs import status

        return asyncio.run(status(session))
    if session.settings.in_memory:
        raise UsageError("the console needs a database that others see: a SQLite file or Postgres")
    if given.open_place is not None:
        _check_place(given.open_place)
    if given.open_filter:
        session.filter(given.open_filter)
    run_id = asyncio.run(_run_id(session, given.open_run)) if given.open_run else None
    return session.screen(
        session.settings,
        Place(
            name=given.open_place,
            filter=given.open_filter,
            run=run_id,
            stage=given.open_stage,
            tab=given.open_tab,
        ),
    )


async def _run_id(session: Session, given: str) -> str:
    from wfconsole.cli.run_ids import resolve

    async with session.gateway(definitions=False) as gateway:
        return await resolve(gateway, given)


def _check_place(name: str) -> None:
    # Only who names a place pays for the list of them.
    import difflib

    from wfconsole.actions import PLACES

    names = [place.id.removeprefix("place.") for place in PLACES]
    if name not in names:
        near = difflib.get_close_matches(name, names, n=1, cutoff=0.0)[0]
        raise UsageError(f"no place {name!r}; nearest is {near} (there are: {', '.join(names)})")
