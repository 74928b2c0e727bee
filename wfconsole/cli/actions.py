"""Acting on runs: cancel, retry, rerun. One target answers with its own exit code, several with a report."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel

from engine.commands import CancelRun, RerunFrom, RerunFromResult, RetryFailed
from engine.errors import EngineError, IllegalTransition, SchemaTooNew, SchemaTooOld, StoreUnavailable
from engine.inspector.views import RunDetail, RunSummary
from engine.model.criteria import PageRequest, RunFilter
from engine.model.ids import new_id
from engine.model.status import RunStatus
from wfconsole.cli.exits import DONE, PARTLY, NotFound, UsageError
from wfconsole.cli.given import read_config
from wfconsole.cli.output import talk
from wfconsole.cli.run_ids import resolve
from wfconsole.cli.session import Session
from wfconsole.cli.waiting import say_if_nobody_works, until_ended, verdict
from wfconsole.formatting import STATUS, short_id, state_of
from wfconsole.gateway import Gateway


class Item(BaseModel):
    """What became of one target."""

    id: str
    result: Literal["done", "skipped", "failed"]
    reason: str | None = None


class Report(BaseModel):
    """What a bulk action did. `bulk` is the id its keys begin with."""

    bulk: str
    done: int
    skipped: int
    failed: int
    items: list[Item]


class Skipped(Exception):
    """Nothing had to be done; the message says why."""


@dataclass(frozen=True)
class Target:
    """A run to act on, with the idempotency key to do it under."""

    run: RunSummary
    key: str | None


Act = Callable[[Gateway, Target], Awaitable[BaseModel]]


async def cancel(session: Session) -> int:
    """Cancel runs. Already cancelled ones are skipped, other ended ones refused."""
    reason = session.arguments.reason

    async def act(gateway: Gateway, target: Target) -> BaseModel:
        command = CancelRun(run_id=target.run.id, reason=reason, idempotency_key=target.key)
        answer = await gateway.send(command)
        if not answer.cancelled:
            now: RunDetail = await gateway.inspector.run(target.run.id)
            if now.status is RunStatus.CANCELLED:
                raise Skipped("already cancelled")
            raise IllegalTransition(target.run.id, now.status, "cancel it")
        return answer

    return await _act_on(session, "Cancel", act, ends_runs=True)


async def retry(session: Session) -> int:
    """Run the failed stages of failed runs again; completed siblings are kept."""

    async def act(gateway: Gateway, target: Target) -> BaseModel:
        return await gateway.send(RetryFailed(run_id=target.run.id, idempotency_key=target.key))

    return await _act_on(session, "Retry the failed stages of", act)


async def rerun(session: Session) -> int:
    """Run again from a stage on, with a changed config if given."""
    given = session.arguments
    config = read_config(given.set_config)

    async def act(gateway: Gateway, target: Target) -> BaseModel:
        command = RerunFrom(
            run_id=target.run.id,
            from_stage_id=given.from_stage,
            config=config,
            reuse_ai=given.reuse_ai,
            idempotency_key=target.key,
        )
        return await gateway.send(command)

    return await _act_on(session, f"Rerun from {given.from_stage}", act)


async def _act_on(session: Session, verb: str, act: Act, *, ends_runs: bool = False) -> int:
    given = session.arguments
    session.forbid_read_only()
    timeout = session.duration("timeout")
    if timeout is not None and not given.wait:
        raise UsageError("--timeout goes with --wait")
    names = _names(session)
    async with session.gateway() as gateway:
        targets, missing = await _targets(session, gateway, names)
        if targets:
            session.confirm(_question(verb, targets), word=_word(targets))
        bulk = given.key or new_id()
        if len(targets) + len(missing) == 1:
            code = await _one(session, gateway, targets, missing, act, bulk)
        else:
            code = await _several(session, gateway, targets, missing, act, bulk)
        if given.wait and targets:
            await say_if_nobody_works(gateway, [target.run.id for target in targets])
            ended = await until_ended(gateway, [target.run.id for target in targets], timeout)
            return code or (DONE if ends_runs else verdict(ended))
        return code


def _names(session: Session) -> list[str]:
    """The runs as given, with those of standard input in the place of `-`."""
    names: list[str] = []
    for name in session.arguments.runs:
        if name == "-":
            session.insist("acting on ids from standard input")
            names += sys.stdin.read().split()
        else:
            names.append(name)
    return names


async def _one(
    session: Session,
    gateway: Gateway,
    targets: Sequence[Target],
    missing: Sequence[Item],
    act: Act,
    bulk: str,
) -> int:
    """One target: what goes wrong is the command's own error."""
    if missing:
        raise NotFound(missing[0].reason or "no such run")
    target = targets[0]
    try:
        answer = await act(gateway, target)
        item = Item(id=target.run.id, result="done")
    except Skipped as skipped:
        answer = None
        item = Item(id=target.run.id, result="skipped", reason=str(skipped))
    if session.out.as_json and isinstance(answer, RerunFromResult):
        session.out.document(answer)
    else:
        _print(session, _report(bulk, [item]))
    return DONE


