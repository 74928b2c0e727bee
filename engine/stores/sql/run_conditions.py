"""A `RunFilter` as conditions over the runs table."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    and_,
    exists,
    false,
    func,
    literal,
    not_,
    or_,
    select,
)

from engine.errors import InvalidInput, Problem
from engine.model.criteria import RunFilter
from engine.model.ids import ALPHABET, LENGTH
from engine.model.status import RunStatus, StageStatus
from engine.model.text import storable
from engine.stores.sql.ai_tables import ai_calls
from engine.stores.sql.dialect import Dialect
from engine.stores.sql.instants import Elapsed
from engine.stores.sql.rows import constant
from engine.stores.sql.side_tables import audit_log
from engine.stores.sql.tables import runs, stages
from engine.stores.sql.types import Money, UtcDateTime

MAX_SEARCH = 1000
"""Characters: SQLite refuses patterns of more than 50,000 bytes."""
MAX_PREFIXES = 200
MOST_MONEY = Decimal(10**9)
"""Dollars: beyond it a sum no longer fits SQLite's integers of nano-dollars."""
_MICROSECOND = timedelta(microseconds=1)

Condition = ColumnElement[bool]


def _stage_is(*conditions: Condition) -> Condition:
    return exists().where(stages.c.run_id == runs.c.id, *conditions)


def _status_is(*statuses: StageStatus) -> Condition:
    return or_(*(stages.c.status == constant(status) for status in statuses))


def _running() -> Condition:
    return runs.c.status == constant(RunStatus.RUNNING)


def _waiting() -> Condition:
    busy = _stage_is(_status_is(StageStatus.PENDING, StageStatus.RUNNING))
    return and_(_running(), _stage_is(_status_is(StageStatus.SUSPENDED)), not_(busy))


def _retrying() -> Condition:
    return and_(_running(), _stage_is(_status_is(StageStatus.PENDING), stages.c.retry_at.is_not(None)))


DERIVED: dict[str, Callable[[], Condition]] = {"WAITING": _waiting, "RETRYING": _retrying}
STATUS_WORDS = frozenset(RunStatus) | frozenset(StageStatus) | frozenset(DERIVED)


@dataclass(slots=True)
class Conditions:
    """Clauses to AND, and the values of the lists they name."""

    dialect: Dialect
    clauses: list[Condition] = field(default_factory=list)
    values: dict[str, Any] = field(default_factory=dict)

    def member(self, column: Column[Any], name: str, wanted: Iterable[str]) -> Condition:
        """`column` is one of `wanted`. A single one is compared directly: its index gives the order too."""
        usable = [value for value in wanted if storable(value)]
        if not usable:
            return false()
        if len(usable) == 1:
            return column == usable[0]
        self.values[name] = self.dialect.members(usable)
        return self.dialect.member(column, name)


def equals(column: Column[Any], text: str) -> Condition:
    return column == text if storable(text) else false()


def begins(column: Column[Any], prefix: str) -> Condition:
    """Letter by letter, whatever the database's collation."""
    return func.substr(column, 1, len(prefix)) == prefix if storable(prefix) else false()


def search_text(text: str, path: str) -> str:
    """A text fit to search for; raises `InvalidInput` when it is too long."""
    if len(text) > MAX_SEARCH:
        raise InvalidInput([Problem(path, f"can't search for more than {MAX_SEARCH} characters")])
    return text


def contains(column: ColumnElement[Any], text: str) -> Condition:
    """`column` holds the text, letter by letter, in any case.

    SQLite folds ASCII only; beyond it the text is found as given, in lower, upper and title case.
    """
    if not storable(text):
        return false()
    spellings = {text} if text.isascii() else {text, text.lower(), text.upper(), text.title()}
    held = func.coalesce(column, "")
    return or_(*(held.icontains(spelling, autoescape=True) for spelling in sorted(spellings)))


def json_contains(column: ColumnElement[Any], text: str) -> Condition:
    """`contains` for a column of JSON: the text as it stands there, or as part of a string in it."""
    inner = json.dumps(text, ensure_ascii=False)[1:-1]
    return contains(column, text) if inner == text else or_(contains(column, text), contains(column, inner))


def _anywhere(text: str) -> Condition:
    return or_(
        contains(runs.c.id, text),
        contains(runs.c.idempotency_key, text),
        json_contains(runs.c.input, text),
        contains(runs.c.error, text),
    )


def _of_status(found: Conditions, name: str, words: tuple[str, ...]) -> Condition:
    upper = [word.upper() for word in words]
    unknown = [word for word in upper if word not in STATUS_WORDS]
    if unknown:
        known = ", ".join(sorted(set(RunStatus) | set(DERIVED)))
        raise InvalidInput([Problem("status", f"{unknown[0]!r} is no status; there are: {known}")])
    stored = [word for word in upper if word not in DERIVED]
    derived = [DERIVED[word]() for word in upper if word in DERIVED]
    if not stored:
        return or_(*derived)
    return or_(found.member(runs.c.status, name, stored), *derived)


