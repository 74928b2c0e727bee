"""Acting on runs: cancel, retry, rerun, poll. One target answers with its own exit code, several with a report."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from pydantic import BaseModel

from engine.commands import AnnotateRun, RerunFromResult
from engine.inspector.views import RunDetail, RunSummary
from engine.model.criteria import PageRequest, RunFilter
from engine.model.ids import new_id
from engine.model.status import RunStatus
from wfconsole.actions import stages_again
from wfconsole.bulk import Item, Pace, Report, Skipped, run_bulk
from wfconsole.bulk_verbs import Act, cancelling, polling, rerunning, retrying
from wfconsole.cli.exits import DONE, PARTLY, NotFound, UsageError
from wfconsole.cli.given import read_config
from wfconsole.cli.output import talk
from wfconsole.cli.progress import ProgressLine
from wfconsole.cli.run_ids import resolve
from wfconsole.cli.session import Session
from wfconsole.cli.waiting import say_if_nobody_works, until_ended, verdict
from wfconsole.formatting import STATUS, short_id, state_of
from wfconsole.gateway import Gateway

_PAGE = 1_000
NO_BULK = "-"
"""In place of an id in the report of a dry run."""


@dataclass(frozen=True)
class Verb:
    """What is done to each run: `act` under an idempotency key, `consequence` says what would come of it."""

    ask: str
    act: Callable[[Gateway, str, str | None], Awaitable[BaseModel]]
    consequence: Callable[[RunDetail], str]
    ends_runs: bool = False


async def cancel(session: Session) -> int:
    """Cancel runs. Already cancelled ones are skipped, other ended ones refused."""
    reason = session.arguments.reason

    def consequence(run: RunDetail) -> str:
        return f"would stop it ({run.status}{', in ' + ', '.join(run.current_stages) if run.current_stages else ''})"

    return await _act_on(session, Verb("Cancel", cancelling(reason), consequence, ends_runs=True))


async def retry(session: Session) -> int:
    """Run the failed stages of failed runs again; completed siblings are kept."""

    def consequence(run: RunDetail) -> str:
        failed = [stage.stage_id for stage in run.stages if stage.status == "FAILED"]
        return f"would run again: {', '.join(failed)}" if failed else f"would be refused: it is {run.status}"

    return await _act_on(session, Verb("Retry the failed stages of", _noting(retrying, session), consequence))


async def rerun(session: Session) -> int:
    """Run again from a stage on, with a changed config if given."""
    given = session.arguments
    config = read_config(given.set_config)

    def consequence(run: RunDetail) -> str:
        again, reused = stages_again(run, given.from_stage)
        return f"would run again: {', '.join(again)}; reused: {', '.join(reused) or 'nothing'}"

    return await _act_on(
        session,
        Verb(
            f"Rerun from {given.from_stage}",
            _noting(rerunning(given.from_stage, config, given.reuse_ai), session),
            consequence,
        ),
    )


def _noting(act: Act, session: Session) -> Act:
    """The same, with the reason given kept as a note of the run: these commands have no place for one."""
    reason = session.arguments.reason
    if not reason:
        return act

    async def noted(gateway: Gateway, run_id: str, key: str | None) -> BaseModel:
        answer = await act(gateway, run_id, key)
        note = f"{key}/reason" if key else None
        attributes = {"note": reason}
        await gateway.send(AnnotateRun(run_id=run_id, attributes=attributes, actor_kind="human", idempotency_key=note))
        return answer

    return noted


async def poll(session: Session) -> int:
    """Poll now, or skip a backoff."""
    return await _act_on(
        session, Verb("Poll", polling, lambda run: f"would poll {', '.join(run.current_stages) or '-'}")
    )


async def _act_on(session: Session, verb: Verb) -> int:
    given = session.arguments
    session.forbid_read_only()
    timeout = session.duration("timeout")
    if timeout is not None and not (given.wait or given.canary):
        raise UsageError("--timeout goes with --wait or --canary")
    if bool(given.runs) == (given.filter is not None):
        raise UsageError("say which runs: their ids, or --filter EXPR")
    if given.filter is not None and not given.dry_run:
        session.insist("--filter")
    names = _names(session)
    async with session.gateway() as gateway:
        runs, missing = await _targets(session, gateway, names)
        if given.dry_run:
            return await _consequences(session, gateway, verb, runs, missing)
        if runs:
            session.confirm(_question(verb.ask, runs), word=_word(runs))
        bulk = given.key or new_id()
        if given.filter is None and len(runs) + len(missing) == 1:
            code = await _one(session, gateway, runs, missing, verb, bulk)
        else:
            code = await _several(session, gateway, runs, missing, verb, bulk, timeout)
        if given.wait and runs:
            ids = [run.id for run in runs]
            await say_if_nobody_works(gateway, ids)
            ended = await until_ended(gateway, ids, timeout)
            return code or (DONE if verb.ends_runs else verdict(ended))
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
    runs: Sequence[RunSummary],
    missing: Sequence[Item],
    verb: Verb,
    bulk: str,
) -> int:
    """One target: what goes wrong is the command's own error."""
    if missing:
        raise NotFound(missing[0].reason or "no such run")
    run = runs[0]
    try:
        answer: BaseModel | None = await verb.act(gateway, run.id, session.arguments.key)
        item = Item(id=run.id, result="done")
    except Skipped as skipped:
        answer = None
        item = Item(id=run.id, result="skipped", reason=str(skipped))
    if session.out.as_json and isinstance(answer, RerunFromResult):
        session.out.document(answer)
    else:
        print_report(session, Report.of(bulk, [item]))
    return DONE


