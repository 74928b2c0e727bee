"""Log lines and events: once, or followed as they come."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime

from engine.inspector.views import EventView, LogLine
from engine.model.criteria import PageRequest
from engine.model.status import TERMINAL_RUN, LogLevel
from wfconsole.cli.encoding import page
from wfconsole.cli.exits import DONE, UsageError
from wfconsole.cli.output import Cell, Printer
from wfconsole.cli.run_ids import resolve
from wfconsole.cli.session import Session
from wfconsole.formatting import short_id
from wfconsole.gateway import Gateway

_TAIL = 200
_BATCH = 2_000
_MOST_RUNS = 200
_SLICE_S = 1.0
_LEVELS = tuple(LogLevel)


async def events(session: Session) -> int:
    """A run's history in order."""
    async with session.gateway(definitions=False) as gateway:
        run_id = await resolve(gateway, session.arguments.run)
        items: list[EventView] = []
        cursor: str | None = None
        while True:
            request = PageRequest(limit=_BATCH, cursor=cursor, sort="sequence")
            found = await gateway.inspector.events(run_id, page=request)
            items += found.items
            cursor = found.next_cursor
            if cursor is None:
                break
    if session.out.as_json:
        session.out.document(page(items))
    else:
        _print_events(session.out, items)
    return DONE


async def logs(session: Session) -> int:
    """Log lines of some runs, or of all: the last ones, and with `--follow` those that come."""
    given = session.arguments
    level = _level(given.level)
    tail = _tail(given.tail, follow=given.follow, named=bool(given.runs or given.filter))
    since, until = session.moment("since"), session.moment("until")
    async with session.gateway(definitions=False) as gateway:
        run_ids = await _chosen_runs(session, gateway)
        if run_ids == []:
            if session.out.as_json and not given.follow:
                session.out.document(page([]))
            return DONE
        places: Sequence[str | None] = run_ids or [None]
        past = [
            line
            for run_id in places
            for line in await _past(gateway, run_id, tail, given.stage, level, since, until, given.search)
        ]
        past.sort(key=_position)
        shown = past if tail is None else past[max(len(past) - tail, 0) :]
        follower = Follower(session, gateway, run_ids, prefixed=run_ids is None or len(run_ids) > 1)
        if session.out.as_json and not given.follow:
            session.out.document(page(shown))
            return DONE
        for line in shown:
            follower.print(line)
        if given.follow:
            await follower.begin_after(past)
            await follower.follow(level)
    return DONE


class Follower:
    """Prints the log lines of some runs (None: of all) as they come, each once."""

    def __init__(self, session: Session, gateway: Gateway, run_ids: Sequence[str] | None, *, prefixed: bool) -> None:
        self._session, self._gateway = session, gateway
        self._run_ids = run_ids
        self._prefixed = prefixed
        # Where each stream was read to: the id of a line; none is before "0".
        places: Sequence[str | None] = run_ids or [None]
        logs = hasattr(session.arguments, "since")
        self._since = session.moment("since") if logs else None
        self._until = session.moment("until") if logs else None
        self._after: dict[str | None, str] = dict.fromkeys(places, "0")

    async def begin_after(self, seen: Sequence[LogLine]) -> None:
        """Leave out what lies before the newest line seen; of all runs, all there is by now."""
        if self._run_ids is None and not seen:
            newest = await self._gateway.inspector.tail_logs(None, limit=1)
            self._after[None] = newest.next_cursor or "0"
        for line in seen:
            key = line.run_id if self._run_ids is not None else None
            self._after[key] = max(self._after[key], line.id, key=int)

    async def pump(self, level: LogLevel | None = None) -> None:
        """Print what has come since the last time."""
        for run_id in self._after:
            while True:
                after = self._after[run_id]
                found = await self._gateway.inspector.tail_logs(run_id, after=after, limit=_BATCH)
                self._after[run_id] = found.next_cursor or after
                for line in found.items:
                    if self._wanted(line, level):
                        self.print(line)
                if len(found.items) < _BATCH:
                    break

    async def follow(self, level: LogLevel | None) -> None:
        """Until all runs named have ended; of all runs, until interrupted."""
        while True:
            ended = self._run_ids is not None and await self._all_ended(self._run_ids)
            # Lines may be written until the run has ended: look once more after that.
            await self.pump(level)
            if ended:
                return
            await self._gateway.changed(_SLICE_S)

    def print(self, line: LogLine) -> None:
        """One line, for a person or as an object."""
        out = self._session.out
        if out.as_json:
            out.record(line)
        else:
            _print_line(out, line, self._prefixed)

    def _wanted(self, line: LogLine, level: LogLevel | None) -> bool:
        given = self._session.arguments
        stage, search = getattr(given, "stage", None), getattr(given, "search", None)
        return (
            (level is None or _LEVELS.index(line.level) >= _LEVELS.index(level))
            and (stage is None or line.stage_id == stage)
            and (search is None or search.lower() in _searched(line))
            and (self._since is None or line.created_at >= self._since)
            and (self._until is None or line.created_at < self._until)
        )

    async def _all_ended(self, run_ids: Sequence[str]) -> bool:
        return all([(await self._gateway.inspector.run(run_id)).status in TERMINAL_RUN for run_id in run_ids])