async def _several(
    session: Session,
    gateway: Gateway,
    targets: Sequence[Target],
    missing: Sequence[Item],
    act: Act,
    bulk: str,
) -> int:
    items = list(missing)
    for target in targets:
        try:
            await act(gateway, Target(target.run, f"{bulk}/{target.run.id}"))
            items.append(Item(id=target.run.id, result="done"))
        except Skipped as skipped:
            items.append(Item(id=target.run.id, result="skipped", reason=str(skipped)))
        except (StoreUnavailable, SchemaTooOld, SchemaTooNew):
            raise
        except EngineError as error:
            items.append(Item(id=target.run.id, result="failed", reason=str(error)))
    report = _report(bulk, items)
    _print(session, report)
    return PARTLY if report.failed else DONE


async def _targets(session: Session, gateway: Gateway, names: Sequence[str]) -> tuple[list[Target], list[Item]]:
    """The runs to act on, each once, and those that don't exist; raises for an ambiguous prefix."""
    found: dict[str, Target] = {}
    missing: list[Item] = []
    for given in names:
        try:
            run_id = await resolve(gateway, given)
        except NotFound as error:
            missing.append(Item(id=given, result="failed", reason=str(error)))
            continue
        page = await gateway.inspector.runs(RunFilter(ids=(run_id,)), PageRequest(limit=1))
        if page.items:
            found[run_id] = Target(page.items[0], session.arguments.key)
        else:
            missing.append(Item(id=given, result="failed", reason=f"no run {given!r}"))
    return list(found.values()), missing


def _question(verb: str, targets: Sequence[Target]) -> str:
    if len(targets) == 1:
        run = targets[0].run
        return f"{verb} run {run.id} ({run.workflow_id}, {STATUS[state_of(run)].word})?"
    workflows = sorted({target.run.workflow_id for target in targets})
    return f"{verb} {len(targets)} runs ({', '.join(workflows)})?"


def _word(targets: Sequence[Target]) -> str:
    return short_id(targets[0].run.id) if len(targets) == 1 else str(len(targets))


def _report(bulk: str, items: Sequence[Item]) -> Report:
    counts = {result: sum(item.result == result for item in items) for result in ("done", "skipped", "failed")}
    return Report(bulk=bulk, items=list(items), **counts)


def _print(session: Session, report: Report) -> None:
    if session.out.as_json:
        session.out.document(report)
        return
    for item in report.items:
        session.out.line(item.id, f"{item.result}: {item.reason}" if item.reason else item.result)
    if len(report.items) > 1:
        talk(f"bulk {report.bulk}: {report.done} done, {report.skipped} skipped, {report.failed} failed")
