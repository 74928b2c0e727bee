"""What differs between the two databases, as one value. Nothing else asks which of them it has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from sqlalchemy import Column, ColumnElement, bindparam, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import Text

from engine.model.json import dumps


def _json_each(column: Column[Any], name: str) -> ColumnElement[bool]:
    each = func.json_each(bindparam(name, type_=Text)).table_valued("value")
    return column.in_(select(each.c.value))


def _like(column: ColumnElement[Any], text: str) -> ColumnElement[bool]:
    return column.contains(text, autoescape=True)


def _strpos(column: ColumnElement[Any], text: str) -> ColumnElement[bool]:
    # The planner takes LIKE '%…%' for rare: it would read and sort all there is for a page of what is frequent.
    return func.strpos(func.lower(column), func.lower(text)) > 0


def _any(column: Column[Any], name: str) -> ColumnElement[bool]:
    return column == func.any(bindparam(name, type_=ARRAY(Text)))


@dataclass(frozen=True, slots=True)
class Dialect:
    """The members are functions and texts that SQLAlchemy Core has no common word for."""

    name: str
    begin: str
    """Begins a writing transaction."""
    insert: Callable[..., Any]
    """An INSERT that knows `on_conflict_do_nothing` and `on_conflict_do_update`."""
    member: Callable[[Column[Any], str], ColumnElement[bool]]
    """`column` is one of the list bound to that name: one statement text for any length."""
    members: Callable[[list[str]], Any]
    """A list as that bind value."""
    holds: Callable[[ColumnElement[Any], str], ColumnElement[bool]]
    """`column` holds the text, letter by letter, in any case; SQLite folds ASCII only."""
    integrity: tuple[str, ...] = ()
    """Statements that give rows other than `ok` when the database itself is broken."""


SQLITE = Dialect(
    "sqlite",
    begin="BEGIN IMMEDIATE",
    insert=sqlite.insert,
    member=_json_each,
    members=dumps,
    holds=_like,
    integrity=("PRAGMA integrity_check", "PRAGMA foreign_key_check"),
)
POSTGRES = Dialect("postgresql", begin="BEGIN", insert=postgresql.insert, member=_any, members=list, holds=_strpos)


class Prepared:
    """Statements that need the dialect, each built once: `prepared(dialect).name`."""

    def __init__(self, **builders: Callable[[Dialect], Any]) -> None:
        self._builders = builders
        self._built: dict[str, SimpleNamespace] = {}

    def __call__(self, dialect: Dialect) -> Any:
        if dialect.name not in self._built:
            self._built[dialect.name] = SimpleNamespace(
                **{name: build(dialect) for name, build in self._builders.items()}
            )
        return self._built[dialect.name]
