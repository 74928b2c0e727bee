"""`wfconsole serve`: the console in a browser."""

from __future__ import annotations

import importlib
import os
import shlex
import sys

from wfconsole.cli.exits import DONE, UsageError
from wfconsole.cli.grammar import SCALARS, SWITCHES
from wfconsole.cli.output import talk
from wfconsole.cli.session import Session

_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})


def serve(session: Session) -> int:
    """Serve until interrupted; every browser gets a console of its own, with the rights given here."""
    given = session.arguments
    if not 0 < given.port < 65_536:
        raise UsageError("--port has to be between 1 and 65535")
    if session.settings.in_memory:
        raise UsageError("a database in memory is gone with its process: give a file or a Postgres")
    try:
        server = importlib.import_module("textual_serve.server")
    except ImportError as error:
        raise UsageError("serving needs an extra: pip install 'wfconsole[serve]'") from error
    if given.host not in _LOCAL:
        talk(f"whoever reaches {given.host}:{given.port} can use this console: put a login in front of it")
    # The address may hold a password, which the list of processes would show.
    os.environ["WFCONSOLE_DB"] = session.settings.database
    served = server.Server(
        command_line(session),
        host=given.host,
        port=given.port,
        title="wfconsole",
        public_url=given.public_url,
    )
    talk(f"serving at {served.public_url}; ctrl+c ends it")
    served.serve()
    return DONE


def command_line(session: Session) -> str:
    """What each browser runs: this console, with the options given here, but for the database."""
    given = vars(session.arguments)
    words = [sys.executable, "-m", "wfconsole"]
    words += [f"--{name}={given[name]}" for name in SCALARS if name in given and name != "db"]
    words += [f"--{name.replace('_', '-')}" for name in SWITCHES if given.get(name)]
    words += [f"--workflows={spec}" for spec in session.arguments.workflows]
    return shlex.join(words)
