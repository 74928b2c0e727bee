"""`wfconsole dispatch`: any command by its wire form."""

from __future__ import annotations

from engine.commands import parse_command
from wfconsole.cli.exits import DONE, UsageError
from wfconsole.cli.given import read_json
from wfconsole.cli.session import Session


async def dispatch(session: Session) -> int:
    """Carry out one command and print its result, always as JSON. Raises the command's own errors."""
    session.forbid_read_only()
    wire = read_json(session.arguments.command, "the command")
    if not isinstance(wire, dict):
        raise UsageError('the command has to be an object such as {"type": "run.cancel", "run_id": "…"}')
    command = parse_command(wire)
    async with session.gateway() as gateway:
        session.out.document(await gateway.send(command))
    return DONE
