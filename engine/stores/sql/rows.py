"""Between rows and records: a record's fields are its table's columns, in the record's order."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Generic, NamedTuple, TypeVar

from sqlalchemy import Column, Row, Table, bindparam, literal_column
from sqlalchemy.sql.elements import ColumnElement

R = TypeVar("R", bound=NamedTuple)


class Mapping(Generic[R]):
    """How one kind of record lies in one table."""

    def __init__(self, record: type[R], table: Table, enums: dict[str, Callable[[str], Any]] | None = None) -> None:
        self._record = record
        self.names = list(record._fields)
        self.columns: list[Column[Any]] = [table.c[name] for name in self.names]
        self._enums = [(self.names.index(name), kind) for name, kind in (enums or {}).items()]

    def record(self, row: Row[Any]) -> R:
        """The record of a row whose first columns are `columns`."""
        values = list(row[: len(self.names)])
        for index, kind in self._enums:
            values[index] = kind(values[index])
        return self._record._make(values)

    def records(self, rows: Iterable[Row[Any]]) -> list[R]:
        return [self.record(row) for row in rows]

    def values(self, record: R) -> dict[str, Any]:
        """The record by column name."""
        return dict(zip(self.names, record, strict=True))


def constant(value: str) -> ColumnElement[str]:
    """A status written into the statement itself: a bound value would keep the planner from the partial index."""
    return literal_column(f"'{value}'")


def where(name: str) -> Any:
    """A bind value of a WHERE clause; `b_` keeps it apart from the column of that name in SET."""
    return bindparam(f"b_{name}")
