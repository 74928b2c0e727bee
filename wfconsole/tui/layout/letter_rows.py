"""Dead letters as rows: a line a cause, its letters below it when it is open."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, tzinfo

from engine.inspector import DeadLetterGroup, EventView
from wfconsole.formatting import NONE, TimeMode, clock, count, short_id
from wfconsole.safe_text import safe_text
from wfconsole.tui.layout.cells import Part
from wfconsole.tui.layout.table_columns import Column, Row

COLUMNS = (
    Column("CAUSE", 24, grows=1),
    Column("SINK", 16, drop=3),
    Column("EVENTS", 6, right=True),
    Column("RUNS", 8, right=True, drop=1),
    Column("FIRST", 8, right=True, drop=4),
    Column("LAST", 8, right=True),
)
PAYLOAD_LIMIT = 64 * 1024
Key = tuple[str | None, str | None]
"""A group's cause and sink."""


def key_of(group: DeadLetterGroup) -> str:
    """The key of a group's row; no event id looks like it."""
    return "group:" + json.dumps([group.fingerprint, group.sink])


def rows_of(
    groups: Sequence[DeadLetterGroup],
    letters: Mapping[str, Sequence[EventView]],
    now: datetime,
    zone: tzinfo,
    mode: TimeMode,
    *,
    ascii_only: bool,
) -> list[Row]:
    """`letters` holds those of the open groups, by the groups' row keys."""
    opened, closed = ("-", "+") if ascii_only else ("−", "+")
    rows: list[Row] = []
    for group in groups:
        key = key_of(group)
        sign = opened if key in letters else closed
        cells = (
            (f"{sign} {group.example or '(no error was noted)'}", "status-failed"),
            group.sink or NONE,
            count(group.events),
            count(group.runs),
            clock(group.first_at, zone, mode, now=now),
            clock(group.last_at, zone, mode, now=now),
        )
        rows.append(Row(key, cells, markable=True))
        shown = letters.get(key, ())
        rows += [Row(event.id, _letter(event, now, zone, mode), markable=True) for event in shown]
        if group.events > len(shown) and key in letters:
            more = f"    and {count(group.events - len(shown))} more: act on the group, or wfconsole dlq ls"
            rows.append(Row(f"{key} more", (more,), quiet=True))
    return rows


def _letter(event: EventView, now: datetime, zone: tzinfo, mode: TimeMode) -> tuple[str, ...]:
    return (
        f"    {event.type}",
        event.sink or NONE,
        f"#{event.sequence}",
        short_id(event.run_id),
        clock(event.occurred_at, zone, mode, now=now),
        clock(event.dead_at, zone, mode, now=now),
    )


def letter_parts(event: EventView, zone: tzinfo) -> list[Part | str]:
    """One dead letter whole: its sink, its tries, the last error, the payload."""

    def fact(name: str, value: object) -> list[Part | str]:
        return [(f"{name:<12}", "$quiet"), safe_text(value, limit=400), "\n"]

    parts: list[Part | str] = []
    parts += fact("event", event.id) + fact("run", f"{event.run_id}  sequence {event.sequence}")
    parts += fact("occurred", _full(event.occurred_at, zone)) + fact("dead since", _full(event.dead_at, zone))
    parts += fact("sink", event.sink or NONE)
    parts += fact("attempts", f"{event.retry_count}, then given up")
    parts += [("\nlast error\n", "bold"), (_block(event.last_error or NONE, 4_000), "$status-failed"), "\n"]
    payload = json.dumps(event.payload, ensure_ascii=False, indent=2, default=str)
    parts += [("\npayload\n", "bold"), _block(payload, PAYLOAD_LIMIT), "\n"]
    parts += [("\nthe same by command line\n", "bold")]
    parts += [(f"wfconsole dlq show {safe_text(event.id, limit=40)}", "$quiet")]
    return parts


def _block(text: str, limit: int) -> str:
    return safe_text(text, multiline=True, limit=limit)


def _full(moment: datetime | None, zone: tzinfo) -> str:
    return NONE if moment is None else moment.astimezone(zone).isoformat(sep=" ", timespec="seconds")
