"""What every attempt of a run spent its time on, from the run's views and its events."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from engine.model.status import StageStatus
from wfconsole import formatting

if TYPE_CHECKING:
    from engine.inspector.views import AttemptView, EventView, RunDetail, StageView


class Phase(StrEnum):
    QUEUED = "queued"
    """Due, but no worker has it yet."""
    WAITING = "waiting"
    """Suspended: an outside result is awaited."""
    RUNNING = "running"
    BACKOFF = "backoff"
    """Failed, and not due again yet."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A time spent on one thing."""

    phase: Phase
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Bar:
    """One attempt; `state` is a key of `formatting.STATUS`, `generation` counts the reruns before it."""

    stage_id: str
    attempt: int
    generation: int
    state: str
    stretches: tuple[Stretch, ...]
    live: bool = False
    error: str | None = None

    @property
    def start(self) -> datetime:
        return self.stretches[0].start

    @property
    def end(self) -> datetime:
        return self.stretches[-1].end

    @property
    def began(self) -> datetime | None:
        """When it was first executed."""
        return next((one.start for one in self.stretches if one.phase is Phase.RUNNING), None)


@dataclass(frozen=True, slots=True)
class _Marks:
    """What events tell of one stage: when it was suspended, and until when it backed off after an attempt."""

    suspended: Sequence[datetime]
    due: dict[int, datetime]


def bars_of(run: RunDetail, events: Sequence[EventView], now: datetime) -> list[Bar]:
    """One bar an attempt, stages in the plan's order, attempts in theirs; what goes on lasts until `now`.

    Without events a waiting stage counts as waiting since it started, and a backoff until the next start.
    """
    marks, until = _marks_of(events), _until(run, now)
    reached = {stage.stage_id: stage for stage in run.stages}
    planned = [stage.stage_id for group in run.plan for stage in group]
    bars: list[Bar] = []
    for stage_id in dict.fromkeys([*planned, *reached]):
        if stage_id in reached:
            bars += _bars_of_stage(reached[stage_id], marks.get(stage_id, _Marks((), {})), until)
        else:
            bars += _bars_of_events(stage_id, events)
    return bars


def _until(run: RunDetail, now: datetime) -> datetime:
    """Nothing of a run lasts longer than the run."""
    return run.completed_at or now


def _marks_of(events: Sequence[EventView]) -> dict[str, _Marks]:
    suspended: dict[str, list[datetime]] = defaultdict(list)
    due: dict[str, dict[int, datetime]] = defaultdict(dict)
    for event in events:
        stage_id = str(event.payload.get("stage_id"))
        if event.type == "stage:suspended":
            suspended[stage_id].append(event.occurred_at)
        elif event.type == "stage:retrying":
            attempt, moment = event.payload.get("attempt"), _moment(event.payload.get("due_at"))
            if isinstance(attempt, int) and moment is not None:
                due[stage_id][attempt] = moment
    return {stage_id: _Marks(suspended[stage_id], due[stage_id]) for stage_id in {*suspended, *due}}


def _moment(value: Any) -> datetime | None:
    try:
        found = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    return found if found.tzinfo is not None else None


_ENDS = {
    "stage:completed": "COMPLETED",
    "stage:failed": "FAILED",
    "stage:cancelled": "CANCELLED",
    "lease:reaped": "FAILED",
}


def _bars_of_events(stage_id: str, events: Sequence[EventView]) -> Iterator[Bar]:
    """The attempts of a stage that a rerun took away and that is not reached again: only events tell of them."""
    started: EventView | None = None
    generation = 0
    for event in events:
        generation += event.type == "run:rerun"
        if event.payload.get("stage_id") != stage_id:
            continue
        if event.type == "stage:started":
            started = event
        elif event.type in _ENDS and started is not None:
            attempt, error = started.payload.get("attempt"), event.payload.get("error")
            stretch = Stretch(Phase.RUNNING, started.occurred_at, event.occurred_at)
            number = attempt if isinstance(attempt, int) else 1
            state, said = _ENDS[event.type], str(error) if error else None
            yield Bar(stage_id, number, generation, state, (stretch,), error=said)
            started = None


def _bars_of_stage(stage: StageView, marks: _Marks, now: datetime) -> Iterator[Bar]:
    before: AttemptView | None = None
    for attempt in stage.attempts:
        yield _bar(stage, attempt, before, marks, now)
        before = attempt
    if _queued_again(stage, before):
        # The number is that of the attempt to come: nobody has taken it yet.
        number = (before.attempt if before else 0) + 1
        generation = before.generation if before else 0
        stretches = tuple(_waited(stage.queued_at, None, before, stage.retry_at, marks, now))
        if stretches:
            yield Bar(stage.stage_id, number, generation, formatting.stage_state(stage), stretches, live=True)


def _queued_again(stage: StageView, last: AttemptView | None) -> bool:
    if stage.status is not StageStatus.PENDING:
        return False
    return last is None or last.completed_at is not None


def _bar(stage: StageView, one: AttemptView, before: AttemptView | None, marks: _Marks, now: datetime) -> Bar:
    current = one.attempt == stage.attempt and one.completed_at is None
    end = one.completed_at or (now if one.status not in _OVER else one.started_at or now)
    start = one.started_at
    stretches = list(_waited(one.queued_at, start, before, None, marks, now))
    if start is not None:
        suspended = next((moment for moment in marks.suspended if start <= moment <= end), None)
        if suspended is None and one.status is StageStatus.SUSPENDED:
            suspended = start
        stretches.append(Stretch(Phase.RUNNING, start, max(start, suspended or end)))
        if suspended is not None:
            stretches.append(Stretch(Phase.WAITING, suspended, max(end, suspended)))
    if not stretches:
        stretches.append(Stretch(Phase.QUEUED, end, end))
    state = formatting.stage_state(stage) if current else one.status.value
    return Bar(stage.stage_id, one.attempt, one.generation, state, tuple(stretches), current, one.error)


_OVER = frozenset({StageStatus.COMPLETED, StageStatus.FAILED, StageStatus.CANCELLED, StageStatus.SKIPPED})


def _waited(
    queued_at: datetime | None,
    started_at: datetime | None,
    before: AttemptView | None,
    retry_at: datetime | None,
    marks: _Marks,
    now: datetime,
) -> Iterator[Stretch]:
    """What lies before the start: backing off from the attempt before, then waiting for a worker.

    A retry keeps the time its stage was first queued at; a stage queued again, by hand, gets a new one.
    """
    if queued_at is None:
        return
    ended = before.completed_at if before is not None else None
    since, until = max(queued_at, ended or queued_at), started_at or now
    if since > until:
        return
    due = retry_at or (marks.due.get(before.attempt) if before is not None else None)
    if due is None and before is not None and before.status is StageStatus.FAILED and since == ended:
        due = until
    if due is not None:
        # `poll now` may have cut it short.
        rested = min(max(due, since), until)
        if rested > since:
            yield Stretch(Phase.BACKOFF, since, rested)
        since = rested
    if since < until:
        yield Stretch(Phase.QUEUED, since, until)
