from .commands import (
    AnnotateRun as AnnotateRun,
)
from .commands import (
    AnnotateRunResult as AnnotateRunResult,
)
from .commands import (
    CancelRun as CancelRun,
)
from .commands import (
    CancelRunResult as CancelRunResult,
)
from .commands import (
    ClaimedRun as ClaimedRun,
)
from .commands import (
    ClaimPendingRuns as ClaimPendingRuns,
)
from .commands import (
    ClaimPendingRunsResult as ClaimPendingRunsResult,
)
from .commands import (
    Command as Command,
)
from .commands import (
    CreateRun as CreateRun,
)
from .commands import (
    CreateRunResult as CreateRunResult,
)
from .commands import (
    DiscardDeadLetters as DiscardDeadLetters,
)
from .commands import (
    DiscardDeadLettersResult as DiscardDeadLettersResult,
)
from .commands import (
    ExecuteJob as ExecuteJob,
)
from .commands import (
    ExecuteJobResult as ExecuteJobResult,
)
from .commands import (
    FailStage as FailStage,
)
from .commands import (
    FailStageResult as FailStageResult,
)
from .commands import (
    FlushOutbox as FlushOutbox,
)
from .commands import (
    FlushOutboxResult as FlushOutboxResult,
)
from .commands import (
    PauseWorkflow as PauseWorkflow,
)
from .commands import (
    PauseWorkflowResult as PauseWorkflowResult,
)
from .commands import (
    PollNow as PollNow,
)
from .commands import (
    PollNowResult as PollNowResult,
)
from .commands import (
    PollSuspendedStages as PollSuspendedStages,
)
from .commands import (
    PollSuspendedStagesResult as PollSuspendedStagesResult,
)
from .commands import (
    ReapStaleLeases as ReapStaleLeases,
)
from .commands import (
    ReapStaleLeasesResult as ReapStaleLeasesResult,
)
from .commands import (
    ReapStuckRuns as ReapStuckRuns,
)
from .commands import (
    ReapStuckRunsResult as ReapStuckRunsResult,
)
from .commands import (
    ReplayDeadLetters as ReplayDeadLetters,
)
from .commands import (
    ReplayDeadLettersResult as ReplayDeadLettersResult,
)
from .commands import (
    RerunFrom as RerunFrom,
)
from .commands import (
    RerunFromResult as RerunFromResult,
)
from .commands import (
    Result as Result,
)
from .commands import (
    ResumeWorkflow as ResumeWorkflow,
)
from .commands import (
    RetryFailed as RetryFailed,
)
from .commands import (
    RetryFailedResult as RetryFailedResult,
)
from .commands import (
    SetBudget as SetBudget,
)
from .commands import (
    SetBudgetResult as SetBudgetResult,
)
from .commands import (
    TransitionRun as TransitionRun,
)
from .commands import (
    TransitionRunResult as TransitionRunResult,
)
from .commands import (
    parse_command as parse_command,
)
from .definition.ai import (
    AIBatch as AIBatch,
)
from .definition.ai import (
    BatchItem as BatchItem,
)
from .definition.ai import (
    BatchRequest as BatchRequest,
)
from .definition.ai import (
    BatchStatus as BatchStatus,
)
from .definition.ai import (
    EmbedResult as EmbedResult,
)
from .definition.ai import (
    FilePart as FilePart,
)
from .definition.ai import (
    ImagePart as ImagePart,
)
from .definition.ai import (
    ObjectResult as ObjectResult,
)
from .definition.ai import (
    TextResult as TextResult,
)
from .definition.ai import (
    TextStream as TextStream,
)
from .definition.builder import (
    WorkflowBuilder as WorkflowBuilder,
)
from .definition.context import (
    AIHelper as AIHelper,
)
from .definition.context import (
    StageContext as StageContext,
)
from .definition.plugin import (
    Plugin as Plugin,
)
from .definition.plugin import (
    define_plugin as define_plugin,
)
from .definition.presets import (
    AIConfig as AIConfig,
)
from .definition.presets import (
    ConcurrencyConfig as ConcurrencyConfig,
)
from .definition.presets import (
    DebugConfig as DebugConfig,
)
from .definition.presets import (
    StandardConfig as StandardConfig,
)
from .definition.retry import (
    RetryPolicy as RetryPolicy,
)
from .definition.schema import (
    NoConfig as NoConfig,
)
from .definition.schema import (
    NoInput as NoInput,
)
from .definition.stage import (
    Stage as Stage,
)
from .definition.stage import (
    async_batch_stage as async_batch_stage,
)
from .definition.stage import (
    stage as stage,
)
from .definition.suspension import (
    Completion as Completion,
)
from .definition.suspension import (
    StageResult as StageResult,
)
from .definition.suspension import (
    Suspend as Suspend,
)
from .definition.workflow import (
    Workflow as Workflow,
)
from .errors import (
    AIAuthError as AIAuthError,
)
from .errors import (
    AIBadRequest as AIBadRequest,
)
from .errors import (
    AIBadResponse as AIBadResponse,
)
from .errors import (
    AIError as AIError,
)
from .errors import (
    AIRateLimited as AIRateLimited,
)
from .errors import (
    AIUnavailable as AIUnavailable,
)
from .errors import (
    BudgetExceeded as BudgetExceeded,
)
from .errors import (
    DefinitionError as DefinitionError,
)
from .errors import (
    EngineError as EngineError,
)
from .errors import (
    IdempotencyConflict as IdempotencyConflict,
)
from .errors import (
    IdempotencyInProgress as IdempotencyInProgress,
)
from .errors import (
    IllegalTransition as IllegalTransition,
)
from .errors import (
    InvalidConfig as InvalidConfig,
)
from .errors import (
    InvalidInput as InvalidInput,
)
from .errors import (
    InvalidOutput as InvalidOutput,
)
from .errors import (
    LeaseLost as LeaseLost,
)
from .errors import (
    NonRetryable as NonRetryable,
)
from .errors import (
    Problem as Problem,
)
from .errors import (
    ReadOnly as ReadOnly,
)
from .errors import (
    RunNotFound as RunNotFound,
)
from .errors import (
    SchemaTooNew as SchemaTooNew,
)
from .errors import (
    SchemaTooOld as SchemaTooOld,
)
from .errors import (
    StageNotFound as StageNotFound,
)
from .errors import (
    StageOutputMissing as StageOutputMissing,
)
from .errors import (
    StoreUnavailable as StoreUnavailable,
)
from .errors import (
    UnknownModel as UnknownModel,
)
from .errors import (
    WorkflowNotFound as WorkflowNotFound,
)
from .events import (
    Event as Event,
)
from .model.budgets import Budgets as Budgets
