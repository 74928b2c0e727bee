"""What two runs, or two attempts of a stage, have in common and what not, as rows to show side by side."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import zip_longest
from typing import Any

from engine.inspector import AttemptValues, AttemptView, RunDetail, StageView
from engine.model.json import Json
from wfconsole import formatting

MOST = 200
"""Differences told of one value."""
CONTEXT = 24
"""Characters shown before the place where two texts part."""
SLOWER = 1.2
NOTICED_MS = 100
ABSENT = object()


@dataclass(frozen=True, slots=True)
class Row:
    """One thing side by side. `left` and `right` are short and may be cut; the whole is in `whole`.

    `verdict` is `same`, `other`, `better` or `worse` (of the right one).
    """

    label: str
    left: str
    right: str
    verdict: str = "same"
    whole: tuple[str, str] = ("", "")


@dataclass(frozen=True, slots=True)
class Section:
    """Rows about one part: the run, its input, a stage."""

    title: str
    rows: tuple[Row, ...]

    @property
    def differs(self) -> bool:
        return any(row.verdict != "same" for row in self.rows)


@dataclass(frozen=True, slots=True)
class Diff:
    """`left` and `right` name what is compared."""

    left: str
    right: str
    sections: tuple[Section, ...]

    @property
    def differences(self) -> int:
        return sum(row.verdict != "same" for section in self.sections for row in section.rows)


def diff_runs(left: RunDetail, right: RunDetail, now: datetime) -> Diff:
    """Definition, input, config and output of the runs, then how each stage went in both."""
    about = (
        _plain("workflow", left.workflow_id, right.workflow_id),
        _plain("definition", left.definition, right.definition),
        _plain("status", _state(left), _state(right)),
        _times("duration", formatting.run_ms(left, now), formatting.run_ms(right, now)),
        _money("cost", left.total_cost, right.total_cost),
        _plain("tokens", formatting.count(left.total_tokens), formatting.count(right.total_tokens)),
        _plain("error", left.error, right.error),
    )
    sections = [Section("run", about), *_values_of(left, right)]
    theirs = {stage.stage_id: stage for stage in right.stages}
    ours = {stage.stage_id: stage for stage in left.stages}
    sections += [_stage(one, ours.get(one), theirs.get(one)) for one in _in_order(left, right)]
    return Diff(_named(left), _named(right), tuple(sections))


def diff_attempts(stage: StageView, left: AttemptValues, right: AttemptValues) -> Diff:
    """Two attempts of one stage: how they went, what they were given and gave."""
    views = {one.attempt: one for one in stage.attempts}
    mine, theirs = views.get(left.attempt), views.get(right.attempt)
    about = (
        _plain("status", left.status.lower(), right.status.lower()),
        _times("duration", _took(mine), _took(theirs)),
        _money("cost", mine.cost if mine else None, theirs.cost if theirs else None),
        _plain("worker", mine.worker_id if mine else None, theirs.worker_id if theirs else None),
        _plain("generation", str(left.generation), str(right.generation)),
        _plain("error", left.error, right.error),
    )
    sections = (Section("attempt", about), *_values_of(left, right))
    return Diff(f"{stage.stage_id} #{left.attempt}", f"{stage.stage_id} #{right.attempt}", sections)


def _values_of(left: RunDetail | AttemptValues, right: RunDetail | AttemptValues) -> list[Section]:
    names = ("input", "config", "output")
    return [Section(name, tuple(values(getattr(left, name), getattr(right, name)))) for name in names]


def values(left: Json, right: Json) -> Iterator[Row]:
    """A row for each path where two JSON values part, at most `MOST`; one that says so when they don't."""
    if left == right and _same_kind(left, right):
        yield Row("", "equal", "equal")
        return
    for number, (path, mine, theirs) in enumerate(_parting("", left, right)):
        if number == MOST:
            yield Row("…", "more differ", "more differ", "other")
            return
        shown = (
            _around(mine, theirs) if isinstance(mine, str) and isinstance(theirs, str) else (_text(mine), _text(theirs))
        )
        yield Row(path or "value", *shown, "other", (_whole(mine), _whole(theirs)))


def _parting(path: str, left: Any, right: Any) -> Iterator[tuple[str, Any, Any]]:
    """Depth first, without recursion: values may be as deep as JSON is allowed to be."""
    waiting: list[tuple[str, Any, Any]] = [(path, left, right)]
    while waiting:
        path, left, right = waiting.pop()
        if left is not ABSENT and right is not ABSENT and left == right and _same_kind(left, right):
            continue
        if isinstance(left, dict) and isinstance(right, dict):
            keys = [*left, *(key for key in right if key not in left)]
            inner = [(_joined(path, str(key)), left.get(key, ABSENT), right.get(key, ABSENT)) for key in keys]
            waiting.extend(reversed(inner))
        elif isinstance(left, list) and isinstance(right, list):
            pairs = enumerate(zip_longest(left, right, fillvalue=ABSENT))
            waiting.extend(reversed([(f"{path}[{at}]", mine, theirs) for at, (mine, theirs) in pairs]))
        else:
            yield path, left, right


