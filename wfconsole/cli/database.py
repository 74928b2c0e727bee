"""`wfconsole db`: the schema."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING

from wfconsole.cli.exits import DATABASE, DONE, UsageError
from wfconsole.cli.output import Cell, talk
from wfconsole.cli.progress import ProgressLine
from wfconsole.cli.session import Session
from wfconsole.filtering import parse_duration
from wfconsole.formatting import count, size

if TYPE_CHECKING:
    from engine.bootstrap import Engine, PruneReport


async def upgrade(session: Session) -> int:
    """Create the schema or bring it up to date."""
    from engine.bootstrap import upgrade_schema

    session.forbid_read_only()
    with ProgressLine() as line:
        line.paint(0.0, "upgrading the schema")
        before, after = await asyncio.to_thread(upgrade_schema, session.settings.database)
        line.paint(1.0, "upgraded")
    if session.out.as_json:
        session.out.document({"from": before, "to": after})
    elif before == after:
        session.out.line(f"schema {after}: nothing to do")
    else:
        session.out.line(f"schema {before or 'none'} -> {after}")
    return DONE


async def check(session: Session) -> int:
    """Whether the schema fits this program; exit code 5 if not."""
    from engine.bootstrap import check_schema

    state = await asyncio.to_thread(check_schema, session.settings.database)
    if session.out.as_json:
        session.out.document({"found": state.found, "needed": state.needed, "ok": state.ok})
    else:
        session.out.line(f"schema {state.found or 'none'}, needed {state.needed}: {'ok' if state.ok else 'no match'}")
    if not state.ok:
        talk("run `wfconsole db upgrade`")
    return DONE if state.ok else DATABASE


async def stats(session: Session) -> int:
    """How large the database is, table by table."""
    from engine.bootstrap import database_statistics, display_url

    found = await asyncio.to_thread(database_statistics, session.settings.database)
    shown = display_url(session.settings.database)
    if session.out.as_json:
        session.out.document({"database": shown, **asdict(found)})
        return DONE
    session.out.line((shown, "bold"), f" schema {found.schema or 'none'}")
    parts = [size(found.bytes)]
    parts += [f"{size(found.free_bytes)} free"] if found.free_bytes is not None else []
    parts += [f"{size(found.log_bytes)} write-ahead log"] if found.log_bytes is not None else []
    session.out.line(", ".join(parts))
    rows: list[tuple[Cell, ...]] = [
        (
            table.name,
            f"{'~' if table.estimated else ''}{count(table.rows)}",
            "-" if table.bytes is None else size(table.bytes),
        )
        for table in sorted(found.tables, key=lambda table: (-(table.bytes or 0), -table.rows, table.name))
    ]
    session.out.table(("TABLE", "ROWS", "SIZE"), rows, right=frozenset({"ROWS", "SIZE"}))
    return DONE


async def roles(session: Session) -> int:
    """SQL for the roles of a Postgres: one that works, one that only reads."""
    from engine.bootstrap import database_roles

    script = database_roles(session.settings.database, session.arguments.prefix)
    if session.out.as_json:
        session.out.document({"sql": script})
    else:
        for line in script.splitlines():
            session.out.line(line)
    return DONE


async def prune(session: Session) -> int:
    """Remove runs that ended long ago, in batches, and the words of AI calls; what is active stays."""
    given = session.arguments
    session.forbid_read_only()
    older_than, texts = session.duration("older_than"), _texts_older_than(session)
    if older_than is None and texts is None:
        raise UsageError("db prune needs --older-than, for runs, or --texts-older-than, for prompts and answers")
    for name, value in (("older-than", older_than), ("texts-older-than", texts)):
        if value is not None and value < timedelta(0):
            raise UsageError(f"--{name} can't be negative")
    if not given.dry_run:
        session.insist("db prune")
    from engine.bootstrap import PruneReport

    async with session.gateway(definitions=False) as gateway:
        report = PruneReport(dry_run=given.dry_run)
        forgotten = 0
        if older_than is not None:
            report = await _prune_runs(session, gateway.engine, older_than)
        if texts is not None and not given.dry_run:
            forgotten = await gateway.engine.forget_ai_texts(texts)
    if session.out.as_json:
        session.out.document({**asdict(report), "texts": forgotten})
    elif report.dry_run:
        session.out.line(f"{report.runs} runs would be removed")
    else:
        session.out.line(
            f"{report.runs} runs removed, with {report.undelivered} undelivered events, {report.blobs} blobs"
        )
        if texts is not None:
            session.out.line(f"{forgotten} AI calls without their words now")
    return DONE


def _texts_older_than(session: Session) -> timedelta | None:
    """Of the flag, or of `[ai] keep_texts`."""
    kept = session.settings.ai.keep_texts
    if session.arguments.texts_older_than is not None or kept is None:
        return session.duration("texts_older_than")
    try:
        return parse_duration(kept)
    except ValueError as error:
        raise UsageError(f"[ai] keep_texts: {error}") from error


async def _prune_runs(session: Session, engine: Engine, older_than: timedelta) -> PruneReport:
    keep_failed = session.arguments.keep_failed
    due = await engine.prune(older_than, keep_failed=keep_failed, dry_run=True)
    if session.arguments.dry_run:
        return due
    session.confirm(f"Remove {due.runs} runs and everything of theirs?", word=str(due.runs))
    with ProgressLine() as line:
        return await engine.prune(
            older_than,
            keep_failed=keep_failed,
            on_progress=lambda done, of: line.paint(done / max(of, 1), f"{done} of {of} runs"),
        )
