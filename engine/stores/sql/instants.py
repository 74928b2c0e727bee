"""Arithmetic on stored instants, which the two databases keep differently (see `types.UtcDateTime`)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ColumnElement
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from engine.model.zones import Offsets

MICROS_A_DAY = 86_400_000_000


class Elapsed(FunctionElement[int]):
    """`Elapsed(start, end)`: the microseconds between; NULL where one of them is."""

    name = "elapsed"
    type = BigInteger()
    inherit_cache = True


class LocalDay(FunctionElement[int]):
    """`LocalDay(instant, offsets)`: whole days since 1970-01-01, where the clocks of a zone show them.

    The offsets are written into the statement as numbers: the same expression has to stand in SELECT and GROUP BY.
    """

    name = "local_day"
    type = BigInteger()
    inherit_cache = False

    def __init__(self, instant: ColumnElement[datetime], offsets: Offsets) -> None:
        super().__init__(instant)
        self.offsets = offsets


@compiles(Elapsed)
def _elapsed(element: Elapsed, compiler: SQLCompiler, **kw: Any) -> str:
    start, end = element.clauses
    return f"({compiler.process(end, **kw)} - {compiler.process(start, **kw)})"


@compiles(Elapsed, "postgresql")
def _elapsed_postgres(element: Elapsed, compiler: SQLCompiler, **kw: Any) -> str:
    return f"CAST(EXTRACT(EPOCH FROM {_elapsed(element, compiler, **kw)}) * 1000000 AS BIGINT)"


def _east(offsets: Offsets, instant: str, unit: int) -> str:
    """What to add to `instant`, both in so many parts of a second."""
    (_, first), *changes = offsets
    if not changes:
        return str(first * unit)
    # The newest first: of conditions that hold, the first one counts, and most rows are new.
    cases = " ".join(f"WHEN {instant} >= {start * unit} THEN {east * unit}" for start, east in reversed(changes))
    return f"CASE {cases} ELSE {first * unit} END"


@compiles(LocalDay)
def _local_day(element: LocalDay, compiler: SQLCompiler, **kw: Any) -> str:
    (instant,) = element.clauses
    micros = compiler.process(instant, **kw)
    return f"(({micros} + {_east(element.offsets, micros, 1_000_000)}) / {MICROS_A_DAY})"


@compiles(LocalDay, "postgresql")
def _local_day_postgres(element: LocalDay, compiler: SQLCompiler, **kw: Any) -> str:
    (instant,) = element.clauses
    seconds = f"EXTRACT(EPOCH FROM {compiler.process(instant, **kw)})"
    return f"CAST(FLOOR(({seconds} + {_east(element.offsets, seconds, 1)}) / 86400) AS BIGINT)"
