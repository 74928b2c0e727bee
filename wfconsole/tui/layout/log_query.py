"""The filter grammar for log lines: `level: stage: id: since: until:` and words. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING

from engine.model.status import LogLevel
from wfconsole.filtering import FilterError, Term, parse_moment, parse_terms
from wfconsole.tui.layout.log_lines import fields_text, source

if TYPE_CHECKING:
    from engine.inspector.views import LogLine

FIELDS = ("level", "stage", "id", "since", "until")
_RANK = {level: rank for rank, level in enumerate(LogLevel)}


@dataclass(frozen=True, slots=True)
class LogQuery:
    """Every term must match, any of its alternatives will do; a negated one must not."""

    text: str
    terms: tuple[tuple[Term, datetime | None], ...]
    """With the instant of `since:` and `until:`."""

    def wants(self, line: LogLine) -> bool:
        """Whether a line is shown."""
        return all(_matches(term, moment, line) != term.negated for term, moment in self.terms)


def parse_log_query(text: str, *, now: datetime, tz: tzinfo) -> LogQuery | None:
    """The query a text describes, None for an empty one. Raises `FilterError`."""
    terms = []
    for term in parse_terms(text, FIELDS):
        moment: datetime | None = None
        if term.field in ("since", "until"):
            try:
                moment = parse_moment(term.values[0], now=now, tz=tz)
            except ValueError as error:
                raise FilterError(term.text, f"{term.text}: {error}") from error
        elif term.field == "level":
            _levels(term)
        terms.append((term, moment))
    return LogQuery(text, tuple(terms)) if terms else None


def _levels(term: Term) -> list[LogLevel]:
    words = [{"WARNING": "WARN"}.get(value.upper(), value.upper()) for value in term.values]
    unknown = [value for value, word in zip(term.values, words, strict=True) if word not in LogLevel.__members__]
    if unknown:
        raise FilterError(term.text, f"{unknown[0]!r} is no level; there are: {', '.join(LogLevel).lower()}")
    return [LogLevel[word] for word in words]


def _matches(term: Term, moment: datetime | None, line: LogLine) -> bool:
    if moment is not None:
        return line.created_at >= moment if term.field == "since" else line.created_at < moment
    match term.field:
        case "level":
            # One level means it and above, several mean exactly these.
            levels = _levels(term)
            return line.level in levels if len(levels) > 1 else _RANK[line.level] >= _RANK[levels[0]]
        case "stage":
            return line.stage_id in term.values
        case "id":
            return line.run_id.startswith(tuple(value.lower() for value in term.values))
    text = f"{line.message}\n{source(line)}\n{fields_text(line)}".lower()
    return any(value.lower() in text for value in term.values)
