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
    case,
    cast,
    exists,
    false,
    func,
    literal,
    not_,
    or_,
    select,
    true,
)

from engine.errors import InvalidInput, Problem
from engine.model.criteria import RunFilter
from engine.model.ids import ALPHABET, LENGTH
from engine.model.status import ACTIVE_STAGE, TERMINAL_RUN, RunStatus, StageStatus
from engine.model.text import storable
from engine.stores.sql.ai_tables import ai_calls
from engine.stores.sql.dialect import Dialect
from engine.stores.sql.instants import Elapsed
from engine.stores.sql.rows import constant
from engine.stores.sql.side_tables import audit_log
from engine.stores.sql.tables import events, runs, stages
from engine.stores.sql.types import Money, UtcDateTime

MAX_SEARCH = 1000
"""Characters: SQLite refuses patterns of more than 50,000 bytes."""
MAX_PREFIXES = 200
STUCK_AFTER = timedelta(minutes=10)
"""A RUNNING run that neither waits nor backs off, and of which nothing changed for so long."""
OVERDUE_AFTER = timedelta(minutes=1)
"""A poll that is due for longer than that is overdue."""
MOST_MONEY = Decimal(10**9)
"""Dollars: beyond it a sum no longer fits SQLite's integers of nano-dollars."""
_SPREAD = 10**7
"""More than any number or attempt of a stage."""
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
    prefix: str = ""
    """Before the names of lists, so that those of an exclusion differ from those of its filter."""

    def member(self, column: Column[Any], name: str, wanted: Iterable[str]) -> Condition:
        """`column` is one of `wanted`. A single one is compared directly: its index gives the order too."""
        usable = [value for value in wanted if storable(value)]
        if not usable:
            return false()
        if len(usable) == 1:
            return column == usable[0]
        name = self.prefix + name
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


def contains(dialect: Dialect, column: ColumnElement[Any], text: str) -> Condition:
    """`column` holds the text, letter by letter, in any case.

    SQLite folds ASCII only; beyond it the text is found as given, in lower, upper and title case.
    """
    if not storable(text):
        return false()
    spellings = {text} if text.isascii() else {text, text.lower(), text.upper(), text.title()}
    held = func.coalesce(column, "")
    return or_(*(dialect.holds(held, spelling) for spelling in sorted(spellings)))


def json_contains(dialect: Dialect, column: ColumnElement[Any], text: str) -> Condition:
    """`contains` for a column of JSON: the text as it stands there, or as part of a string in it."""
    inner = json.dumps(text, ensure_ascii=False)[1:-1]
    plain = contains(dialect, column, text)
    return plain if inner == text else or_(plain, contains(dialect, column, inner))


