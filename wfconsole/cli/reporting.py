"""`wfconsole report`: runs told to somebody who has only the text."""

from __future__ import annotations

from datetime import UTC, datetime

from wfconsole.cli.exits import DONE
from wfconsole.cli.run_ids import resolve
from wfconsole.cli.session import Session
from wfconsole.report import report as report_of


async def report(session: Session) -> int:
    """The hand-over of some runs, as Markdown; with --json inside a document."""
    async with session.gateway(definitions=False) as gateway:
        run_ids = [await resolve(gateway, run) for run in session.arguments.runs]
        zone = session.settings.zone
        told = await report_of(gateway.inspector, list(dict.fromkeys(run_ids)), zone=zone, now=datetime.now(UTC))
    if session.out.as_json:
        session.out.document({"runs": run_ids, "markdown": told})
    else:
        session.out.block(told.rstrip("\n"), indent="")
    return DONE
