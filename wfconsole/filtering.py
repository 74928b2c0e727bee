"""The filter grammar of console and command line: text to `RunFilter`.

Terms are ANDed, commas OR, `-term` negates, double quotes group; bare words search id, key, input and error.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal, InvalidOperation
from typing import Any

from engine.model.criteria import RunFilter

STATUS_WORDS = {
    "queued": "PENDING",
    "pending": "PENDING",
    "running": "RUNNING",
    "retrying": "RETRYING",
    "waiting": "WAITING",
    "suspended": "WAITING",
    "ok": "COMPLETED",
    "completed": "COMPLETED",
    "failed": "FAILED",
    "cancelled": "CANCELLED",
    "skipped": "SKIPPED",
}
FIELDS = (
    "status", "wf", "stage", "id", "key", "model", "code", "fp", "bulk", "error",
    "cost", "dur", "idle", "attempt", "since", "until", "ended",
)  # fmt: skip
_LISTS = {
    "status": "status",
    "wf": "workflow_id",
    "stage": "stage_id",
    "id": "ids",
    "key": "key",
    "model": "model",
    "bulk": "bulk",
    "code": "code",
    "fp": "fingerprint",
    "error": "error",
}
_NEGATABLE = {"status": "not_status", "wf": "not_workflow_id", "": "not_text"}
_COMPARISON = re.compile(r"(>=|<=|>|<)(.+)")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|us|s|m|h|d|w)")
_UNITS = {
    "us": timedelta(microseconds=1),
    "ms": timedelta(milliseconds=1),
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?")
# The smallest steps the store keeps: they turn "more than" into "at least".
_COST_STEP = Decimal("0.000000001")
_DURATION_STEP = timedelta(milliseconds=1)
_COMPARED_EXAMPLES = {"cost": "1", "attempt": "1"}


class FilterError(ValueError):
    """A filter that can't be read. `term` is the part it is about; the message is one line."""

    def __init__(self, term: str, message: str) -> None:
        self.term = term
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Term:
    """One term: `field` is empty for bare words; `values` are its comma-separated alternatives."""

    text: str
    negated: bool
    field: str
    values: tuple[str, ...]


def parse_filter(text: str, *, now: datetime, tz: tzinfo) -> RunFilter:
    """The filter that `text` describes; empty text matches everything.

    `now` (aware) anchors ages such as `2h`; `tz` is the zone of dates and clock times. Raises `FilterError`.
    """
    found: dict[str, Any] = {}
    for term in parse_terms(text):
        _apply(term, found, now, tz)
    if () in (found.get("status"), found.get("workflow_id")):
        found["ids"] = ()
    return RunFilter(**found)


def parse_terms(text: str, fields: Sequence[str] = FIELDS) -> list[Term]:
    """The terms of a filter text, in order. Raises `FilterError` for a field not among `fields` or an open quote."""
    return [_term(raw, pieces, fields) for raw, pieces in _tokens(text)]


def parse_duration(text: str) -> timedelta:
    """A duration such as `90s`, `1h30m`, `250ms`, `2d`; raises `ValueError`."""
    pieces = list(_DURATION.finditer(text))
    if not pieces or "".join(piece[0] for piece in pieces) != text:
        raise ValueError(f"{text!r} is no duration; write it like 90s, 10m, 2h, 1h30m, 2d")
    try:
        return sum((float(piece[1]) * _UNITS[piece[2]] for piece in pieces), timedelta(0))
    except OverflowError as error:
        raise ValueError(f"{text!r} is too long a duration") from error


def parse_moment(text: str, *, now: datetime, tz: tzinfo, future: bool = False) -> datetime:
    """A UTC instant from an age (`2h`), a clock time (`02:10`), a date or RFC 3339; raises `ValueError`.

    Ages and clock times lie in the past, or with `future` ahead. A date is its first instant in `tz`.
    """
    try:
        if _DURATION.match(text):
            span = parse_duration(text)
            return (now + span if future else now - span).astimezone(UTC)
        if clock := _CLOCK.fullmatch(text):
            return _clock_time(clock, now.astimezone(tz), future).astimezone(UTC)
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=tz)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{text!r} is no time; write it like 2h, 02:10, 2026-11-23 or 2026-11-23T02:10:00Z") from error


def _clock_time(clock: re.Match[str], now: datetime, future: bool) -> datetime:
    moment = now.replace(hour=int(clock[1]), minute=int(clock[2]), second=int(clock[3] or 0), microsecond=0)
    if future and moment <= now:
        return moment + timedelta(days=1)
    if not future and moment > now:
        return moment - timedelta(days=1)
    return moment


def _tokens(text: str) -> Iterator[tuple[str, list[tuple[str, bool]]]]:
    """Whitespace-separated tokens: the raw text, and its pieces as (text, was it quoted)."""
    raw, pieces, quoted, index = "", [("", False)], False, 0
    while index < len(text):
        char = text[index]
        if quoted and char == "\\" and text[index + 1 : index + 2] in ('"', "\\"):
            raw, index = raw + char, index + 1
            char = text[index]
            pieces[-1] = (pieces[-1][0] + char, True)
        elif char == '"':
            quoted = not quoted
            pieces.append(("", quoted))
        elif char.isspace() and not quoted:
            if raw:
                yield raw, pieces
            raw, pieces, index = "", [("", False)], index + 1
            continue
        else:
            pieces[-1] = (pieces[-1][0] + char, quoted)
        raw, index = raw + char, index + 1
    if quoted:
        raise FilterError(raw, f"a quote is left open in {raw}")
    if raw:
        yield raw, pieces