async def _past(
    gateway: Gateway,
    run_id: str | None,
    tail: int | None,
    stage: str | None,
    level: LogLevel | None,
    since: datetime | None,
    until: datetime | None,
    search: str | None,
) -> list[LogLine]:
    """The last `tail` lines, oldest first; all of them for None."""
    lines: list[LogLine] = []
    cursor: str | None = None
    while tail is None or len(lines) < tail:
        limit = _BATCH if tail is None else min(_BATCH, tail - len(lines))
        found = await gateway.inspector.logs(
            run_id,
            stage_id=stage,
            level=level,
            since=since,
            until=until,
            search=search,
            page=PageRequest(limit=limit, cursor=cursor, sort="-created_at"),
        )
        lines += found.items
        cursor = found.next_cursor
        if cursor is None:
            break
    return lines[::-1]


def _position(line: LogLine) -> int:
    """Ids of lines are numbers that grow as they are committed."""
    return int(line.id)


async def _chosen_runs(session: Session, gateway: Gateway) -> list[str] | None:
    """The runs whose lines are wanted; None for all there are."""
    given = session.arguments
    if not given.runs and not given.filter:
        return None
    run_ids = [await resolve(gateway, name) for name in given.runs]
    if given.filter:
        found = await gateway.inspector.runs(session.filter(given.filter), PageRequest(limit=_MOST_RUNS))
        if found.next_cursor:
            raise UsageError(f"--filter matches more than {_MOST_RUNS} runs: narrow it")
        matching = [run.id for run in found.items]
        run_ids = [run_id for run_id in run_ids if run_id in matching] if given.runs else matching
    return list(dict.fromkeys(run_ids))


def _tail(text: str | None, *, follow: bool, named: bool) -> int | None:
    """How many past lines, None for all: a followed run from its beginning, all runs from now."""
    if text is None:
        return (None if named else 0) if follow else _TAIL
    if text == "all":
        return None
    if not text.isdecimal():
        raise UsageError(f"--tail {text!r}: a number of lines, or all")
    return int(text)


def _level(text: str | None) -> LogLevel | None:
    if text is None:
        return None
    word = {"WARNING": "WARN"}.get(text.upper(), text.upper())
    if word not in LogLevel.__members__:
        raise UsageError(f"--level {text!r}: debug, info, warn or error")
    return LogLevel[word]


def _print_line(out: Printer, line: LogLine, prefixed: bool) -> None:
    cells: list[Cell] = [f"{line.created_at.astimezone(out.zone):%H:%M:%S.%f}"[:-3]]
    cells += [(short_id(line.run_id), "dim")] if prefixed else []
    cells.append((f"{line.level:<5}", f"level-{line.level.lower()}"))
    cells.append(f"{line.stage_id or '-'}#{line.attempt}" if line.attempt else line.stage_id or "-")
    cells.append(line.message)
    cells += [(f"{name}={_value(value)}", "dim") for name, value in line.fields.items()]
    out.line(*cells)


def _searched(line: LogLine) -> str:
    """Where a search looks, as the store does: in the message and in the fields."""
    return f"{line.message}\n{json.dumps(line.fields, ensure_ascii=False, default=str)}".lower()


def _value(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _print_events(out: Printer, items: Sequence[EventView]) -> None:
    rows: list[tuple[Cell, ...]] = [
        (
            str(event.sequence),
            out.time(event.occurred_at),
            event.type,
            event.delivery.value,
            json.dumps(event.payload, ensure_ascii=False, default=str)[:500],
        )
        for event in items
    ]
    out.table(("SEQ", "TIME", "TYPE", "DELIVERY", "PAYLOAD"), rows, right=frozenset({"SEQ"}))
