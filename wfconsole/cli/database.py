"""`wfconsole db`: the schema."""

from __future__ import annotations

import asyncio

from wfconsole.cli.exits import DATABASE, DONE
from wfconsole.cli.output import talk
from wfconsole.cli.session import Session


async def upgrade(session: Session) -> int:
    """Create the schema or bring it up to date."""
    from engine.bootstrap import upgrade_schema

    session.forbid_read_only()
    before, after = await asyncio.to_thread(upgrade_schema, session.settings.database)
    if session.out.as_json:
        session.out.document({"from": before, "to": after})
    elif before == after:
        session.out.line(f"schema {after}: nothing to do")
    else:
        session.out.line(f"schema {before or 'none'} -> {after}")
    return DONE


async def check(session: Session) -> int:
    """Whether the schema fits this program; exit code 5 if not."""
    from engine.bootstrap import check_schema

    state = await asyncio.to_thread(check_schema, session.settings.database)
    if session.out.as_json:
        session.out.document({"found": state.found, "needed": state.needed, "ok": state.ok})
    else:
        session.out.line(f"schema {state.found or 'none'}, needed {state.needed}: {'ok' if state.ok else 'no match'}")
    if not state.ok:
        talk("run `wfconsole db upgrade`")
    return DONE if state.ok else DATABASE