def _anywhere(dialect: Dialect, text: str) -> Condition:
    return or_(
        contains(dialect, runs.c.id, text),
        contains(dialect, runs.c.idempotency_key, text),
        json_contains(dialect, runs.c.input, text),
        contains(dialect, runs.c.error, text),
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


def _idleness(criteria: RunFilter, now: datetime) -> list[Condition]:
    if criteria.min_idle is None and criteria.max_idle is None:
        return []
    found = [not_(or_(*(runs.c.status == constant(status) for status in sorted(TERMINAL_RUN))))]
    if criteria.min_idle is not None:
        found.append(runs.c.updated_at <= literal(_before(now, criteria.min_idle), UtcDateTime))
    if criteria.max_idle is not None:
        found.append(runs.c.updated_at >= literal(_before(now, criteria.max_idle), UtcDateTime))
    return found


def _before(now: datetime, span: timedelta) -> datetime:
    try:
        return now - span
    except OverflowError:
        return datetime(1, 1, 2, tzinfo=now.tzinfo)


def _attempt() -> ColumnElement[int]:
    """The attempt a summary shows: of the furthest active stage, else of the failed one, else of the last."""
    active = and_(_running(), _status_is(*sorted(ACTIVE_STAGE)))
    rank = case((active, 2), (stages.c.stage_id == runs.c.failed_stage, 1), else_=0)
    # Rank, number and attempt in one number: SQLite knows no outer column in the ORDER BY of a subquery.
    size = literal(_SPREAD, BigInteger())
    place = (cast(rank, BigInteger) * size + stages.c.number) * size + stages.c.attempt
    leading = (
        select(func.max(place) % size)
        .where(stages.c.run_id == runs.c.id, stages.c.group_no == runs.c.group_no)
        .correlate(runs)
        .scalar_subquery()
    )
    return func.coalesce(leading, 0)


def _attempts(criteria: RunFilter) -> list[Condition]:
    found: list[Condition] = []
    if criteria.min_attempt is not None:
        found.append(_attempt() >= literal(min(criteria.min_attempt, 2**31), BigInteger()))
    if criteria.max_attempt is not None:
        found.append(_attempt() <= literal(min(criteria.max_attempt, 2**31), BigInteger()))
    return found


def _called(models: tuple[str, ...]) -> Condition:
    """Some AI call of the run names one of these models, with its provider or without."""
    usable = [model for model in models if storable(model)]
    names = [
        ai_calls.c.model == model if "/" in model else ai_calls.c.model.endswith(f"/{model}", autoescape=True)
        for model in usable
    ]
    return exists().where(ai_calls.c.run_id == runs.c.id, or_(*names)) if names else false()


def _attention(now: datetime) -> Condition:
    """Failed, stuck, with a poll long due, or with a dead letter. What is searched in a list has its own index."""
    moved = runs.c.updated_at < literal(now - STUCK_AFTER, UtcDateTime)
    overdue = select(stages.c.run_id).where(
        _status_is(StageStatus.SUSPENDED), stages.c.next_poll_at < literal(now - OVERDUE_AFTER, UtcDateTime)
    )
    dead = select(events.c.run_id).where(events.c.dead_at.is_not(None), events.c.discarded_at.is_(None))
    return or_(
        runs.c.status == constant(RunStatus.FAILED),
        and_(_running(), moved, not_(_waiting()), not_(_retrying())),
        runs.c.id.in_(overdue),
        runs.c.id.in_(dead),
    )


def _excluded(found: Conditions, unwanted: RunFilter, number: int, now: datetime) -> Condition:
    inner = conditions_of(unwanted, now, found.dialect, prefix=f"{found.prefix}x{number}_")
    found.values.update(inner.values)
    # A comparison with NULL is no match, so its opposite is one.
    return case((and_(true(), *inner.clauses), 1), else_=0) == 0


def conditions_of(criteria: RunFilter, now: datetime, dialect: Dialect, prefix: str = "") -> Conditions:
    """The conditions a run must meet. Raises `InvalidInput` for what can't be asked."""
    clauses = [*_times(criteria), *_amounts(criteria, now), *_idleness(criteria, now), *_attempts(criteria)]
    found = Conditions(dialect, clauses, prefix=prefix)
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
    if criteria.bulk:
        changed = found.member(audit_log.c.bulk, "bulk", criteria.bulk)
        add(runs.c.id.in_(select(audit_log.c.run_id).where(changed, audit_log.c.run_id.is_not(None))))
    if criteria.attention:
        add(_attention(now))
    if criteria.model:
        add(_called(criteria.model))
    if criteria.ids is not None:
        add(_ids(found, criteria.ids))
    for text in criteria.text:
        add(_anywhere(dialect, search_text(text, "text")))
    for text in criteria.not_text:
        add(not_(_anywhere(dialect, search_text(text, "not_text"))))
    if criteria.error:
        add(or_(*(contains(dialect, runs.c.error, search_text(text, "error")) for text in criteria.error)))
    for number, unwanted in enumerate(criteria.excluding):
        add(_excluded(found, unwanted, number, now))
    return found
