"""One run whole: its stages with their inputs, outputs, artifacts and attempts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from engine.definition.plan import Plan
from engine.inspector.payloads import Payloads
from engine.inspector.summaries import RunParts, duration_ms, summary_fields
from engine.inspector.views import ArtifactView, AttemptView, PlanStage, RunDetail, StageView
from engine.model.json import Json
from engine.model.read_records import AttemptRow, RunWhole
from engine.model.records import ArtifactRecord, StageRecord
from engine.model.status import ACTIVE_STAGE, RunStatus, StageStatus


@dataclass(frozen=True, slots=True)
class DetailParts:
    """All that was read of one run, in one snapshot."""

    whole: RunWhole
    summary: RunParts
    stages: Sequence[tuple[StageRecord, str | None]]
    """With their input texts, by group and number."""
    attempts: Sequence[AttemptRow]
    artifacts: Sequence[ArtifactRecord]
    unpriced: frozenset[tuple[str, int]]
    """(stage id, attempt) with an AI call of unknown price."""
    now: datetime

    def texts(self) -> Iterator[str | None]:
        """Every payload text there is to show."""
        yield from (self.whole.input, self.whole.output, self.whole.config, self.whole.metadata)
        for stage, given in self.stages:
            yield from (stage.output, given, stage.config, stage.metrics)


def detail_of(parts: DetailParts, payloads: Payloads) -> RunDetail:
    whole = parts.whole
    earlier: dict[str, list[AttemptRow]] = defaultdict(list)
    for attempt in parts.attempts:
        earlier[attempt.stage_id].append(attempt)
    return RunDetail(
        **summary_fields(parts.summary, parts.now),
        input=payloads.value(whole.input),
        config=payloads.value(whole.config) or {},
        output=_output(parts, payloads),
        metadata=payloads.value(whole.metadata) or {},
        plan=planned_groups(parts.summary.plan),
        stages=[
            _stage_view(parts, stage, _input(parts, stage, given, payloads), earlier[stage.stage_id], payloads)
            for stage, given in parts.stages
        ],
    )


def planned_groups(plan: Plan | None) -> list[list[PlanStage]]:
    """The plan's groups as views; empty without a plan."""
    return [
        [
            PlanStage(
                stage_id=stage.stage_id,
                name=stage.name,
                group=stage.group,
                number=stage.number,
                mode=stage.mode,
                max_attempts=stage.retry.max_attempts,
            )
            for stage in group
        ]
        for group in (plan.groups if plan else ())
    ]


def _input(parts: DetailParts, stage: StageRecord, given: str | None, payloads: Payloads) -> Json:
    """The stage's input: the stored one, or what the group before gave."""
    if given is not None:
        return payloads.value(given)
    if stage.group_no <= 1:
        return payloads.value(parts.whole.input)
    return _group_output(parts, stage.group_no - 1, payloads)


def _output(parts: DetailParts, payloads: Payloads) -> Json:
    """The run's output: the stored one, or what its last group gave."""
    row = parts.whole.row
    if parts.whole.output is not None or row.status != RunStatus.COMPLETED:
        return payloads.value(parts.whole.output)
    return _group_output(parts, row.group_no, payloads)


def _group_output(parts: DetailParts, group_no: int, payloads: Payloads) -> Json:
    """The output of a group of one bare, of several by stage id."""
    outputs = {
        stage.stage_id: payloads.value(stage.output)
        for stage, _ in parts.stages
        if stage.group_no == group_no and stage.status == StageStatus.COMPLETED
    }
    return next(iter(outputs.values()), None) if _size(parts, group_no) == 1 else outputs


def _size(parts: DetailParts, group_no: int) -> int:
    plan = parts.summary.plan
    if plan is not None and group_no <= len(plan.groups):
        return len(plan.groups[group_no - 1])
    return sum(stage.group_no == group_no for stage, _ in parts.stages)


def _stage_view(
    parts: DetailParts, stage: StageRecord, value: Json, earlier: Iterable[AttemptRow], payloads: Payloads
) -> StageView:
    unpriced = (stage.stage_id, stage.attempt) in parts.unpriced
    return StageView(
        stage_id=stage.stage_id,
        name=stage.name,
        group=stage.group_no,
        number=stage.number,
        status=stage.status,
        attempt=stage.attempt,
        tries=stage.tries,
        max_attempts=stage.max_attempts,
        queued_at=stage.queued_at,
        started_at=stage.started_at,
        completed_at=stage.completed_at,
        duration_ms=duration_ms(stage.started_at, stage.completed_at, parts.now),
        retry_at=stage.retry_at if stage.status == StageStatus.PENDING else None,
        worker_id=stage.worker_id,
        input=value,
        output=payloads.value(stage.output),
        config=payloads.value(stage.config),
        error=stage.error,
        error_code=stage.error_code,
        progress=1.0 if stage.status == StageStatus.COMPLETED else stage.progress,
        progress_message=stage.progress_message,
        next_poll_at=stage.next_poll_at,
        last_poll_at=stage.last_poll_at,
        polls=stage.polls,
        max_wait_until=stage.max_wait_until,
        cost=None if unpriced else stage.cost or Decimal(0),
        tokens=stage.tokens,
        metrics=payloads.value(stage.metrics),
        artifacts=[
            _artifact_view(artifact)
            for artifact in parts.artifacts
            if stage.tries and (artifact.stage_id, artifact.attempt) == (stage.stage_id, stage.attempt)
        ],
        attempts=list(_attempts(parts, stage, earlier)),
    )


def _attempts(parts: DetailParts, stage: StageRecord, earlier: Iterable[AttemptRow]) -> Iterator[AttemptView]:
    """Those that are over, then the one the stage's row stands for.

    A stage that is queued again still has the number of the attempt before until it is delivered.
    """
    seen = 0
    for attempt in earlier:
        seen = attempt.attempt
        useful = seen == stage.attempt and stage.status == StageStatus.COMPLETED
        yield _attempt_view(parts, attempt, wasted=not useful)
    if stage.attempt > seen:
        useful = stage.status in ACTIVE_STAGE or stage.status == StageStatus.COMPLETED
        yield _attempt_view(parts, stage, wasted=not useful)


def _attempt_view(parts: DetailParts, one: AttemptRow | StageRecord, *, wasted: bool) -> AttemptView:
    cost = None if (one.stage_id, one.attempt) in parts.unpriced else one.cost or Decimal(0)
    return AttemptView(
        attempt=one.attempt,
        generation=one.generation,
        queued_at=one.queued_at,
        started_at=one.started_at,
        completed_at=one.completed_at,
        status=one.status,
        error=one.error,
        worker_id=one.worker_id,
        cost=cost,
        wasted=cost if wasted else Decimal(0),
    )


def _artifact_view(artifact: ArtifactRecord) -> ArtifactView:
    return ArtifactView(
        name=artifact.name,
        media_type=artifact.media_type,
        size=artifact.size,
        digest=artifact.digest,
        created_at=artifact.created_at,
    )
