"""`wfconsole run`: create a run, and wait for it if asked."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from pydantic import ValidationError

from engine.commands import CreateRun
from engine.inspector.views import RunDetail, RunSummary
from engine.model.ids import new_token
from wfconsole.cli.exits import DONE, UsageError, WaitTimedOut
from wfconsole.cli.given import read_config, read_json
from wfconsole.cli.portrait import print_run
from wfconsole.cli.run_ids import remember_last
from wfconsole.cli.session import Session
from wfconsole.cli.streams import Follower
from wfconsole.cli.waiting import until_ended_here, verdict
from wfconsole.gateway import Gateway


async def start(session: Session) -> int:
    """Create a run; with `--wait` or `--follow` until its end. Exit code 1 if it failed, 124 on timeout."""
    given = session.arguments
    session.forbid_read_only()
    waits = given.wait or given.follow
    timeout = session.duration("timeout")
    if timeout is not None and not waits:
        raise UsageError("--timeout goes with --wait or --follow")
    if session.settings.in_memory and not waits:
        raise UsageError("a database in memory is gone when this command ends: add --wait")
    command = _command(session)
    async with session.gateway() as gateway:
        run_id = (await gateway.send(command)).run_id
        remember_last(session.settings, run_id)
        try:
            code = await _wait(session, gateway, run_id, timeout, command.start_at) if waits else DONE
        except WaitTimedOut:
            _print(session, await gateway.inspector.run(run_id))
            raise
        _print(session, await gateway.inspector.run(run_id))
        return code


async def _wait(
    session: Session, gateway: Gateway, run_id: str, patience: timedelta | None, start_at: datetime | None
) -> int:
    follower = Follower(session, gateway, [run_id], prefixed=False) if session.arguments.follow else None

    async def glance(_: Sequence[RunSummary]) -> None:
        if follower is not None:
            await follower.pump()

    due = start_at or datetime.now(UTC)
    ended = await until_ended_here(session, gateway, run_id, patience, due=due, glance=glance if follower else None)
    return verdict([ended])


def _command(session: Session) -> CreateRun:
    given = session.arguments
    try:
        return CreateRun(
            idempotency_key=given.key or new_token(),
            workflow_id=given.workflow,
            input=read_json(given.input, "--input") if given.input is not None else {},
            config=read_config(given.set_config),
            priority=given.priority,
            start_at=_start_at(session),
        )
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise UsageError(f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}") from error


def _start_at(session: Session) -> datetime | None:
    delay = session.duration("delay")
    if delay is not None:
        return datetime.now(UTC) + delay
    return session.moment("at", future=True)


def _print(session: Session, run: RunDetail) -> None:
    if session.arguments.quiet:
        session.out.line(run.id)
    elif session.out.as_json and session.arguments.follow:
        session.out.record(run)
    else:
        print_run(session.out, run)
