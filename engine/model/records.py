"""Records: what the stores return and take. Times are aware UTC, payloads are JSON texts, parsed where needed.

They are named tuples: frozen, and copied with a change ten times a stage, which a dataclass is slow at.
A payload text that begins with `@` is a pointer to a blob instead (see `engine.model.payload`).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from engine.model.status import JobStatus, LogLevel, RunStatus, StageStatus


class RunRecord(NamedTuple):
    """The moving part of a run: all but its input."""

    id: str
    workflow_id: str
    workflow_name: str
    definition: str
    status: RunStatus
    priority: int
    created_at: datetime
    updated_at: datetime
    config: str
    metadata: str
    idempotency_key: str | None = None
    start_at: datetime | None = None
    delayed: bool = False
    started_at: datetime | None = None
    completed_at: datetime | None = None
    output: str | None = None
    error: str | None = None
    error_code: str | None = None
    error_fingerprint: str | None = None
    failed_stage: str | None = None
    """The first stage that failed for good; the run fails with its error once the group's last stage ended."""
    generation: int = 0
    group_no: int = 0
    open_stages: int = 0
    """Stages of the current group that are not terminal: the join of the group."""
    last_sequence: int = 0
    hand_offs: int = 0
    """Stages in a row that stayed on one worker without going through the queue."""
    worker_id: str | None = None
    total_cost: Decimal | None = None
    total_tokens: int = 0
    reuse_ai: bool = False
    """The stages of this generation answer their AI calls from earlier ones where they can."""
    version: int = 1


class StageRecord(NamedTuple):
    """The moving part of a stage's current attempt: all but its input."""

    id: str
    run_id: str
    stage_id: str
    name: str
    group_no: int
    number: int
    status: StageStatus
    generation: int
    queued_at: datetime
    attempt: int = 0
    """Deliveries over the whole life of the run and stage."""
    tries: int = 0
    """Deliveries since the last (re)queue."""
    max_attempts: int = 3
    config: str | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None
    retry_at: datetime | None = None
    output: str | None = None
    error: str | None = None
    error_code: str | None = None
    error_fingerprint: str | None = None
    progress: float | None = None
    progress_message: str | None = None
    suspended_state: str | None = None
    poll_every: timedelta | None = None
    next_poll_at: datetime | None = None
    max_wait_until: datetime | None = None
    last_poll_at: datetime | None = None
    polls: int = 0
    poll_errors: int = 0
    """In a row."""
    poll_token: str | None = None
    """Of the poller at work; `next_poll_at` is then the end of its lease."""
    metrics: str | None = None
    worker_id: str | None = None
    cost: Decimal | None = None
    tokens: int = 0
    reuse_ai: bool = False


class JobRecord(NamedTuple):
    """One queueing of a stage. `body` names what must be at hand to carry it out: `workflow_id/stage_id`."""

    id: str
    stage_ref: str
    run_id: str
    workflow_id: str
    stage_id: str
    status: JobStatus
    priority: int
    created_at: datetime
    """Of the run: older runs come first."""
    max_attempts: int
    attempt: int = 0
    tries: int = 0
    due_at: datetime | None = None
    worker_id: str | None = None
    lease_token: str | None = None
    leased_until: datetime | None = None
    renewed_at: datetime | None = None
    reaped: int = 0
    """Leases lost in a row: after the first, the job runs alone in a process of its own."""
    last_error: str | None = None
    completed_at: datetime | None = None

    @property
    def body(self) -> str:
        return body_key(self.workflow_id, self.stage_id)


def body_key(workflow_id: str, stage_id: str) -> str:
    return f"{workflow_id}/{stage_id}"


def workflow_of(body: str) -> str:
    return body.rsplit("/", 1)[0]


class Lease(NamedTuple):
    """What a delivery must show with every write."""

    job_id: str
    token: str
    attempt: int


class Claimed(NamedTuple):
    """A job just claimed, with all its body needs."""

    job: JobRecord
    stage: StageRecord
    definition: str
    input: str | None
    """None: derived from the outputs of the group before (long, or some of them lie in the blob store)."""
    outputs: dict[str, str]
    """Outputs of the completed stages of the run, by stage id."""
    groups: dict[str, int]
    """Their groups."""

    @property
    def lease(self) -> Lease:
        assert self.job.lease_token is not None
        return Lease(self.job.id, self.job.lease_token, self.job.attempt)


class EventRecord(NamedTuple):
    id: str
    run_id: str
    sequence: int
    type: str
    payload: str
    causation_id: str
    occurred_at: datetime
    published_at: datetime | None = None
    retry_count: int = 0
    next_attempt_at: datetime | None = None
    dead_at: datetime | None = None
    discarded_at: datetime | None = None
    last_error: str | None = None
    sink: str | None = None
    fingerprint: str | None = None


