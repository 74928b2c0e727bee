"""Keyset pages: the next page begins after the last row of this one, so new rows repeat and hide none."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeAlias

from sqlalchemy import BigInteger, ColumnElement, Select, Text, literal, tuple_
from sqlalchemy.types import TypeEngine

from engine.errors import InvalidInput, Problem
from engine.model.criteria import PageRequest
from engine.model.text import storable
from engine.stores.sql.types import Money, UtcDateTime

Plain: TypeAlias = str | int | None


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of sort value: its column type, and how a cursor writes and reads it."""

    type: TypeEngine[Any]
    write: Callable[[Any], str | int]
    read: Callable[[Any], Any]


def _instant(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("an instant without a zone")
    return moment


def _integer(value: int) -> int:
    number = int(value)
    if not -(2**63) <= number < 2**63:
        raise ValueError("a number beyond 64 bits")
    return number


def _money(text: str) -> Decimal:
    amount = Decimal(text)
    if not amount.is_finite() or abs(amount) > 10**9:
        raise ValueError("no amount of money")
    return amount


def _text(value: str) -> str:
    if not storable(value):
        raise ValueError("no storable text")
    return value


INSTANT = Kind(UtcDateTime, datetime.isoformat, _instant)
INTEGER = Kind(BigInteger(), int, _integer)
MONEY = Kind(Money, str, _money)
TEXT = Kind(Text(), str, _text)


@dataclass(frozen=True, slots=True)
class Key:
    """A sort field. A nullable one puts the rows without a value last, in both directions."""

    column: ColumnElement[Any]
    kind: Kind
    nullable: bool = False


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a page ended: sort value and tie breaker of its last row, and when the first page was read."""

    value: Any
    tie: Any
    as_of: datetime


@dataclass(frozen=True, slots=True)
class Order:
    """How a listing is sorted: by `key`, and between equals by `tie` (None: the key is unique)."""

    sort: str
    key: Key
    tie: Key | None
    descending: bool

    def mark(self, cursor: str) -> Mark:
        """What `cursor` stands for; raises `InvalidInput` if it isn't one of this order."""
        try:
            sort, value, tie, as_of = json.loads(base64.urlsafe_b64decode(cursor.encode("ascii") + b"=="))
            if sort != self.sort:
                raise InvalidInput([Problem("cursor", f"it is of a page sorted by {sort}, not {self.sort}")])
            if value is None and not self.key.nullable:
                raise ValueError("no value")
            read = None if value is None else self.key.kind.read(value)
            return Mark(read, self.tie.kind.read(tie) if self.tie else None, _instant(as_of))
        except (ValueError, TypeError, ArithmeticError, AttributeError, RecursionError) as error:
            raise InvalidInput([Problem("cursor", "it is no cursor of this listing")]) from error

    def cursor(self, mark: Mark) -> str:
        value: Plain = None if mark.value is None else self.key.kind.write(mark.value)
        tie: Plain = None if self.tie is None else self.tie.kind.write(mark.tie)
        plain = json.dumps([self.sort, value, tie, mark.as_of.isoformat()], separators=(",", ":"))
        return base64.urlsafe_b64encode(plain.encode()).decode().rstrip("=")

    def parts(self, statement: Select[Any], mark: Mark | None) -> list[Select[Any]]:
        """The statement, sorted, from after the mark on: rows with a sort value, and apart from them those without.

        So an index can give them in order.
        """
        if not self.key.nullable:
            after = [] if mark is None else [self._after(mark, self.key)]
            return [self._sorted(statement.where(*after), self.key)]
        without = statement.where(self.key.column.is_(None))
        if mark is not None and mark.value is None:
            return [self._sorted(without.where(*self._after_tie(mark)), None)]
        there = statement.where(self.key.column.is_not(None))
        after = [] if mark is None else [self._after(mark, self.key)]
        return [self._sorted(there.where(*after), self.key), self._sorted(without, None)]

    def again(self, statement: Select[Any], *columns: ColumnElement[Any]) -> Select[Any]:
        """Sorted by `columns` in the direction of this order."""
        return statement.order_by(*(column.desc() if self.descending else column.asc() for column in columns))

    def _sorted(self, statement: Select[Any], key: Key | None) -> Select[Any]:
        return self.again(statement, *(one.column for one in (key, self.tie) if one is not None))

    def _after(self, mark: Mark, key: Key) -> ColumnElement[bool]:
        if self.tie is None:
            return self._beyond(key, mark.value)
        here = tuple_(key.column, self.tie.column)
        there = tuple_(literal(mark.value, key.kind.type), literal(mark.tie, self.tie.kind.type))
        return here < there if self.descending else here > there

    def _after_tie(self, mark: Mark) -> list[ColumnElement[bool]]:
        return [] if self.tie is None else [self._beyond(self.tie, mark.tie)]

    def _beyond(self, key: Key, value: Any) -> ColumnElement[bool]:
        bound = literal(value, key.kind.type)
        return key.column < bound if self.descending else key.column > bound


def order_of(page: PageRequest, keys: Mapping[str, Key], tie: Key | None, default: str) -> Order:
    """The order a page asks for, or `default`; raises `InvalidInput` for a field not among `keys`."""
    sort = page.sort if "sort" in page.model_fields_set else default
    name = sort.removeprefix("-")
    if name not in keys:
        raise InvalidInput([Problem("sort", f"{name!r} is no sort field; there are: {', '.join(keys)}")])
    return Order(sort, keys[name], tie, sort.startswith("-"))
