"""Commands: everything that can be asked of the engine, each beside its result.

`await kernel.dispatch(command)` answers with the command's own result type. Wire names are the seed's. Unknown
fields are refused: a typo in a command is a bug. Times are aware datetimes, durations timedeltas.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from types import GenericAlias
from typing import Any, ClassVar, Generic, Literal, TypeVar, get_args, get_origin

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from engine.errors import InvalidInput, Problem
from engine.model.json import Json
from engine.model.problems import problems_of

R = TypeVar("R")

StageConfigs = dict[str, dict[str, Any]]
"""`{stage_id: {field: value}}`."""


LONGEST = timedelta(days=3650)
"""The longest threshold: more would leave the calendar."""


class Result(BaseModel):
    """What a command answers with: frozen."""

    model_config = ConfigDict(frozen=True, defer_build=True)


class Command(BaseModel, Generic[R]):
    """The root of all commands; `R` is its result type, `type` its name on the wire."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)
    type: ClassVar[str] = ""

    def __class_getitem__(cls, result: Any) -> Any:
        """Only an alias: pydantic would build a model for each result, and a third of `import engine` went there."""
        return GenericAlias(cls, result)


def result_type(command: type[Command[R]]) -> type[R]:
    """`R` of a `Command[R]`."""
    for base in command.__mro__:
        for alias in vars(base).get("__orig_bases__", ()):
            if get_origin(alias) is Command:
                found: type[R] = get_args(alias)[0]
                return found
    raise TypeError(f"{command.__name__} declares no result")


Key = Field(default=None, min_length=1, max_length=255)


class CreateRunResult(Result):
    run_id: str
    status: str


class CreateRun(Command[CreateRunResult]):
    """Create a PENDING run. Same key and payload again: the first run; same key, other payload:
    `IdempotencyConflict`."""

    type: ClassVar[str] = "run.create"
    idempotency_key: str = Field(min_length=1, max_length=255)
    workflow_id: str
    input: Any = None
    config: StageConfigs = {}
    priority: int = Field(default=5, ge=-1_000_000, le=1_000_000)
    annotations: dict[str, Any] = {}
    metadata: dict[str, Any] = {}
    start_at: AwareDatetime | None = None


class ClaimedRun(Result):
    run_id: str
    workflow_id: str
    job_ids: list[str]


class ClaimPendingRunsResult(Result):
    claimed: list[ClaimedRun]


class ClaimPendingRuns(Command[ClaimPendingRunsResult]):
    """Start up to `max_claims` PENDING runs of registered workflows: highest priority first, then oldest."""

    type: ClassVar[str] = "run.claimPending"
    worker_id: str
    max_claims: int = Field(default=10, ge=1)


class TransitionRunResult(Result):
    action: Literal["advanced", "completed", "failed", "noop"]
    next_group: int | None = None


class TransitionRun(Command[TransitionRunResult]):
    """Move a run on if its group is done. Outcomes do so by themselves: this is for recovery."""

    type: ClassVar[str] = "run.transition"
    run_id: str


class CancelRunResult(Result):
    cancelled: bool


class CancelRun(Command[CancelRunResult]):
    """Cancel a run that is not terminal, with its stages and jobs; `cancelled` is False for any other, or none."""

    type: ClassVar[str] = "run.cancel"
    run_id: str
    reason: str | None = None
    idempotency_key: str | None = Key


class RerunFromResult(Result):
    run_id: str
    from_stage_id: str
    deleted_stages: list[str]


class RerunFrom(Command[RerunFromResult]):
    """Go again from a stage's group on. `config` is merged field by field over the run's own."""

    type: ClassVar[str] = "run.rerunFrom"
    run_id: str
    from_stage_id: str
    config: StageConfigs = {}
    reuse_ai: bool = False
    idempotency_key: str | None = Key


class RetryFailedResult(Result):
    run_id: str
    retried_stages: list[str]


class RetryFailed(Command[RetryFailedResult]):
    """Queue the failed stages of a FAILED run again; completed siblings are kept."""

    type: ClassVar[str] = "run.retryFailed"
    run_id: str
    idempotency_key: str | None = Key


class ExecuteJobResult(Result):
    outcome: Literal["completed", "suspended", "failed"]
    output: Any = None
    error: str | None = None
    next_poll_at: AwareDatetime | None = None
    ghost: bool = False
    retryable: bool = False


class ExecuteJob(Command[ExecuteJobResult]):
    """Claim the due job of that run and stage and carry it out."""

    type: ClassVar[str] = "job.execute"
    run_id: str
    workflow_id: str
    stage_id: str
    config: StageConfigs = {}
    idempotency_key: str | None = Key


class PollSuspendedStagesResult(Result):
    checked: int
    resumed: int
    failed: int
    resumed_run_ids: list[str]


class PollSuspendedStages(Command[PollSuspendedStagesResult]):
    """Ask up to `max_checks` due suspended stages whether their outside work is done."""

    type: ClassVar[str] = "stage.pollSuspended"
    max_checks: int = Field(default=50, ge=1)


class ReapStaleLeasesResult(Result):
    released: int
    failed: int


class ReapStaleLeases(Command[ReapStaleLeasesResult]):
    """Give back jobs whose lease ended and was last renewed at least `stale_threshold` ago."""

    type: ClassVar[str] = "lease.reapStale"
    stale_threshold: timedelta = Field(default=timedelta(seconds=300), ge=timedelta(0), le=LONGEST)