class LogRecord(NamedTuple):
    run_id: str
    stage_id: str | None
    attempt: int | None
    level: LogLevel
    message: str
    fields: str
    created_at: datetime
    seq: int = 0
    """Given by the store, rising in commit order."""


class AnnotationRecord(NamedTuple):
    run_id: str
    key: str
    value: str
    created_at: datetime
    scope: str = "run"
    scope_id: str | None = None
    attempt: int | None = None
    actor: str | None = None
    actor_kind: str | None = None
    actor_version: str | None = None
    payload: str | None = None
    """JSON kept beside the value, never searched."""
    idempotency_key: str | None = None


class ArtifactRecord(NamedTuple):
    run_id: str
    stage_id: str
    attempt: int
    name: str
    media_type: str
    size: int
    digest: str
    blob_key: str
    created_at: datetime


class AttemptRecord(NamedTuple):
    """An attempt that is over and whose stage row went on to the next."""

    run_id: str
    stage_id: str
    attempt: int
    generation: int
    status: StageStatus
    queued_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    input: str | None
    output: str | None
    config: str | None
    error: str | None
    error_code: str | None
    worker_id: str | None
    cost: Decimal | None = None
    tokens: int = 0


class DefinitionRecord(NamedTuple):
    workflow_id: str
    fingerprint: str
    plan: str
    created_at: datetime


class WorkerRecord(NamedTuple):
    id: str
    host: str
    pid: int
    started_at: datetime
    last_seen_at: datetime
    alive_until: datetime
    concurrency: int
    running: int
    workflows: str
    """JSON: workflow id to fingerprint."""


class KeyRecord(NamedTuple):
    """An idempotency key: `result` is null while its command is under way."""

    key: str
    command_type: str
    payload_hash: str
    result: str | None
    run_id: str | None
    created_at: datetime
    leased_until: datetime | None = None


class PauseRecord(NamedTuple):
    """Nothing new of this workflow is claimed or polled."""

    workflow_id: str
    paused_at: datetime
    actor: str
    reason: str | None


class AuditRecord(NamedTuple):
    """One operator command that changed something; `target` is a run, `run/stage`, workflow or event id."""

    created_at: datetime
    actor: str
    command: str
    run_id: str | None
    target: str
    reason: str | None
    before: str | None
    after: str | None
    idempotency_key: str | None = None
    bulk: str | None = None
    """Of a bulk action: the part of the key `BULK/ID` before the run's id."""
    seq: int = 0
    """Given by the store, rising in commit order."""


class ScheduleRecord(NamedTuple):
    """A command (wire form, JSON) to be dispatched at `due_at`, again and again with `cron`."""

    id: str
    command: str
    actor: str
    due_at: datetime | None
    created_at: datetime
    cron: str | None = None
    zone: str | None = None
    last_fired_at: datetime | None = None
    fired: int = 0
    last_error: str | None = None


class SinkRecord(NamedTuple):
    """How a sink does; `target` says where it delivers, without secrets."""

    id: str
    target: str
    ok_at: datetime | None = None
    failing_since: datetime | None = None
    last_error: str | None = None


class SinkDeliveryRecord(NamedTuple):
    """What became of an event at one of several sinks."""

    event_id: str
    sink: str
    published_at: datetime | None = None
    retry_count: int = 0
    next_attempt_at: datetime | None = None
    dead_at: datetime | None = None
    last_error: str | None = None


class AICallRecord(NamedTuple):
    """One call to an AI model. Where the model's price is unknown, `cost` is None: never 0."""

    id: str
    topic: str
    call_type: str
    """text, object, stream, embed or batch."""
    model: str
    """`provider/model` as it was asked for."""
    provider: str
    created_at: datetime
    status: str = "open"
    """open, ok, error or interrupted (its process died; what it cost nobody knows)."""
    run_id: str | None = None
    workflow_id: str | None = None
    stage_id: str | None = None
    attempt: int | None = None
    answered_by: str | None = None
    """The model that answered, in the provider's own words."""
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    """Part of `input_tokens`, read from the provider's cache."""
    reasoning_tokens: int = 0
    """Part of `output_tokens`."""
    cost: Decimal | None = None
    latency_ms: int | None = None
    first_token_ms: int | None = None
    finish_reason: str | None = None
    error: str | None = None
    error_code: str | None = None
    """The name of the error's class."""
    reused: bool = False
    """Answered from an earlier call; it cost nothing."""
    request_key: str | None = None
    """Digest of the whole request: equal requests have equal keys."""
    batch_id: str | None = None
    prompt: str | None = None
    response: str | None = None
    answer: str | None = None
    """The provider's answer as JSON text, whole, as far as a later equal request may be answered with it."""
