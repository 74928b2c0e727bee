"""What place 6 knows of one workflow beside its definition: how its last runs went, who has which version, who holds
it, what is scheduled."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.inspector import (
    AuditView,
    PageRequest,
    RunFilter,
    RunStatus,
    RunSummary,
    ScheduleView,
    UnfinishedView,
    WorkflowView,
)

if TYPE_CHECKING:
    from engine.inspector import Inspector

LATELY = 200
"""The last runs looked at."""
_ENDED = (RunStatus.COMPLETED, RunStatus.FAILED)


@dataclass(frozen=True, slots=True)
class Recent:
    """How the last runs that completed or failed went; durations in milliseconds, of the completed ones."""

    ended: int = 0
    ok: int = 0
    p50: int | None = None
    p95: int | None = None

    @property
    def rate(self) -> float | None:
        """Share of completed ones, 0 to 1; None without any."""
        return self.ok / self.ended if self.ended else None


@dataclass(frozen=True, slots=True)
class WorkflowFacts:
    workflow_id: str
    recent: Recent
    hold: AuditView | None


@dataclass(frozen=True, slots=True)
class WorkflowsSheet:
    """All the place shows; `facts` are of the workflow under the cursor."""

    workflows: Sequence[WorkflowView]
    unfinished: Sequence[UnfinishedView]
    schedules: Sequence[ScheduleView]
    facts: WorkflowFacts | None


def recent_of(runs: Sequence[RunSummary]) -> Recent:
    """Of runs that have ended; cancelled ones say nothing."""
    ended = [run for run in runs if run.status in _ENDED]
    took = sorted(run.duration_ms for run in ended if run.status == RunStatus.COMPLETED and run.duration_ms is not None)
    ok = sum(run.status == RunStatus.COMPLETED for run in ended)
    return Recent(len(ended), ok, percentile(took, 0.5), percentile(took, 0.95))


def percentile(ordered: Sequence[int], share: float) -> int | None:
    """The nearest rank: the smallest value that so large a share does not exceed. None of nothing."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else None


async def read_sheet(inspector: Inspector, wanted: str | None) -> WorkflowsSheet:
    """The sheet, with the facts of the workflow `wanted`, else of the first one."""
    unfinished = await inspector.unfinished()
    # A release that would leave runs behind is seen without a search.
    lost = {view.workflow_id for view in unfinished if not view.survives}
    workflows = sorted(await inspector.workflows(), key=lambda one: one.id not in lost)
    chosen = next((one for one in workflows if one.id == wanted), workflows[0] if workflows else None)
    facts = None if chosen is None else await _facts(inspector, chosen)
    return WorkflowsSheet(workflows, unfinished, await inspector.schedules(), facts)


async def _facts(inspector: Inspector, workflow: WorkflowView) -> WorkflowFacts:
    wanted = RunFilter(workflow_id=(workflow.id,), status=tuple(status.value for status in _ENDED))
    lately = await inspector.runs(wanted, PageRequest(limit=LATELY, sort="-completed_at"))
    hold: AuditView | None = None
    if workflow.paused:
        held = await inspector.audit(command="workflow.pause", page=PageRequest(limit=50))
        hold = next((one for one in held.items if one.target == workflow.id), None)
    return WorkflowFacts(workflow.id, recent_of(lately.items), hold)
