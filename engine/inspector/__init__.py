"""The read API: everything consoles and dashboards see of the engine."""

from engine.inspector.inspector import Inspector
from engine.inspector.money_views import (
    AICallView,
    CallNotFound,
    CostComparison,
    ExpectedCost,
    Repriced,
    RepricedRow,
    RunBudget,
    Spending,
)
from engine.inspector.notes import AnnotationView
from engine.inspector.operations import AuditView, FailureView, ScheduleView, SinkView
from engine.inspector.places import DeadLetterGroup, LeaseView, UnfinishedView
from engine.inspector.stages import ArtifactContent, AttemptValues, UsualTimes
from engine.inspector.views import (
    ArtifactView,
    AttemptView,
    CauseView,
    CostRow,
    EventView,
    Explanation,
    LogLine,
    Overview,
    PlanStage,
    QueueRow,
    RunDetail,
    RunSummary,
    StageView,
    TrendView,
    WorkerView,
    WorkflowView,
)
from engine.model.criteria import Page, PageRequest, RunFilter
from engine.model.status import Delivery, JobStatus, LogLevel, RunStatus, StageStatus

__all__ = [
    "AICallView",
    "AnnotationView",
    "ArtifactContent",
    "ArtifactView",
    "AttemptValues",
    "AttemptView",
    "AuditView",
    "CallNotFound",
    "CauseView",
    "CostComparison",
    "CostRow",
    "DeadLetterGroup",
    "Delivery",
    "EventView",
    "ExpectedCost",
    "Explanation",
    "FailureView",
    "Inspector",
    "JobStatus",
    "LeaseView",
    "LogLevel",
    "LogLine",
    "Overview",
    "Page",
    "PageRequest",
    "PlanStage",
    "QueueRow",
    "Repriced",
    "RepricedRow",
    "RunBudget",
    "RunDetail",
    "RunFilter",
    "RunStatus",
    "RunSummary",
    "ScheduleView",
    "SinkView",
    "Spending",
    "StageStatus",
    "StageView",
    "TrendView",
    "UnfinishedView",
    "UsualTimes",
    "WorkerView",
    "WorkflowView",
]
