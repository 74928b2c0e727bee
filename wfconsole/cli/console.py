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
