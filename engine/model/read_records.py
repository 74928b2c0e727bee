"""Records only readers see: rows trimmed to what a list shows, and sums.

Frozen; times are aware UTC, money US dollars, payloads JSON texts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Generic, NamedTuple, TypeVar

from engine.model.records import AICallRecord, AnnotationRecord, JobRecord, PauseRecord, SinkRecord, WorkerRecord
from engine.model.status import RunStatus, StageStatus

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Slice(Generic[T]):
    """A page of records, and the cursor of the next one (None on the last)."""

    items: list[T]
    next_cursor: str | None = None


class RunRow(NamedTuple):
    """A run without its payloads."""

    id: str
    workflow_id: str
    workflow_name: str
    definition: str
    status: RunStatus
    priority: int
    created_at: datetime
    updated_at: datetime
    idempotency_key: str | None
    start_at: datetime | None
    started_at: datetime | None
    completed_at: datetime | None
    error: str | None
    error_code: str | None
    error_fingerprint: str | None
    failed_stage: str | None
    group_no: int
    total_cost: Decimal | None
    total_tokens: int


@dataclass(frozen=True, slots=True)
class RunWhole:
    """A run with its payload texts."""

    row: RunRow
    input: str
    config: str
    metadata: str
    output: str | None


class StageRow(NamedTuple):
    """A stage without its payloads."""

    run_id: str
    stage_id: str
    group_no: int
    number: int
    status: StageStatus
    attempt: int
    tries: int
    max_attempts: int
    queued_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    retry_at: datetime | None
    error: str | None
    progress: float | None
    next_poll_at: datetime | None
    max_wait_until: datetime | None
    last_poll_at: datetime | None
    polls: int
    poll_errors: int
    poll_token: str | None
    """Of the poller at work; `next_poll_at` is then the end of its lease."""
    worker_id: str | None


class AttemptRow(NamedTuple):
    """An attempt that is over, without its payloads."""

    stage_id: str
    attempt: int
    generation: int
    status: StageStatus
    queued_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    error: str | None
    worker_id: str | None
    cost: Decimal | None


class AttemptTexts(NamedTuple):
    """What an attempt was given and what came of it, as stored; `input` is None where it was derived."""

    attempt: int
    generation: int
    status: StageStatus
    input: str | None
    output: str | None
    config: str | None
    error: str | None
    error_code: str | None


@dataclass(frozen=True, slots=True)
class RunCount:
    """How many runs of a workflow have a status."""

    workflow_id: str
    status: RunStatus
    count: int


@dataclass(frozen=True, slots=True)
class Activity:
    """What the store as a whole is doing, at one instant."""

    ended: int
    """Runs ended since the start of the longer window."""
    ended_failed: int
    """FAILED ones among them."""
    ended_lately: int
    """Runs ended since the start of the shorter window."""
    due_jobs: int
    undelivered: int
    dead_letters: int
    workers_alive: int
    workers_known: int
    cost: Decimal
    """Of the AI calls since the day began."""
    unpriced: int
    """AI calls of that time without a known price."""


@dataclass(frozen=True, slots=True)
class QueueCount:
    """The jobs of one workflow that aren't done."""

    workflow_id: str
    due: int
    scheduled: int
    running: int
    oldest_at: datetime | None
    """When the oldest run among the PENDING ones and those with a due job was created."""


@dataclass(frozen=True, slots=True)
class DefinitionRef:
    """A stored definition, without its plan."""

    workflow_id: str
    fingerprint: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class AnnotationRow:
    """An annotation with its place in the order of writing."""

    seq: int
    record: AnnotationRecord


@dataclass(frozen=True, slots=True)
class CostSum:
    """AI calls summed by one or more keys; `key` holds a value for each, None where a call has none."""

    key: tuple[str | None, ...]
    calls: int
    runs: int
    failed: int
    reused: int
    input_tokens: int
    output_tokens: int
    cost: Decimal
    wasted: Decimal
    unpriced: int


class StagePrice(NamedTuple):
    """What a stage's latest completed attempts cost together."""

    stage_id: str
    runs: int
    cost: Decimal
    unpriced: int
    """AI calls among them without a known price."""


@dataclass(frozen=True, slots=True)
class SinkBacklog:
    """A sink, and how many events it has not got yet and gave up."""

    sink: SinkRecord
    pending: int
    dead: int


@dataclass(frozen=True, slots=True)
class Inconsistency:
    """Something that must hold and doesn't: how often, and the first examples."""

    rule: str
    count: int
    examples: list[str]


class HotCause(NamedTuple):
    """FAILED runs of one cause and stage that came thick and fast."""

    fingerprint: str
    code: str | None
    stage_id: str | None
    runs: int
    first_at: datetime


class FailureSum(NamedTuple):
    """FAILED runs of one workflow and stage with one fingerprint."""

    fingerprint: str | None
    code: str | None
    example: str | None
    workflow_id: str
    stage_id: str | None
    runs: int
    first_at: datetime | None
    last_at: datetime | None
    wasted: Decimal | None


@dataclass(frozen=True, slots=True)
class Situation:
    """All it takes to say why a run is where it is."""

    run: RunRow
    stages: list[StageRow]
    """Of the group the run has reached, by number."""
    jobs: list[JobRecord]
    """Those that are not terminal."""
    ahead: Mapping[str, int]
    """How many go before it: by job id for due jobs, by run id for a PENDING run."""
    workers: list[WorkerRecord]
    pause: PauseRecord | None = None
    """Of its workflow."""
    open_calls: Sequence[AICallRecord] = ()
    """AI calls under way, the oldest first."""
    limits: Mapping[str, Decimal | None] = field(default_factory=dict)
    """What operators allowed it to spend: by stage id, empty for the whole run."""


class LeaseRow(NamedTuple):
    """A job under a worker's lease; `since` is when its attempt began."""

    job_id: str
    worker_id: str | None
    run_id: str
    workflow_id: str
    stage_id: str
    attempt: int
    since: datetime | None
    leased_until: datetime | None


class UnfinishedCount(NamedTuple):
    """Unfinished runs of one definition that have reached one group (0: not started)."""

    workflow_id: str
    definition: str
    group_no: int
    runs: int


class OpenStage(NamedTuple):
    """A stage that unfinished runs of one definition have begun and not finished; `suspended`: in some it waits."""

    workflow_id: str
    definition: str
    stage_id: str
    suspended: bool


class LetterGroup(NamedTuple):
    """Dead letters with one cause at one sink; `types` is a list with commas."""

    fingerprint: str | None
    sink: str | None
    example: str | None
    types: str
    events: int
    runs: int
    first_at: datetime
    last_at: datetime
