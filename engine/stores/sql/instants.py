"""Arithmetic on stored instants, which the two databases keep differently (see `types.UtcDateTime`)."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

MICROS_A_DAY = 86_400_000_000


class Elapsed(FunctionElement[int]):
    """`Elapsed(start, end)`: the microseconds between; NULL where one of them is."""

    name = "elapsed"
    type = BigInteger()
    inherit_cache = True


class UtcDay(FunctionElement[int]):
    """`UtcDay(instant)`: whole days since 1970-01-01 UTC."""

    name = "utc_day"
    type = BigInteger()
    inherit_cache = True


@compiles(Elapsed)
def _elapsed(element: Elapsed, compiler: SQLCompiler, **kw: Any) -> str:
    start, end = element.clauses
    return f"({compiler.process(end, **kw)} - {compiler.process(start, **kw)})"


@compiles(Elapsed, "postgresql")
def _elapsed_postgres(element: Elapsed, compiler: SQLCompiler, **kw: Any) -> str:
    return f"CAST(EXTRACT(EPOCH FROM {_elapsed(element, compiler, **kw)}) * 1000000 AS BIGINT)"


@compiles(UtcDay)
def _utc_day(element: UtcDay, compiler: SQLCompiler, **kw: Any) -> str:
    (instant,) = element.clauses
    return f"({compiler.process(instant, **kw)} / {MICROS_A_DAY})"


@compiles(UtcDay, "postgresql")
def _utc_day_postgres(element: UtcDay, compiler: SQLCompiler, **kw: Any) -> str:
    (instant,) = element.clauses
    return f"CAST(FLOOR(EXTRACT(EPOCH FROM {compiler.process(instant, **kw)}) / 86400) AS BIGINT)"
