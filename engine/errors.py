"""Everything the engine raises on purpose. Each error carries facts; its class builds the sentence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal


class EngineError(Exception):
    """The root of the engine's errors: catch this to catch them all."""


class NonRetryable(EngineError):
    """Raised by a stage body to fail its stage at once, whatever the retry policy says."""


class DefinitionError(EngineError):
    """A stage or workflow is declared wrongly; raised at import or build time, never at run time."""


class WorkflowNotFound(EngineError):
    """No workflow of that id is registered here."""

    def __init__(self, workflow_id: str, known: Iterable[str] = ()) -> None:
        self.workflow_id = workflow_id
        self.known = sorted(known)
        registered = ", ".join(self.known) or "none"
        super().__init__(f"unknown workflow {workflow_id!r}; registered here: {registered}")


class RunNotFound(EngineError):
    """No run of that id exists."""

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        super().__init__(f"no run {run_id!r}")


class StageNotFound(EngineError):
    """The workflow, or the run, has no such stage."""

    def __init__(self, stage_id: str, known: Iterable[str] = ()) -> None:
        self.stage_id = stage_id
        self.known = list(known)
        super().__init__(f"unknown stage {stage_id!r}; stages are: {', '.join(self.known) or 'none'}")


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a value: a dotted field path (may be empty) and what is wrong there."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


class _Invalid(EngineError):
    subject = "value"

    def __init__(self, problems: Sequence[Problem] | str) -> None:
        self.problems = [Problem("", problems)] if isinstance(problems, str) else list(problems)
        super().__init__(f"invalid {self.subject}: " + "; ".join(str(problem) for problem in self.problems))


class InvalidInput(_Invalid):
    """An input does not fit its schema, or is no JSON we accept. `problems` lists every field path."""

    subject = "input"


class InvalidConfig(_Invalid):
    """A config does not fit its stage's schema. `problems` lists every `stage.field` path."""

    subject = "config"


class InvalidOutput(_Invalid):
    """A stage returned something its output schema refuses: a non-retryable failure of that stage."""

    subject = "output"


class IllegalTransition(EngineError):
    """The command is not allowed in the state the run is in, e.g. a rerun of a running run."""

    def __init__(self, run_id: str, status: str, wanted: str) -> None:
        self.run_id, self.status, self.wanted = run_id, status, wanted
        super().__init__(f"run {run_id} is {status}: cannot {wanted}")


class IdempotencyInProgress(EngineError):
    """The command of this key is still being carried out by somebody else."""

    def __init__(self, key: str, command_type: str) -> None:
        self.key, self.command_type = key, command_type
        super().__init__(f"{command_type} with key {key!r} is in progress")


class IdempotencyConflict(EngineError):
    """The key was used before with another payload."""

    def __init__(self, key: str, command_type: str) -> None:
        self.key, self.command_type = key, command_type
        super().__init__(f"key {key!r} was already used for another {command_type}")


class LeaseLost(EngineError):
    """The job belongs to somebody else by now: nothing of this delivery may be written any more."""

    def __init__(self, job_id: str) -> None:
        self.job_id = job_id
        super().__init__(f"the lease of job {job_id} is lost")


class StoreUnavailable(EngineError):
    """The database can't be reached or refuses to work; the cause says why."""


class ReadOnly(EngineError):
    """The database was opened for reading only."""

    def __init__(self) -> None:
        super().__init__("opened read-only: nothing can be changed from here")


class SchemaTooOld(EngineError):
    """The database's schema is behind this program's."""

    def __init__(self, found: str, needed: str) -> None:
        self.found, self.needed = found, needed
        super().__init__(f"the database has schema {found}, this program needs {needed}: run `wfconsole db upgrade`")


class SchemaTooNew(EngineError):
    """The database's schema is ahead of this program's."""

    def __init__(self, found: str, known: str) -> None:
        self.found, self.known = found, known
        super().__init__(f"the database has schema {found}, this program knows up to {known}: upgrade wfconsole")


class StageOutputMissing(EngineError):
    """`ctx.require` asked for a stage that has no output in this run."""

    def __init__(self, stage_id: str, available: Iterable[str]) -> None:
        self.stage_id = stage_id
        self.available = list(available)
        there = ", ".join(self.available) or "none"
        super().__init__(f"no output of stage {stage_id!r}; available: {there}")


class AIError(EngineError):
    """A call to an AI model failed. `provider`, `status` (HTTP) and `retry_after` (seconds) are None if unknown."""

    def __init__(
        self,
        said: str,
        *,
        provider: str | None = None,
        status: int | None = None,
        retry_after: float | None = None,
    ) -> None:
        self.said, self.provider, self.status, self.retry_after = said, provider, status, retry_after
        answered = f" answered {status}" if status is not None else ""
        super().__init__(f"{provider}{answered}: {said}" if provider else said)


class AIAuthError(AIError):
    """The provider has no key, or refuses the one it got."""


class AIRateLimited(AIError):
    """The provider takes no more for now, and went on saying so for as long as it was asked again."""


class AIUnavailable(AIError):
    """The provider can't be reached, is overloaded, broke down or went silent."""

    reached = True
    """False when no connection came about: then nothing was asked, and nothing is to be paid."""
    silent = False
    """True when it took the request and said nothing: it may be paid, so it isn't asked again at once."""


class AIBadRequest(AIError):
    """The provider refuses the request as it is: asking again would change nothing."""


class AIBadResponse(AIError):
    """The answer can't be used: cut off, no JSON, or not what the schema asked for."""


class UnknownModel(AIError):
    """No provider of that name is known here, or none that has this model."""

    def __init__(self, model: str, near: Iterable[str] = (), *, said: str = "") -> None:
        self.model = model
        self.near = list(near)
        hint = f"; did you mean {', '.join(self.near)}?" if self.near else ""
        super().__init__(f"unknown model {model!r}: {said or 'models are named provider/model'}{hint}")


class BudgetExceeded(AIError):
    """The call would be paid from a budget that is spent; `limit` and `spent` are US dollars."""

    def __init__(self, scope: str, limit: Decimal, spent: Decimal) -> None:
        self.scope, self.limit, self.spent = scope, limit, spent
        super().__init__(f"the budget of {scope} is spent: {spent:f} of {limit:f} US dollars")
