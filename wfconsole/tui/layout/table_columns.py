"""The columns of a plain table: which fit a width, and how wide each then is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

GUTTER = 3
GAP = 2
NARROWEST = 4


Cell = str | tuple[str, str]
"""A text, or a text and the theme variable of its colour; made safe by whoever paints it."""
CELL_LIMIT = 300


@dataclass(frozen=True, slots=True)
class Row:
    """A line under its key. A `mark` of false can't be marked; `quiet` rows are dimmed."""

    key: str
    cells: tuple[Cell, ...]
    markable: bool = False
    quiet: bool = False


@dataclass(frozen=True, slots=True)
class Column:
    """A column `width` cells wide. `right`: numbers are aligned at their end. `grows`: its share of spare room.

    `most`: cells a name grows to, so that what stands behind it can still be read with it; 0 sets no bound.
    `drop`: in a table too narrow for all, columns with the highest number leave first; those with 0 stay.
    """

    title: str
    width: int
    right: bool = False
    grows: int = 0
    drop: int = 0
    most: int = 0


@dataclass(frozen=True, slots=True)
class Placed:
    """A column that is shown, and which of a row's cells it shows."""

    index: int
    column: Column


def fitting(columns: Sequence[Column], width: int) -> tuple[Placed, ...]:
    """The columns for a table of `width` cells. Depends on the width only: what the rows hold never moves a column."""
    placed = [Placed(index, column) for index, column in enumerate(columns)]
    while _needed(placed) > width and any(one.column.drop for one in placed):
        placed.remove(max(placed, key=lambda one: one.column.drop))
    spare = width - _needed(placed)
    growers = [one for one in placed if one.column.grows]
    if spare < 0:
        widest = max(growers or placed, key=lambda one: one.column.width)
        return tuple(_wider(one, spare) if one is widest else one for one in placed)
    shares = sum(one.column.grows for one in growers)
    by = {one.index: spare * one.column.grows // shares for one in growers}
    unbound = next((one.index for one in growers if not one.column.most), None)
    for one in growers:
        over = by[one.index] - (one.column.most - one.column.width) if one.column.most else 0
        if over > 0:
            by[one.index] -= over
            if unbound is not None:
                by[unbound] += over
    return tuple(_wider(one, by[one.index]) if one.index in by else one for one in placed)


def _needed(placed: Sequence[Placed]) -> int:
    return GUTTER + sum(one.column.width for one in placed) + GAP * (len(placed) - 1) + 2


def _wider(placed: Placed, by: int) -> Placed:
    return replace(placed, column=replace(placed.column, width=max(NARROWEST, placed.column.width + by)))