def _term(raw: str, pieces: list[tuple[str, bool]], fields: Sequence[str]) -> Term:
    first = pieces[0][0]
    negated = first.startswith("-") and raw != "-"
    first = first[1:] if negated else first
    name, colon, rest = first.partition(":")
    field = name.lower() if colon else ""
    values = _alternatives([(rest if colon else first, False), *pieces[1:]], raw)
    if colon and field not in fields:
        nearest = difflib.get_close_matches(field, fields, n=1, cutoff=0.0)[0]
        raise FilterError(
            raw, f"unknown field {name!r} in {raw}; nearest is {nearest}: (quote the text to search for it)"
        )
    return Term(raw, negated, field, values)


def _alternatives(pieces: list[tuple[str, bool]], raw: str) -> tuple[str, ...]:
    values = [""]
    for text, quoted in pieces:
        head, *more = [text] if quoted else text.split(",")
        values[-1] += head
        values.extend(more)
    if not all(values):
        raise FilterError(raw, f"a value is missing in {raw}")
    return tuple(values)


def _apply(term: Term, found: dict[str, Any], now: datetime, tz: tzinfo) -> None:
    if term.negated and term.field not in _NEGATABLE:
        unwanted: dict[str, Any] = {}
        _apply(replace(term, negated=False), unwanted, now, tz)
        found["excluding"] = (*found.get("excluding", ()), RunFilter(**unwanted))
    elif not term.field:
        _bare(term, found)
    elif term.field in ("since", "until", "ended"):
        _moment(term, found, now, tz)
    elif term.field == "cost":
        _compare(term, found, "cost", _money, _COST_STEP)
    elif term.field == "dur":
        _compare(term, found, "duration", parse_duration, _DURATION_STEP)
    elif term.field == "idle":
        _compare(term, found, "idle", parse_duration, _DURATION_STEP)
    elif term.field == "attempt":
        _compare(term, found, "attempt", _number, 1)
    else:
        _listed(term, found)


def _bare(term: Term, found: dict[str, Any]) -> None:
    if len(term.values) > 1 and not term.negated:
        raise FilterError(term.text, f"{term.text}: alternatives need a field; quote the text to search for the comma")
    target = "not_text" if term.negated else "text"
    found[target] = found.get(target, ()) + term.values


def _listed(term: Term, found: dict[str, Any]) -> None:
    values = tuple(_status(term, value) for value in term.values) if term.field == "status" else term.values
    if term.negated:
        target = _NEGATABLE[term.field]
        found[target] = found.get(target, ()) + values
        return
    target = _LISTS[term.field]
    if target not in found:
        found[target] = values
    elif term.field in ("status", "wf"):
        found[target] = tuple(value for value in found[target] if value in values)
    else:
        raise FilterError(term.text, f"{term.field}: is given twice; join its values with a comma")


def _status(term: Term, word: str) -> str:
    status = STATUS_WORDS.get(word.lower())
    if status is None:
        nearest = difflib.get_close_matches(word.lower(), STATUS_WORDS, n=1, cutoff=0.0)[0]
        raise FilterError(term.text, f"unknown status {word!r}; nearest is {nearest}")
    return status


def _only(term: Term) -> str:
    if len(term.values) > 1:
        raise FilterError(term.text, f"{term.text}: {term.field}: takes one value")
    return term.values[0]


def _moment(term: Term, found: dict[str, Any], now: datetime, tz: tzinfo) -> None:
    try:
        moment = parse_moment(_only(term), now=now, tz=tz)
    except FilterError:
        raise
    except ValueError as error:
        raise FilterError(term.text, f"{term.text}: {error}") from error
    target = "ended_since" if term.field == "ended" else term.field
    tighter = min if target == "until" else max
    found[target] = tighter(found.get(target, moment), moment)


def _money(text: str) -> Decimal:
    try:
        amount = Decimal(text.removeprefix("$"))
    except InvalidOperation as error:
        raise ValueError(f"{text!r} is no amount in dollars") from error
    if not amount.is_finite():
        raise ValueError(f"{text!r} is no amount in dollars")
    return amount


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise ValueError(f"{text!r} is no number of attempts")
    return int(text)


def _compare(term: Term, found: dict[str, Any], name: str, read: Callable[[str], Any], step: Any) -> None:
    comparison = _COMPARISON.fullmatch(_only(term))
    if comparison is None:
        raise FilterError(
            term.text,
            f"{term.text}: compare with > < >= or <=, as in {term.field}:>{_COMPARED_EXAMPLES.get(term.field, '30s')}",
        )
    try:
        bound = read(comparison[2])
    except ValueError as error:
        raise FilterError(term.text, f"{term.text}: {error}") from error
    sign = comparison[1]
    if sign[0] == ">":
        bound = bound if sign == ">=" else bound + step
        found[f"min_{name}"] = max(found.get(f"min_{name}", bound), bound)
    else:
        bound = bound if sign == "<=" else bound - step
        found[f"max_{name}"] = min(found.get(f"max_{name}", bound), bound)