def prefix_range(prefix: str) -> Condition:
    """Ids that begin with `prefix`, as a range the primary key can serve."""
    folded = prefix.lower()
    if not folded or len(folded) > LENGTH or any(char not in ALPHABET for char in folded):
        return false()
    return and_(runs.c.id >= folded, runs.c.id <= folded.ljust(LENGTH, ALPHABET[-1]))


def _ids(found: Conditions, ids: tuple[str, ...]) -> Condition:
    whole = [one.lower() for one in ids if len(one) >= LENGTH]
    prefixes = [one for one in ids if len(one) < LENGTH]
    if len(prefixes) > MAX_PREFIXES:
        raise InvalidInput([Problem("ids", f"more than {MAX_PREFIXES} shortened ids; write them whole")])
    return or_(found.member(runs.c.id, "ids", whole), *map(prefix_range, prefixes))


def duration_until(now: datetime) -> ColumnElement[int]:
    """Microseconds from start to end, or to `now` while the run goes on; NULL before the start."""
    return Elapsed(runs.c.started_at, func.coalesce(runs.c.completed_at, literal(now, UtcDateTime)))


def aware(moment: datetime, path: str) -> datetime:
    """The instant; raises `InvalidInput` for one without a zone."""
    if moment.tzinfo is None:
        raise InvalidInput([Problem(path, "an instant needs its zone")])
    return moment


def _times(criteria: RunFilter) -> list[Condition]:
    found: list[Condition] = []
    if criteria.since is not None:
        found.append(runs.c.created_at >= aware(criteria.since, "since"))
    if criteria.until is not None:
        found.append(runs.c.created_at < aware(criteria.until, "until"))
    if criteria.ended_since is not None:
        found.append(runs.c.completed_at >= aware(criteria.ended_since, "ended_since"))
    return found


def _money(amount: Decimal) -> ColumnElement[Decimal]:
    return literal(max(-MOST_MONEY, min(amount, MOST_MONEY)), Money)


def _micros(span: timedelta) -> ColumnElement[int]:
    return literal(min(span // _MICROSECOND, 2**63 - 1), BigInteger())


def _amounts(criteria: RunFilter, now: datetime) -> list[Condition]:
    cost = func.coalesce(runs.c.total_cost, literal(Decimal(0), Money))
    took = duration_until(now)
    found: list[Condition] = []
    if criteria.min_cost is not None:
        found.append(cost >= _money(criteria.min_cost))
    if criteria.max_cost is not None:
        found.append(cost <= _money(criteria.max_cost))
    if criteria.min_duration is not None:
        found.append(took >= _micros(criteria.min_duration))
    if criteria.max_duration is not None:
        found.append(took <= _micros(criteria.max_duration))
    return found


def conditions_of(criteria: RunFilter, now: datetime, dialect: Dialect) -> Conditions:
    """The conditions a run must meet. Raises `InvalidInput` for what can't be asked."""
    found = Conditions(dialect, [*_times(criteria), *_amounts(criteria, now)])
    add = found.clauses.append
    if criteria.status:
        add(_of_status(found, "status", criteria.status))
    if criteria.not_status:
        add(not_(_of_status(found, "not_status", criteria.not_status)))
    for name, column in (
        ("workflow_id", runs.c.workflow_id),
        ("code", runs.c.error_code),
        ("fingerprint", runs.c.error_fingerprint),
        ("key", runs.c.idempotency_key),
    ):
        if wanted := getattr(criteria, name):
            add(found.member(column, name, wanted))
    if criteria.not_workflow_id:
        add(not_(found.member(runs.c.workflow_id, "not_workflow_id", criteria.not_workflow_id)))
    if criteria.stage_id:
        here = found.member(stages.c.stage_id, "stage_id", criteria.stage_id)
        add(_stage_is(here, not_(_status_is(StageStatus.COMPLETED, StageStatus.SKIPPED))))
    if criteria.model:
        asked = found.member(ai_calls.c.model, "model", criteria.model)
        answered = found.member(ai_calls.c.answered_by, "model", criteria.model)
        add(exists().where(ai_calls.c.run_id == runs.c.id, or_(asked, answered)))
    if criteria.bulk:
        changed = found.member(audit_log.c.bulk, "bulk", criteria.bulk)
        add(runs.c.id.in_(select(audit_log.c.run_id).where(changed, audit_log.c.run_id.is_not(None))))
    if criteria.ids is not None:
        add(_ids(found, criteria.ids))
    for text in criteria.text:
        add(_anywhere(search_text(text, "text")))
    for text in criteria.not_text:
        add(not_(_anywhere(search_text(text, "not_text"))))
    if criteria.error:
        add(or_(*(contains(runs.c.error, search_text(text, "error")) for text in criteria.error)))
    return found
