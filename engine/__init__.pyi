from .commands import (
    AnnotateRun as AnnotateRun,
    AnnotateRunResult as AnnotateRunResult,
    CancelRun as CancelRun,
    CancelRunResult as CancelRunResult,
    ClaimPendingRuns as ClaimPendingRuns,
    ClaimPendingRunsResult as ClaimPendingRunsResult,
    ClaimedRun as ClaimedRun,
    Command as Command,
    CreateRun as CreateRun,
    CreateRunResult as CreateRunResult,
    DiscardDeadLetters as DiscardDeadLetters,
    DiscardDeadLettersResult as DiscardDeadLettersResult,
    ExecuteJob as ExecuteJob,
    ExecuteJobResult as ExecuteJobResult,
    FailStage as FailStage,
    FailStageResult as FailStageResult,
    FlushOutbox as FlushOutbox,
    FlushOutboxResult as FlushOutboxResult,
    PauseWorkflow as PauseWorkflow,
    PauseWorkflowResult as PauseWorkflowResult,
    PollNow as PollNow,
    PollNowResult as PollNowResult,
    PollSuspendedStages as PollSuspendedStages,
    PollSuspendedStagesResult as PollSuspendedStagesResult,
    ReapStaleLeases as ReapStaleLeases,
    ReapStaleLeasesResult as ReapStaleLeasesResult,
    ReapStuckRuns as ReapStuckRuns,
    ReapStuckRunsResult as ReapStuckRunsResult,
    ReplayDeadLetters as ReplayDeadLetters,
    ReplayDeadLettersResult as ReplayDeadLettersResult,
    RerunFrom as RerunFrom,
    RerunFromResult as RerunFromResult,
    Result as Result,
    ResumeWorkflow as ResumeWorkflow,
    RetryFailed as RetryFailed,
    RetryFailedResult as RetryFailedResult,
    SetBudget as SetBudget,
    SetBudgetResult as SetBudgetResult,
    TransitionRun as TransitionRun,
    TransitionRunResult as TransitionRunResult,
    parse_command as parse_command,
)
from .definition.ai import (
    AIBatch as AIBatch,
    BatchItem as BatchItem,
    BatchRequest as BatchRequest,
    BatchStatus as BatchStatus,
    EmbedResult as EmbedResult,
    FilePart as FilePart,
    ImagePart as ImagePart,
    ObjectResult as ObjectResult,
    TextResult as TextResult,
    TextStream as TextStream,
)
from .definition.builder import WorkflowBuilder as WorkflowBuilder
from .definition.context import (
    AIHelper as AIHelper,
    StageContext as StageContext,
)
from .definition.plugin import (
    Plugin as Plugin,
    define_plugin as define_plugin,
)
from .definition.presets import (
    AIConfig as AIConfig,
    ConcurrencyConfig as ConcurrencyConfig,
    DebugConfig as DebugConfig,
    StandardConfig as StandardConfig,
)
from .definition.retry import RetryPolicy as RetryPolicy
from .definition.schema import (
    NoConfig as NoConfig,
    NoInput as NoInput,
)
from .definition.stage import (
    Stage as Stage,
    async_batch_stage as async_batch_stage,
    stage as stage,
)
from .definition.suspension import (
    Completion as Completion,
    StageResult as StageResult,
    Suspend as Suspend,
)
from .definition.workflow import Workflow as Workflow
from .errors import (
    AIAuthError as AIAuthError,
    AIBadRequest as AIBadRequest,
    AIBadResponse as AIBadResponse,
    AIError as AIError,
    AIRateLimited as AIRateLimited,
    AIUnavailable as AIUnavailable,
    BudgetExceeded as BudgetExceeded,
    DefinitionError as DefinitionError,
    EngineError as EngineError,
    IdempotencyConflict as IdempotencyConflict,
    IdempotencyInProgress as IdempotencyInProgress,
    IllegalTransition as IllegalTransition,
    InvalidConfig as InvalidConfig,
    InvalidInput as InvalidInput,
    InvalidOutput as InvalidOutput,
    LeaseLost as LeaseLost,
    NonRetryable as NonRetryable,
    Problem as Problem,
    ReadOnly as ReadOnly,
    RunNotFound as RunNotFound,
    SchemaTooNew as SchemaTooNew,
    SchemaTooOld as SchemaTooOld,
    StageNotFound as StageNotFound,
    StageOutputMissing as StageOutputMissing,
    StoreUnavailable as StoreUnavailable,
    UnknownModel as UnknownModel,
    WorkflowNotFound as WorkflowNotFound,
)
from .events import Event as Event
from .model.budgets import Budgets as Budgets