class ReapStuckRunsResult(Result):
    transitioned: int
    failed: int


class ReapStuckRuns(Command[ReapStuckRunsResult]):
    """Move on, or else fail, RUNNING runs idle for `stuck_threshold` that nothing is working on or waiting for."""

    type: ClassVar[str] = "run.reapStuck"
    stuck_threshold: timedelta = Field(ge=timedelta(0), le=LONGEST)


class FlushOutboxResult(Result):
    published: int
    failed: int
    dead_lettered: int


class FlushOutbox(Command[FlushOutboxResult]):
    """Deliver up to `max_events` waiting events to the sink, in order within a run."""

    type: ClassVar[str] = "outbox.flush"
    max_events: int = Field(default=100, ge=1)


class ReplayDeadLettersResult(Result):
    replayed: int


class ReplayDeadLetters(Command[ReplayDeadLettersResult]):
    """Make dead letters due again with a fresh budget: the given ones, one run's, or all; oldest first."""

    type: ClassVar[str] = "plugin.replayDLQ"
    max_events: int = Field(default=100, ge=1)
    event_ids: list[str] | None = None
    run_id: str | None = None
    idempotency_key: str | None = Key


class DiscardDeadLettersResult(Result):
    discarded: int


class DiscardDeadLetters(Command[DiscardDeadLettersResult]):
    """Close dead letters for good; the rows stay, with the reason, so that sequences stay gapless."""

    type: ClassVar[str] = "dlq.discard"
    event_ids: list[str] = Field(min_length=1)
    reason: str = Field(min_length=1)
    idempotency_key: str | None = Key


class PollNowResult(Result):
    stages: list[str]


class PollNow(Command[PollNowResult]):
    """Make waits due at once: suspended stages are polled, retries don't wait out their backoff."""

    type: ClassVar[str] = "stage.pollNow"
    run_id: str
    stage_id: str | None = None


class FailStageResult(Result):
    failed: bool


class FailStage(Command[FailStageResult]):
    """Give up a stage that waits: it fails for good, with the reason as its error."""

    type: ClassVar[str] = "stage.fail"
    run_id: str
    stage_id: str
    reason: str = Field(min_length=1)


class PauseWorkflowResult(Result):
    paused: bool


class PauseWorkflow(Command[PauseWorkflowResult]):
    """Claim and poll nothing new of this workflow; what executes ends. `paused`: whether it is now."""

    type: ClassVar[str] = "workflow.pause"
    workflow_id: str
    reason: str | None = None


class ResumeWorkflow(Command[PauseWorkflowResult]):
    """End a pause. `paused`: whether it still is."""

    type: ClassVar[str] = "workflow.resume"
    workflow_id: str
    reason: str | None = None


class SetBudgetResult(Result):
    max_cost: Decimal | None
    spent: Decimal
    """So far, by the run or the stage."""
    released: list[str]
    """Stages that waited for money and are due now."""


class SetBudget(Command[SetBudgetResult]):
    """What a run, or one of its stages, may spend on AI calls: US dollars, None without limit.

    It goes before the settings and the stage's own `max_cost`. Stages that wait for money are due at once.
    """

    type: ClassVar[str] = "run.setBudget"
    run_id: str
    max_cost: Decimal | None = Field(ge=0, le=1_000_000_000, max_digits=20, decimal_places=9)
    stage_id: str | None = None
    reason: str | None = None
    idempotency_key: str | None = Key


class AnnotateRunResult(Result):
    written: int


class AnnotateRun(Command[AnnotateRunResult]):
    """Attach facts to a run, or to a part of it (`scope`, `scope_id`); attributes that are None are skipped.

    `idempotency_key` is also kept with each row: one row per (run, attribute, key), whoever writes it.
    `emit_event`: one `annotation:created` per attribute.
    """

    type: ClassVar[str] = "run.annotate"
    run_id: str
    attributes: dict[str, Any]
    actor: str | None = None
    actor_kind: str | None = None
    actor_version: str | None = None
    scope: str = Field(default="run", min_length=1)
    scope_id: str | None = None
    attempt: int | None = Field(default=None, ge=0)
    payload: Any = None
    emit_event: bool = False
    idempotency_key: str | None = Key


COMMANDS: dict[str, type[Command[Any]]] = {
    command.type: command
    for command in (
        CreateRun,
        ClaimPendingRuns,
        TransitionRun,
        CancelRun,
        RerunFrom,
        RetryFailed,
        ExecuteJob,
        PollSuspendedStages,
        ReapStaleLeases,
        ReapStuckRuns,
        FlushOutbox,
        ReplayDeadLetters,
        DiscardDeadLetters,
        PollNow,
        FailStage,
        PauseWorkflow,
        ResumeWorkflow,
        AnnotateRun,
        SetBudget,
    )
}
"""Every command by its wire name."""


def parse_command(wire: Mapping[str, Json]) -> Command[Any]:
    """The command of a mapping such as `{"type": "run.cancel", "run_id": "…"}`; raises `InvalidInput` with paths."""
    fields = dict(wire)
    name = fields.pop("type", None)
    command = COMMANDS.get(name) if isinstance(name, str) else None
    if command is None:
        raise InvalidInput([Problem("type", f"no command {name!r}; commands are: {', '.join(sorted(COMMANDS))}")])
    try:
        return command.model_validate(fields)
    except ValidationError as error:
        raise InvalidInput(problems_of(error)) from error
