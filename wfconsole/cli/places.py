"""Who works, what waits, what is registered."""

from __future__ import annotations

from datetime import UTC, datetime

from wfconsole.cli.encoding import page
from wfconsole.cli.exits import DONE, NOT_ALLOWED
from wfconsole.cli.output import Cell, talk
from wfconsole.cli.session import Session
from wfconsole.formatting import age, count


async def workflows(session: Session) -> int:
    """The workflows registered here, and those that runs in the database belong to."""
    async with session.gateway() as gateway:
        found = await gateway.inspector.workflows()
    if session.out.as_json:
        session.out.document(page(found))
        return DONE
    rows: list[tuple[Cell, ...]] = [
        (
            view.id,
            view.fingerprint,
            "yes" if view.registered else "no",
            str(view.live_workers),
            count(view.unfinished),
            ("paused", "status-retrying") if view.paused else "",
            " > ".join(" + ".join(stage.stage_id for stage in group) for group in view.groups),
        )
        for view in found
    ]
    headers = ("WORKFLOW", "DEFINITION", "HERE", "WORKERS", "UNFINISHED", "", "STAGES")
    session.out.table(headers, rows, right=frozenset({"WORKERS", "UNFINISHED"}))
    return DONE


async def check(session: Session) -> int:
    """Would unfinished runs survive the definitions given here? Exit code 4 if some would not."""
    async with session.gateway() as gateway:
        found = await gateway.inspector.unfinished()
    lost = [view for view in found if not view.survives]
    if session.out.as_json:
        session.out.document(page(found))
        return NOT_ALLOWED if lost else DONE
    rows: list[tuple[Cell, ...]] = [
        (
            view.workflow_id,
            view.fingerprint,
            count(view.runs),
            ("yes", "status-ok") if view.survives else ("NO", "status-failed"),
            str(len(view.workers)),
            "; ".join(view.problems) or ("the same definition" if view.registered else "changed, and they go on"),
        )
        for view in found
    ]
    session.out.table(
        ("WORKFLOW", "DEFINITION", "UNFINISHED", "SURVIVE", "WORKERS", "WHY"),
        rows,
        right=frozenset({"UNFINISHED", "WORKERS"}),
    )
    if not found:
        talk("no unfinished runs: any definition will do")
    if lost:
        runs = sum(view.runs for view in lost)
        talk(f"{count(runs)} unfinished runs would wait for ever or fail: keep a worker with the old definition")
    return NOT_ALLOWED if lost else DONE


async def workers(session: Session) -> int:
    """The workers known, the live ones marked."""
    async with session.gateway() as gateway:
        found = await gateway.inspector.workers()
    if session.out.as_json:
        session.out.document(page(found))
        return DONE
    now = datetime.now(UTC)
    rows: list[tuple[Cell, ...]] = [
        (
            view.id,
            view.host,
            str(view.pid),
            ("alive", "status-ok") if view.alive else ("gone", "dim"),
            f"{view.running}/{view.concurrency}",
            age(view.started_at, now),
            age(view.last_seen_at, now),
            ", ".join(sorted(view.workflows)),
        )
        for view in found
    ]
    headers = ("WORKER", "HOST", "PID", "STATE", "BUSY", "UP", "SEEN", "WORKFLOWS")
    session.out.table(headers, rows, right=frozenset({"PID", "BUSY", "UP", "SEEN"}))
    if not any(view.alive for view in found):
        talk("no live worker: start one with `wfconsole worker`")
    return DONE


async def queue(session: Session) -> int:
    """What waits and what runs, by workflow."""
    async with session.gateway() as gateway:
        found = await gateway.inspector.queue()
    if session.out.as_json:
        session.out.document(page(found))
        return DONE
    now = datetime.now(UTC)
    rows: list[tuple[Cell, ...]] = [
        (
            row.workflow_id,
            count(row.pending),
            count(row.scheduled),
            count(row.running),
            age(row.oldest_pending_at, now),
        )
        for row in found
    ]
    headers = ("WORKFLOW", "PENDING", "SCHEDULED", "RUNNING", "OLDEST")
    session.out.table(headers, rows, right=frozenset(headers[1:]))
    return DONE
