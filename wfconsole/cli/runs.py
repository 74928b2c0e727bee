"""Reading commands about runs: ls, show, status, explain."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

from engine.inspector.views import Explanation, Overview, RunSummary
from engine.model.criteria import Page, PageRequest, RunFilter
from wfconsole.cli.encoding import page
from wfconsole.cli.exits import DONE, UsageError
from wfconsole.cli.output import Cell, Printer, talk
from wfconsole.cli.portrait import print_run
from wfconsole.cli.run_ids import resolve
from wfconsole.cli.session import Session
from wfconsole.filtering import parse_filter
from wfconsole.formatting import STATUS, age, count, duration, money, run_ms, short_id, state_of
from wfconsole.gateway import Gateway

_PAGE = 1_000


async def ls(session: Session) -> int:
    """List runs, newest first unless `--sort` says otherwise."""
    given = session.arguments
    chosen = _filter(session)
    if given.limit < 1 or given.limit > 10_000:
        raise UsageError("--limit has to be between 1 and 10000")
    async with session.gateway(definitions=False) as gateway:
        if given.count_by:
            return await _count(session, gateway, chosen)
        request = PageRequest(limit=given.limit, cursor=given.cursor, sort=given.sort)
        found = await gateway.inspector.runs(chosen, request)
    if session.out.as_json:
        session.out.document(page(found.items, found.next_cursor))
    elif given.quiet:
        for run in found.items:
            session.out.line(run.id)
    else:
        print_runs(session.out, found.items)
    _say_more(session, found)
    return DONE


async def show(session: Session) -> int:
    """One run, whole."""
    async with session.gateway(definitions=False) as gateway:
        run = await gateway.inspector.run(await resolve(gateway, session.arguments.run))
    print_run(session.out, run)
    return DONE


async def explain(session: Session) -> int:
    """Why a run is where it is."""
    async with session.gateway(definitions=False) as gateway:
        found = await gateway.inspector.explain(await resolve(gateway, session.arguments.run))
    if session.out.as_json:
        session.out.document(found)
    else:
        _print_explanation(session.out, found)
    return DONE


async def status(session: Session) -> int:
    """The overview."""
    async with session.gateway(definitions=False) as gateway:
        overview = await gateway.inspector.overview()
    print_overview(session.out, overview)
    return DONE


def print_overview(out: Printer, overview: Overview) -> None:
    """The overview, as a document or for a person."""
    if out.as_json:
        out.document(overview)
        return
    rows: list[tuple[Cell, Cell]] = [
        (out.status(state), count(overview.counts.get(state, 0))) for state in STATUS if state in overview.counts
    ]
    out.table(("RUNS", ""), rows, right=frozenset({""}))
    out.line()
    out.line(f"workers {overview.workers_alive}/{overview.workers_known}  queue {count(overview.queue)}")
    out.line(f"{overview.rate_per_s:.1f} runs/s  {overview.fail_rate:.1%} failed in the last hour")
    out.line(f"undelivered events {count(overview.undelivered)}  dead letters {count(overview.dead_letters)}")
    unpriced = f" and {count(overview.unpriced_today)} calls without a price" if overview.unpriced_today else ""
    out.line(f"today {money(overview.cost_today, zero='$0')}{unpriced}")


def print_runs(out: Printer, runs: Sequence[RunSummary]) -> None:
    """A table of runs; ids as short as tells them apart."""
    now = datetime.now(UTC)
    ids = [run.id for run in runs]
    rows: list[tuple[Cell, ...]] = [
        (
            short_id(run.id, ids),
            run.workflow_id,
            out.status(state_of(run)),
            ",".join(run.current_stages) or "-",
            f"{run.tries}/{run.max_attempts}",
            age(run.created_at, now),
            duration(run_ms(run, now)),
            money(run.total_cost),
            run.error or "",
        )
        for run in runs
    ]
    headers = ("ID", "WORKFLOW", "STATUS", "STAGE", "TRY", "AGE", "DUR", "COST", "ERROR")
    out.table(headers, rows, right=frozenset({"AGE", "DUR", "COST"}))


def _filter(session: Session) -> RunFilter:
    """`--filter` and its short forms, ANDed."""
    given = session.arguments
    terms = [given.filter or ""]
    for field, value in (
        ("status", given.status),
        ("wf", given.workflow),
        ("since", given.since and f'"{given.since}"'),
    ):
        terms += [f"{field}:{value}"] if value else []
    chosen = parse_filter(" ".join(terms), now=datetime.now(UTC), tz=session.settings.zone)
    return chosen.model_copy(update={"text": (*chosen.text, given.search)}) if given.search else chosen


def _say_more(session: Session, found: Page[RunSummary]) -> None:
    if found.next_cursor:
        talk(f"more exist: --limit {min(session.arguments.limit * 10, 10_000)}, or --cursor {found.next_cursor}")


async def _count(session: Session, gateway: Gateway, chosen: RunFilter) -> int:
    by = session.arguments.count_by
    counts: Counter[str] = Counter()
    cursor: str | None = None
    while True:
        found = await gateway.inspector.runs(chosen, PageRequest(limit=_PAGE, cursor=cursor))
        counts.update(_key(run, by) for run in found.items)
        cursor = found.next_cursor
        if cursor is None:
            break
    rows = [{by: key, "runs": number} for key, number in counts.most_common()]
    if session.out.as_json:
        session.out.document(page(rows))
    else:
        shown: list[tuple[Cell, Cell]] = [
            (session.out.status(key) if by == "status" else key, count(number)) for key, number in counts.most_common()
        ]
        session.out.table((by.upper(), "RUNS"), shown, right=frozenset({"RUNS"}))
    return DONE


def _key(run: RunSummary, by: str) -> str:
    return {"status": run.status.value, "workflow": run.workflow_id, "code": run.error_code or "-"}[by]


def _print_explanation(out: Printer, found: Explanation) -> None:
    out.line((found.summary, "bold"))
    times = (("since", found.since), ("until", found.until))
    shown = [f"{word} {out.time(moment)}" for word, moment in times if moment is not None]
    if shown:
        out.line("  ".join(shown))
    for name, value in found.facts.items():
        out.line(f"  {name}: {value}")
    for step in found.next:
        out.line(f"  {step.label} ({step.key}): {step.cli}")
