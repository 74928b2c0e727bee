"""What the parts of the read side share: a connection inside a snapshot, and the turning of a page."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, TypeAlias, TypeVar

from sqlalchemy import Connection, CursorResult, Row, Select

from engine.model.criteria import PageRequest
from engine.model.read_records import Slice
from engine.stores.sql.dialect import Dialect
from engine.stores.sql.keyset import Mark, Order

T = TypeVar("T")
AnyRow: TypeAlias = "Row[*tuple[Any, ...]]"


class Reading:
    """A read under way. `now` is sampled when it begins; every statement sees the same snapshot."""

    def __init__(self, connection: Connection, now: datetime, dialect: Dialect) -> None:
        self.now = now
        self._connection = connection
        self._dialect = dialect

    def _ask(self, statement: Any, values: Mapping[str, Any] | None = None) -> CursorResult[*tuple[Any, ...]]:
        return self._connection.execute(statement, dict(values or {}))

    def _listed(self, ids: Iterable[str]) -> Any:
        return self._dialect.members(list(ids))

    def _turn(
        self,
        statement: Select[Any],
        order: Order,
        page: PageRequest,
        record: Callable[[AnyRow], T],
        *,
        mark: Mark | None,
        values: Mapping[str, Any] | None = None,
        widen: Callable[[Select[Any]], Select[Any]] | None = None,
    ) -> Slice[T]:
        """One page of `statement`; its columns end with the sort value and, if any, the tie breaker.

        `widen` makes the statement whole once it is cut to the page: what is sorted is narrow then.
        """
        # A row more than the page takes shows that more follow.
        rows: list[AnyRow] = []
        for part in order.parts(statement, mark):
            if len(rows) <= page.limit:
                cut = part.limit(page.limit + 1 - len(rows))
                rows += self._ask(widen(cut) if widen else cut, values)
        shown = rows[: page.limit]
        items = [record(row) for row in shown]
        if len(rows) <= page.limit:
            return Slice(items)
        last = shown[-1]
        value, tie = (last[-1], None) if order.tie is None else (last[-2], last[-1])
        as_of = mark.as_of if mark else self.now
        return Slice(items, order.cursor(Mark(value, tie, as_of)))
