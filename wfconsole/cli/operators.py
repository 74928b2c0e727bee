"""What operators do and did: give up, pause, resume, note; failures by cause, the audit log, sinks."""

from __future__ import annotations

from datetime import UTC, datetime

from engine.commands import AnnotateRun, FailStage, PauseWorkflow, ResumeWorkflow
from engine.model.criteria import PageRequest
from engine.model.ids import new_id
from wfconsole.bulk import Item, Report
from wfconsole.cli.encoding import page
from wfconsole.cli.exits import DONE, NotFound, UsageError
from wfconsole.cli.output import Cell, talk
from wfconsole.cli.run_ids import resolve
from wfconsole.cli.session import Session
from wfconsole.formatting import age, count, money, short_id


async def give_up(session: Session) -> int:
    """Fail a waiting stage."""
    given = session.arguments
    session.forbid_read_only()
    async with session.gateway(definitions=False) as gateway:
        run_id = await resolve(gateway, given.run)
        session.confirm(f"Give up stage {given.stage} of run {run_id}?", word=short_id(run_id))
        answer = await gateway.send(FailStage(run_id=run_id, stage_id=given.stage, reason=given.reason))
    if answer.failed:
        return _told(session, Item(id=run_id, result="done"), f"{run_id} given up")
    already = "it had failed already"
    return _told(session, Item(id=run_id, result="skipped", reason=already), f"{run_id} {already}")


async def pause(session: Session) -> int:
    """Claim and poll nothing new of a workflow."""
    given = session.arguments
    session.forbid_read_only()
    async with session.gateway() as gateway:
        await gateway.send(PauseWorkflow(workflow_id=given.workflow, reason=given.reason))
    return _told(
        session,
        Item(id=given.workflow, result="done"),
        f"{given.workflow} is paused: what executes ends, nothing new starts",
    )


async def resume(session: Session) -> int:
    """End a pause."""
    given = session.arguments
    session.forbid_read_only()
    async with session.gateway(definitions=False) as gateway:
        await gateway.send(ResumeWorkflow(workflow_id=given.workflow, reason=given.reason))
    return _told(session, Item(id=given.workflow, result="done"), f"{given.workflow} is not paused")


async def note(session: Session) -> int:
    """An annotation by hand."""
    given = session.arguments
    session.forbid_read_only()
    async with session.gateway(definitions=False) as gateway:
        run_id = await resolve(gateway, given.run)
        await gateway.send(AnnotateRun(run_id=run_id, attributes={"note": given.text}, actor_kind="human"))
    return _told(session, Item(id=run_id, result="done"), f"{run_id} noted")


def _told(session: Session, item: Item, words: str) -> int:
    """What was done to one target: in words, or as the report that every action prints as JSON."""
    if session.out.as_json:
        session.out.document(Report.of(new_id(), [item]))
    else:
        session.out.line(words)
    return DONE


async def failures(session: Session) -> int:
    """Failed runs grouped by cause."""
    async with session.gateway(definitions=False) as gateway:
        found = (await gateway.inspector.failures(session.filter(session.arguments.filter))).items
    if session.out.as_json:
        session.out.document(page(found))
        return DONE
    now = datetime.now(UTC)
    rows: list[tuple[Cell, ...]] = [
        (
            one.fingerprint or "-",
            count(one.runs),
            one.code or "-",
            one.workflow_id,
            one.stage_id or "-",
            age(one.first_at, now),
            age(one.last_at, now),
            money(one.wasted),
            one.example or "",
        )
        for one in found
    ]
    headers = ("CAUSE", "RUNS", "CODE", "WORKFLOW", "STAGE", "FIRST", "LAST", "WASTED", "EXAMPLE")
    session.out.table(headers, rows, right=frozenset({"RUNS", "FIRST", "LAST", "WASTED"}))
    return DONE


async def audit(session: Session) -> int:
    """Who did what, the newest first."""
    given = session.arguments
    if not 1 <= given.limit <= 10_000:
        raise UsageError("--limit has to be between 1 and 10000")
    async with session.gateway(definitions=False) as gateway:
        run_id = await resolve(gateway, given.run) if given.run else None
        request = PageRequest(limit=given.limit, cursor=given.cursor)
        found = await gateway.inspector.audit(run_id, actor=given.actor, page=request)
    if session.out.as_json:
        session.out.document(page(found.items, found.next_cursor))
        return DONE
    rows: list[tuple[Cell, ...]] = [
        (session.out.time(row.created_at), row.actor, row.command, row.target, row.reason or "") for row in found.items
    ]
    session.out.table(("WHEN", "WHO", "COMMAND", "TARGET", "REASON"), rows)
    if found.next_cursor:
        talk(f"more exist: --cursor {found.next_cursor}")
    return DONE


async def sinks(session: Session) -> int:
    """Where events go, and how that goes."""
    async with session.gateway(definitions=False) as gateway:
        found = await gateway.inspector.sinks()
    if session.out.as_json:
        session.out.document(page(found))
        return DONE
    now = datetime.now(UTC)
    rows: list[tuple[Cell, ...]] = [
        (
            one.id,
            one.target,
            ("failing", "status-failed") if one.failing_since else ("ok", "status-ok"),
            age(one.failing_since or one.ok_at, now),
            count(one.pending),
            count(one.dead),
            one.last_error or "",
        )
        for one in found
    ]
    headers = ("SINK", "TARGET", "STATE", "SINCE", "PENDING", "DEAD", "LAST ERROR")
    session.out.table(headers, rows, right=frozenset({"SINCE", "PENDING", "DEAD"}))
    return DONE


async def test_sink(session: Session) -> int:
    """Send a test event to a configured sink."""
    from engine.events import parse_event
    from engine.model.ids import new_id
    from wfconsole.gateway import configured_sinks

    session.forbid_read_only()
    known = {str(getattr(sink, "id", "")): sink for sink in configured_sinks(session.settings)}
    sink = known.get(session.arguments.sink)
    if sink is None:
        there = ", ".join(sorted(known)) or "none"
        raise NotFound(f"no sink {session.arguments.sink!r} in [sinks]; there are: {there}")
    now = datetime.now(UTC).isoformat()
    event = {"id": new_id(), "run_id": "test", "sequence": 1, "type": "wfconsole:test", "occurred_at": now}
    try:
        await sink.emit(parse_event({**event, "causation_id": "test"}))
    except Exception as error:
        raise UsageError(f"{session.arguments.sink} did not take it: {error}") from error
    if session.out.as_json:
        session.out.document({"id": session.arguments.sink, "taken": True})
    else:
        session.out.line(session.arguments.sink, "took the test event")
    return DONE
