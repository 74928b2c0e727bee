"""`wfconsole doctor`: is the set-up sound? Every check answers; nothing is changed."""

from __future__ import annotations

import asyncio
import locale
import os
import platform
import shutil
import sqlite3
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pydantic import BaseModel

from engine.errors import DefinitionError, EngineError
from wfconsole.cli.encoding import page
from wfconsole.cli.exits import DATABASE, DONE, USAGE
from wfconsole.cli.output import Cell
from wfconsole.cli.session import Session
from wfconsole.settings import Settings

_STYLES = {"ok": "status-ok", "warning": "status-retrying", "failed": "status-failed"}
_WAL_BUG = ((3, 7, 0), (3, 51, 2))
_WAL_BUG_FIXED = frozenset({(3, 44, 6), (3, 50, 7)})


class Finding(BaseModel):
    """What one check found."""

    check: str
    level: Literal["ok", "warning", "failed"]
    message: str


async def doctor(session: Session) -> int:
    """All checks; exit code 5 for a database that can't be used, 2 for another failure, else 0."""
    settings = session.settings
    findings = [*_programs(), *_permissions(settings), *_terminal()]
    workflows, sinks = _workflows(settings)
    findings += [workflows, *await _database(settings, sinks or bool(settings.sinks))]
    if session.arguments.fsck:
        findings += await _fsck(settings)
    if session.out.as_json:
        session.out.document(page(findings))
    else:
        rows: list[tuple[Cell, ...]] = [
            (finding.check, (finding.level, _STYLES[finding.level]), finding.message) for finding in findings
        ]
        session.out.table(("CHECK", "", ""), rows)
    failed = {finding.check for finding in findings if finding.level == "failed"}
    return DATABASE if failed & {"database", "fsck"} else USAGE if failed else DONE


def wal_bug(version: tuple[int, ...]) -> bool:
    """Whether this SQLite can corrupt a database when two connections reset its write-ahead log at once."""
    return _WAL_BUG[0] <= version <= _WAL_BUG[1] and version not in _WAL_BUG_FIXED


def _programs() -> Iterator[Finding]:
    import engine
    import wfconsole

    ours = Path(str(wfconsole.__file__)).resolve().parent.parent
    theirs = Path(str(engine.__file__)).resolve().parent.parent
    yield Finding(check="python", level="ok", message=f"{platform.python_version()} on {platform.system()}")
    if ours == theirs:
        yield Finding(check="engine", level="ok", message=str(theirs / "engine"))
    else:
        message = f"another package of that name is in the way: {theirs / 'engine'} instead of {ours / 'engine'}"
        yield Finding(check="engine", level="failed", message=message)
    if wal_bug(sqlite3.sqlite_version_info):
        message = (
            f"{sqlite3.sqlite_version} has the write-ahead log reset bug (fixed in 3.51.3, 3.50.7, 3.44.6): "
            "it is very rare; upgrade when you can, and keep backups"
        )
        yield Finding(check="sqlite", level="warning", message=message)
    else:
        yield Finding(check="sqlite", level="ok", message=sqlite3.sqlite_version)


def _permissions(settings: Settings) -> Iterator[Finding]:
    file = settings.database_file
    if file is None or not file.exists():
        return
    for path in (file, file.with_name(f"{file.name}-wal"), file.with_name(f"{file.name}-shm")):
        if path.exists() and (mode := stat.S_IMODE(path.stat().st_mode)) & 0o077:
            message = f"{path} is open to others ({mode:04o}): chmod 600 it"
            yield Finding(check="permissions", level="warning", message=message)
            return
    yield Finding(check="permissions", level="ok", message=f"{file} is private to its owner")


def _terminal() -> Iterator[Finding]:
    size = shutil.get_terminal_size()
    encoding = sys.stdout.encoding or locale.getpreferredencoding(False)
    facts = f"TERM={os.environ.get('TERM', '-')}, {size.columns}x{size.lines}, {encoding}"
    if not sys.stdout.isatty():
        yield Finding(check="terminal", level="ok", message=f"none on standard output; {facts}")
    elif "utf" not in encoding.lower():
        yield Finding(check="terminal", level="warning", message=f"{facts}: glyphs need UTF-8, or use --ascii")
    elif size.columns < 80 or size.lines < 24:
        yield Finding(check="terminal", level="warning", message=f"{facts}: the console wants 80x24 or more")
    else:
        yield Finding(check="terminal", level="ok", message=facts)


def _workflows(settings: Settings) -> tuple[Finding, bool]:
    """What the workflow modules hold, and whether a sink or plugin is among it."""
    from engine.definition.registry import load_workflows

    try:
        loaded = load_workflows(settings.workflows)
    except DefinitionError as error:
        return Finding(check="workflows", level="failed", message=str(error)), False
    names = ", ".join(workflow.id for workflow in loaded.workflows) or "none"
    return Finding(check="workflows", level="ok", message=names), bool(loaded.plugins)


async def _database(settings: Settings, sinks: bool) -> list[Finding]:
    from engine.bootstrap import check_schema, display_url, open_engine

    shown = display_url(settings.database)
    file = settings.database_file
    if settings.in_memory or (file is not None and not file.exists()):
        return [Finding(check="database", level="ok", message=f"{shown}: not there yet, made at first use")]
    try:
        state = await asyncio.to_thread(check_schema, settings.database)
        if not state.ok:
            message = f"{shown}: schema {state.found or 'none'}, needed {state.needed}: run `wfconsole db upgrade`"
            return [Finding(check="database", level="failed", message=message)]
        async with open_engine(settings.database, blob_store=settings.blobs.url, read_only=True) as engine:
            overview = await engine.inspector.overview()
    except EngineError as error:
        return [Finding(check="database", level="failed", message=f"{shown}: {error}")]
    found = [Finding(check="database", level="ok", message=f"{shown}: schema {state.found}")]
    if overview.undelivered and not (sinks or overview.workers_alive):
        message = f"{overview.undelivered} events wait, and nothing here has a sink or plugin to deliver them to"
        found.append(Finding(check="events", level="warning", message=message))
    if overview.queue and not overview.workers_alive:
        message = f"{overview.queue} wait and no worker is alive: start one with `wfconsole worker`"
        found.append(Finding(check="workers", level="warning", message=message))
    return found


async def _fsck(settings: Settings) -> list[Finding]:
    """Everything that must hold in the database, and doesn't."""
    from engine.bootstrap import open_engine

    try:
        async with open_engine(settings.database, blob_store=settings.blobs.url, read_only=True) as engine:
            broken = await engine.fsck()
    except EngineError as error:
        return [Finding(check="fsck", level="failed", message=str(error))]
    if not broken:
        return [Finding(check="fsck", level="ok", message="everything holds that must")]
    return [
        Finding(
            check="fsck", level="failed", message=f"not so: {one.rule} ({one.count}): {', '.join(one.examples[:5])}"
        )
        for one in broken
    ]
