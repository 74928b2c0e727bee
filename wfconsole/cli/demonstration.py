"""`wfconsole demo`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from wfconsole.cli.exits import DONE, UsageError
from wfconsole.cli.output import talk
from wfconsole.cli.progress import ProgressLine
from wfconsole.cli.runs import print_overview
from wfconsole.cli.session import Place, Session
from wfconsole.demo import Trickle, execute, fill, prepare

_WATCHABLE_MS = 2_500


def demo(session: Session) -> int:
    """The console on a scratch database; without a terminal: execute, and print the overview."""
    session.forbid_read_only()
    if "db" in vars(session.arguments):
        raise UsageError("demo makes a database of its own: leave --db out")
    prepared = prepare(session.settings, Path.cwd())
    try:
        if session.arguments.json or not (sys.stdin.isatty() and sys.stdout.isatty()):
            talk("executing the sample workflows in a scratch database")
            with ProgressLine() as bar:
                overview = asyncio.run(
                    execute(prepared, lambda done, of: bar.paint(done / max(of, 1), f"{done} of {of} runs"))
                )
            print_overview(session.out, overview)
        else:
            asyncio.run(fill(prepared, delay_ms=_WATCHABLE_MS))
            with Trickle(prepared):
                return session.screen(prepared.settings, Place())
    finally:
        for line in prepared.farewell().splitlines():
            talk(line)
    return DONE
