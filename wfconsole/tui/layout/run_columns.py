"""The columns of the run table: which fit a width, how wide each is, and what a run shows in them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, tzinfo
from typing import TYPE_CHECKING

from wfconsole import formatting
from wfconsole.formatting import STATUS, TimeMode
from wfconsole.safe_text import safe_text

if TYPE_CHECKING:
    from engine.inspector.views import RunSummary

GUTTER = 3
GAP = 2
CELL_LIMIT = 80


@dataclass(frozen=True, slots=True)
class Column:
    """A column `width` cells wide; it may grow to `most`. `right`: numbers are aligned at their end."""

    key: str
    title: str
    width: int
    most: int
    right: bool = False


COLUMNS = (
    Column("id", "ID", 8, 8),
    Column("workflow", "WORKFLOW", 18, 32),
    Column("status", "STATUS", 11, 11),
    Column("stage", "STAGE", 10, 24),
    Column("try", "TRY", 5, 5),
    Column("age", "AGE", 4, 4, right=True),
    Column("duration", "DUR", 6, 6, right=True),
    Column("cost", "COST", 7, 7, right=True),
)
WHY = Column("why", "WHY", 14, 20)
"""Only where runs are listed for different reasons."""
DROPS = ("duration", "try", "cost", "age", "stage")
"""In this order columns leave a table that gets too narrow."""

CLOCK_WIDTH = 10
SHORT_OF_A_STAGE = 4
"""Cells a stage gets before a workflow does: its first ten seldom name it whole."""

SLOW = timedelta(minutes=1)
"""How often rows are looked at of which none ages fast."""
_AGES_FAST = timedelta(hours=1)


def fitting(width: int, time_mode: TimeMode = "relative", *, why: bool = False) -> tuple[Column, ...]:
    """The columns for a table of `width` cells, the spare room given to workflow and stage; with `why` one more.

    What the rows hold never moves a column.
    """
    columns = [_clocked(column, time_mode) for column in COLUMNS]
    if why:
        columns.insert([column.key for column in columns].index("stage"), WHY)
    for key in DROPS:
        if _needed(columns) <= width:
            break
        columns = [column for column in columns if column.key != key]
    spare = width - _needed(columns)
    if spare < 0:
        columns = [replace(c, width=max(4, c.width + spare)) if c.key == "workflow" else c for c in columns]
    for key, share in (("stage", SHORT_OF_A_STAGE), ("workflow", spare // 2), ("stage", spare)):
        if spare > 0:
            columns, used = _grown(columns, key, min(share, spare))
            spare -= used
    return tuple(columns)


def cells(
    summary: RunSummary, now: datetime, zone: tzinfo | None, mode: TimeMode, *, ascii_only: bool, why: str = ""
) -> dict[str, str]:
    """What a run shows in each column, safe to paint, not yet cut to width. `why` it is listed, in words of ours."""
    stages = summary.current_stages
    stage = safe_text(stages[0], limit=CELL_LIMIT) if stages else formatting.NONE
    return {
        "id": safe_text(formatting.short_id(summary.id)),
        "workflow": safe_text(summary.workflow_id, limit=CELL_LIMIT),
        "status": STATUS[formatting.state_of(summary)].label(ascii_only),
        "stage": f"{stage} +{len(stages) - 1}" if len(stages) > 1 else stage,
        "try": f"{summary.tries}/{summary.max_attempts}" if summary.max_attempts else formatting.NONE,
        "age": formatting.clock(summary.created_at, zone, mode, now=now),
        "duration": formatting.duration(formatting.run_ms(summary, now)),
        "cost": formatting.money(summary.total_cost),
        "why": why or formatting.NONE,
    }


def ages_fast(rows: Iterable[RunSummary], now: datetime, mode: TimeMode) -> bool:
    """Whether a row may read differently within a minute: it goes on, or is younger than an hour."""
    return any(row.completed_at is None or (mode == "relative" and now - row.created_at < _AGES_FAST) for row in rows)


def _clocked(column: Column, mode: TimeMode) -> Column:
    if column.key != "age" or mode == "relative":
        return column
    return replace(column, title="CREATED", width=CLOCK_WIDTH, most=CLOCK_WIDTH)


def _needed(columns: list[Column]) -> int:
    return GUTTER + sum(column.width for column in columns) + GAP * (len(columns) - 1) + 2


def _grown(columns: list[Column], key: str, by: int) -> tuple[list[Column], int]:
    column = next((column for column in columns if column.key == key), None)
    if column is None:
        return columns, 0
    wider = replace(column, width=min(column.most, column.width + by))
    return [wider if c.key == key else c for c in columns], wider.width - column.width