async def _several(
    session: Session,
    gateway: Gateway,
    runs: Sequence[RunSummary],
    missing: Sequence[Item],
    verb: Verb,
    bulk: str,
    timeout: timedelta | None,
) -> int:
    pace = pace_of(session, len(runs))

    async def ended_well(ids: Sequence[str]) -> str | None:
        if verb.ends_runs or not ids:
            return None
        await say_if_nobody_works(gateway, ids)
        ended = await until_ended(gateway, ids, timeout)
        bad = [run for run in ended if run.status is not RunStatus.COMPLETED]
        return f"{bad[0].id} {bad[0].status}: {bad[0].error or ''}".rstrip(": ") if bad else None

    with ProgressLine() as line:
        done = 0

        def on_item(item: Item, total: int) -> None:
            nonlocal done
            done += 1
            line.paint(done / total, f"{done} of {total} runs")

        report = await run_bulk(
            bulk,
            [run.id for run in runs],
            lambda run_id, key: verb.act(gateway, run_id, key),
            pace,
            ended_well=ended_well,
            on_item=on_item,
        )
    report = Report.of(bulk, [*missing, *report.items])
    print_report(session, report)
    return PARTLY if report.failed else DONE


def pace_of(session: Session, total: int) -> Pace:
    """The pace that `--canary`, `--rate` and `--max-failures` ask for; raises `UsageError`."""
    given = session.arguments
    try:
        return Pace.of(total, given.canary, given.rate, given.max_failures)
    except ValueError as error:
        raise UsageError(str(error)) from error


async def _consequences(
    session: Session, gateway: Gateway, verb: Verb, runs: Sequence[RunSummary], missing: Sequence[Item]
) -> int:
    """What would happen; nothing does."""
    items = list(missing)
    for run in runs:
        whole: RunDetail = await gateway.inspector.run(run.id)
        items.append(Item(id=run.id, result="skipped", reason=verb.consequence(whole)))
    print_report(session, Report.of(NO_BULK, items))
    return PARTLY if missing else DONE


async def _targets(session: Session, gateway: Gateway, names: Sequence[str]) -> tuple[list[RunSummary], list[Item]]:
    """The runs to act on, each once, as they are now; those that don't exist; raises for an ambiguous prefix."""
    if session.arguments.filter is not None:
        return await _matching(session, gateway), []
    found: dict[str, RunSummary] = {}
    missing: list[Item] = []
    for given in names:
        try:
            run_id = await resolve(gateway, given)
        except NotFound as error:
            missing.append(Item(id=given, result="failed", reason=str(error)))
            continue
        page = await gateway.inspector.runs(RunFilter(ids=(run_id,)), PageRequest(limit=1))
        if page.items:
            found[run_id] = page.items[0]
        else:
            missing.append(Item(id=given, result="failed", reason=f"no run {given!r}"))
    return list(found.values()), missing


async def _matching(session: Session, gateway: Gateway) -> list[RunSummary]:
    """Every run that matches the filter now, the oldest first."""
    wanted = session.filter(session.arguments.filter)
    found: list[RunSummary] = []
    page = PageRequest(limit=_PAGE, sort="created_at")
    while True:
        part = await gateway.inspector.runs(wanted, page)
        found += part.items
        if part.next_cursor is None:
            return found
        page = page.model_copy(update={"cursor": part.next_cursor})


def _question(verb: str, runs: Sequence[RunSummary]) -> str:
    if len(runs) == 1:
        run = runs[0]
        return f"{verb} run {run.id} ({run.workflow_id}, {STATUS[state_of(run)].word})?"
    workflows = sorted({run.workflow_id for run in runs})
    return f"{verb} {len(runs)} runs ({', '.join(workflows)})?"


def _word(runs: Sequence[RunSummary]) -> str:
    """What is typed where a yes is not enough: the short id, or how many."""
    return short_id(runs[0].id) if len(runs) == 1 else str(len(runs))


def print_report(session: Session, report: Report) -> None:
    if session.out.as_json:
        session.out.document(report)
        return
    dry = report.bulk == NO_BULK
    for item in report.items:
        session.out.line(item.id, _came_of(item, dry=dry))
    if dry:
        talk("nothing was done")
    elif len(report.items) > 1:
        talk(f"bulk {report.bulk}: {report.done} done, {report.skipped} skipped, {report.failed} failed")


def _came_of(item: Item, *, dry: bool) -> str:
    if not item.reason:
        return item.result
    return item.reason if dry and item.result == "skipped" else f"{item.result}: {item.reason}"
