"""Views: what the inspector returns. Frozen, made for showing; no row of a table reaches a reader.

Times are aware UTC datetimes, durations whole milliseconds, money US dollars as `Decimal` (None where a price is
unknown).
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from pydantic import BaseModel, ConfigDict

from engine.model.status import Delivery, LogLevel, RunStatus, StageStatus


class View(BaseModel):
    model_config = ConfigDict(frozen=True, defer_build=True)


class Overview(View):
    counts: dict[str, int]
    """Runs by stored status; every status has its entry."""
    rate_per_s: float
    """Runs ended a second, over the last minute."""
    fail_rate: float
    """Share of failed among the runs ended in the last hour, 0 to 1."""
    workers_alive: int
    workers_known: int
    queue: int
    """PENDING runs and due jobs."""
    undelivered: int
    dead_letters: int
    cost_today: Decimal
    unpriced_today: int
    as_of: datetime
    retrying: int = 0
    """Of the RUNNING: in backoff."""
    waiting: int = 0
    """Of the RUNNING: every active stage is suspended."""


class CauseView(View):
    """One cause that lets many runs fail just now."""

    fingerprint: str
    code: str | None
    stage_id: str | None
    runs: int
    first_at: datetime


class TrendView(View):
    """The last day in short."""

    ended: list[int]
    """Runs ended in each of the last 24 hours, the oldest first; the last one is under way."""
    hot: CauseView | None
    """More than five failures of one cause in the last ten minutes."""
    as_of: datetime


class RunSummary(View):
    id: str
    workflow_id: str
    workflow_name: str
    status: RunStatus
    waiting: bool
    """Every active stage is suspended."""
    priority: int
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    duration_ms: int | None
    """From start to end, or to now while it runs."""
    current_stages: list[str]
    """The active ones, by number; of a failed run the first that failed."""
    progress: float | None
    """0 to 1, over the stages of the plan."""
    attempt: int
    tries: int
    max_attempts: int
    retry_at: datetime | None
    idle_ms: int | None
    idempotency_key: str | None
    definition: str
    worker_id: str | None
    total_cost: Decimal | None
    total_tokens: int
    error: str | None
    error_code: str | None
    error_fingerprint: str | None


class AttemptView(View):
    attempt: int
    generation: int
    """0 at first, one more with each rerun; a retry stays in its generation."""
    queued_at: datetime | None
    started_at: datetime | None
    completed_at: datetime | None
    status: StageStatus
    error: str | None
    worker_id: str | None
    cost: Decimal | None
    wasted: Decimal | None


class ArtifactView(View):
    name: str
    media_type: str
    size: int
    """In bytes."""
    digest: str
    created_at: datetime


class StageView(View):
    stage_id: str
    name: str
    group: int
    number: int
    status: StageStatus
    attempt: int
    tries: int
    max_attempts: int
    queued_at: datetime | None
    started_at: datetime | None
    completed_at: datetime | None
    duration_ms: int | None
    retry_at: datetime | None
    worker_id: str | None
    input: Any
    output: Any
    config: Any
    error: str | None
    error_code: str | None
    progress: float | None
    progress_message: str | None
    next_poll_at: datetime | None
    last_poll_at: datetime | None
    polls: int
    max_wait_until: datetime | None
    cost: Decimal | None
    tokens: int
    metrics: dict[str, Any] | None
    artifacts: list[ArtifactView]
    attempts: list[AttemptView]


class PlanStage(View):
    stage_id: str
    name: str
    group: int
    number: int
    mode: str
    """`sync` or `async-batch`."""
    max_attempts: int


class RunDetail(RunSummary):
    input: Any
    config: dict[str, Any]
    output: Any
    metadata: dict[str, Any]
    plan: list[list[PlanStage]]
    """The groups of the definition the run was created with."""
    stages: list[StageView]
    """Those of the groups reached, by group and number."""


class EventView(View):
    id: str
    run_id: str
    sequence: int
    type: str
    occurred_at: datetime
    causation_id: str
    delivery: Delivery
    published_at: datetime | None
    retry_count: int
    next_attempt_at: datetime | None
    dead_at: datetime | None
    last_error: str | None
    sink: str | None
    fingerprint: str | None
    payload: dict[str, Any]


class LogLine(View):
    id: str
    run_id: str
    stage_id: str | None
    attempt: int | None
    level: LogLevel
    message: str
    fields: dict[str, Any]
    created_at: datetime

    def model_post_init(self, context: Any, /) -> None:
        # Logs are held by the ten thousand, and all fields are always set: half of a line would be its own set of
        # their names.
        object.__setattr__(self, "__pydantic_fields_set__", _SET_IN_A_LINE)


_SET_IN_A_LINE = set(LogLine.model_fields)


class WorkerView(View):
    id: str
    host: str
    pid: int
    started_at: datetime
    last_seen_at: datetime
    alive: bool
    concurrency: int
    running: int
    workflows: dict[str, str]
    """Workflow id to the fingerprint of the definition this worker has."""


class QueueRow(View):
    workflow_id: str
    pending: int
    scheduled: int
    running: int
    oldest_pending_at: datetime | None


class WorkflowView(View):
    id: str
    name: str
    description: str
    fingerprint: str
    groups: list[list[PlanStage]]
    input_schema: dict[str, Any]
    registered: bool
    """Known to this process."""
    live_workers: int
    paused: bool
    unfinished: int


class CostRow(View):
    key: str
    keys: list[str] = []
    """The value of each key asked for; `-` for calls without one."""
    calls: int
    runs: int
    failed: int
    reused: int
    input_tokens: int
    output_tokens: int
    cost: Decimal
    wasted: Decimal
    unpriced: int


class Explanation(View):
    """Why a run is where it is, from facts, and what can be done about it."""

    class Next(View):
        label: str
        key: str
        cli: str

    run_id: str
    code: str
    summary: str
    since: datetime | None
    until: datetime | None
    facts: dict[str, Any]
    next: list[Next]