def _same_kind(left: Json, right: Json) -> bool:
    """JSON tells 1 from true and from 1.0; Python's == does not."""
    if isinstance(left, dict) and isinstance(right, dict):
        return all(_same_kind(value, right[key]) for key, value in left.items())
    if isinstance(left, list) and isinstance(right, list):
        return all(map(_same_kind, left, right))
    return type(left) is type(right)


def _joined(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _text(value: Any) -> str:
    if value is ABSENT:
        return "(absent)"
    if isinstance(value, dict | list):
        noun = "field" if isinstance(value, dict) else "item"
        return f"{len(value)} {noun}{'' if len(value) == 1 else 's'}"
    return json.dumps(value, ensure_ascii=False, default=str)[:400]


def _whole(value: Any) -> str:
    if value is ABSENT:
        return "(absent)"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2, default=str)


def _around(left: str, right: str) -> tuple[str, str]:
    """Two texts from shortly before the place where they part."""
    at = next((at for at, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), min(len(left), len(right)))
    start = max(0, at - CONTEXT)
    lead = "…" if start else ""

    def shown(text: str) -> str:
        return json.dumps(lead + text[start : start + 200], ensure_ascii=False)

    return shown(left), shown(right)


def _in_order(left: RunDetail, right: RunDetail) -> list[str]:
    planned = [stage.stage_id for run in (left, right) for group in run.plan for stage in group]
    reached = [stage.stage_id for run in (left, right) for stage in run.stages]
    return list(dict.fromkeys([*planned, *reached]))


def _stage(stage_id: str, left: StageView | None, right: StageView | None) -> Section:
    rows: list[Row] = [
        _plain("status", _stage_state(left), _stage_state(right)),
        _plain("attempts", _number(left), _number(right)),
        _times("duration", left.duration_ms if left else None, right.duration_ms if right else None),
        _money("cost", left.cost if left else Decimal(0), right.cost if right else Decimal(0)),
        _plain("error", left.error if left else None, right.error if right else None),
    ]
    if left is not None and right is not None:
        for name in ("config", "output"):
            mine, theirs = getattr(left, name), getattr(right, name)
            rows += [
                Row(f"{name} {row.label}".rstrip(), row.left, row.right, row.verdict, row.whole)
                for row in values(mine, theirs)
            ]
    return Section(stage_id, tuple(rows))


def _named(run: RunDetail) -> str:
    return f"{formatting.short_id(run.id)} {_state(run)}"


def _state(run: RunDetail) -> str:
    return formatting.STATUS[formatting.state_of(run)].word


def _stage_state(stage: StageView | None) -> str:
    return "not reached" if stage is None else formatting.STATUS[formatting.stage_state(stage)].word


def _number(stage: StageView | None) -> str | None:
    return None if stage is None else str(stage.attempt)


def _took(one: AttemptView | None) -> float | None:
    if one is None or one.started_at is None or one.completed_at is None:
        return None
    return (one.completed_at - one.started_at).total_seconds() * 1000


def _plain(label: str, left: str | None, right: str | None) -> Row:
    texts = [formatting.NONE if text is None else text for text in (left, right)]
    verdict = "same" if left == right else "other"
    return Row(label, texts[0][:400], texts[1][:400], verdict, (texts[0], texts[1]))


def _times(label: str, left: float | None, right: float | None) -> Row:
    """Times are never equal: they differ where the difference would be noticed."""
    verdict = "same"
    if left is not None and right is not None and abs(left - right) > NOTICED_MS:
        verdict = "worse" if right > left * SLOWER else "better" if left > right * SLOWER else "same"
    elif (left is None) != (right is None):
        verdict = "other"
    return Row(label, formatting.duration(left), formatting.duration(right), verdict)


def _money(label: str, left: Decimal | None, right: Decimal | None) -> Row:
    verdict = "same"
    if left is None or right is None:
        verdict = "same" if left is right else "other"
    elif left != right:
        verdict = "worse" if right > left else "better"
    return Row(label, formatting.money(left), formatting.money(right), verdict)


def diff_lines(diff: Diff) -> Iterable[str]:
    """The differences as plain text, to keep in a file."""
    yield f"--- {diff.left}"
    yield f"+++ {diff.right}"
    for section in diff.sections:
        for row in section.rows:
            if row.verdict != "same":
                yield f"@ {section.title} {row.label}".rstrip()
                yield from _prefixed("-", row.whole[0] or row.left)
                yield from _prefixed("+", row.whole[1] or row.right)


def _prefixed(sign: str, text: str) -> Sequence[str]:
    return [f"{sign} {line}" for line in text.split("\n")]
