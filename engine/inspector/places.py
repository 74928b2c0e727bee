"""Questions of whoever operates the fleet: who holds what, what would break, what the dead letters have in common."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from engine.definition.plan import Plan
from engine.definition.registry import WorkflowRegistry
from engine.definition.workflow import Workflow
from engine.inspector import history
from engine.inspector.explain import known_to
from engine.inspector.plans import PlanCache
from engine.inspector.survival import ToDo, problems
from engine.inspector.views import EventView, View
from engine.model.read_records import OpenStage, UnfinishedCount
from engine.ports.persistence import Persistence
from engine.ports.reads import ReadStore

Registered = Callable[[], Mapping[str, Workflow]] | WorkflowRegistry
MOST_LEASES = 1_000
MOST_GROUPS = 1_000


class LeaseView(View):
    """A job under a worker's lease."""

    job_id: str
    worker_id: str | None
    run_id: str
    workflow_id: str
    stage_id: str
    attempt: int
    since: datetime | None
    """When this attempt began."""
    leased_until: datetime | None


class UnfinishedView(View):
    """The unfinished runs of one workflow and definition."""

    workflow_id: str
    fingerprint: str
    runs: int
    registered: bool
    """This process has exactly this definition."""
    survives: bool
    """They would go on with the definition registered here or, where there is none, have a live worker that knows
    the workflow."""
    problems: list[str]
    workers: dict[str, str]
    """Live workers that know the workflow, each with the fingerprint it has."""


class DeadLetterGroup(View):
    """Dead letters with one cause at one sink."""

    fingerprint: str | None
    sink: str | None
    example: str | None
    types: list[str]
    events: int
    runs: int
    first_at: datetime
    last_at: datetime


class PlacesInspector:
    """The part of the inspector about leases, deploys and groups of dead letters."""

    _persistence: Persistence
    _plans: PlanCache
    _registered: Registered

    def _known_here(self) -> dict[str, Workflow]:
        if isinstance(self._registered, WorkflowRegistry):
            return {workflow.id: workflow for workflow in self._registered}
        return dict(self._registered())

    async def leases(self) -> list[LeaseView]:
        """What is being executed, by worker, the longest first; at most 1,000."""

        def read(reads: ReadStore) -> list[LeaseView]:
            return [LeaseView(**lease._asdict()) for lease in reads.leases(MOST_LEASES)]

        return await self._persistence.read(read)

    async def unfinished(self) -> list[UnfinishedView]:
        """Unfinished runs by workflow and definition, and whether they would survive the definitions known here."""
        registered = {workflow_id: workflow.plan for workflow_id, workflow in self._known_here().items()}
        return await self._persistence.read(lambda reads: _unfinished(reads, registered, self._plans))

    async def dead_letter_groups(self) -> list[DeadLetterGroup]:
        """Dead letters by cause and sink, the largest group first; at most 1,000 groups."""

        def read(reads: ReadStore) -> list[DeadLetterGroup]:
            return [
                DeadLetterGroup(**{**group._asdict(), "types": sorted(group.types.split(","))})
                for group in reads.dead_letter_groups(MOST_GROUPS)
            ]

        return await self._persistence.read(read)

    async def dead_letters_of(self, run_ids: Sequence[str]) -> dict[str, int]:
        """How many dead letters each of these runs has; a run without any is left out."""
        return await self._persistence.read(lambda reads: reads.dead_letters_of(run_ids))

    async def events_by_id(self, event_ids: Sequence[str]) -> list[EventView]:
        """These events, whatever became of them, by id; unknown ids are left out."""

        def read(reads: ReadStore) -> list[EventView]:
            return list(map(history.event_view, reads.events_by_id(event_ids)))

        return await self._persistence.read(read)


def _unfinished(reads: ReadStore, registered: Mapping[str, Plan], plans: PlanCache) -> list[UnfinishedView]:
    counts: dict[tuple[str, str], list[UnfinishedCount]] = defaultdict(list)
    for one in reads.unfinished():
        counts[one.workflow_id, one.definition].append(one)
    open_stages: dict[tuple[str, str], list[OpenStage]] = defaultdict(list)
    for stage in reads.open_stages():
        open_stages[stage.workflow_id, stage.definition].append(stage)
    stored = plans.of(reads, counts)
    live = [(worker.id, known_to(worker)) for worker in reads.workers() if worker.alive_until >= reads.now]
    found = []
    for key in sorted(counts):
        workflow_id, fingerprint = key
        workers = {worker_id: known[workflow_id] for worker_id, known in live if workflow_id in known}
        now, plan = registered.get(workflow_id), stored.get(key)
        if now is None and workers:
            wrong: list[str] = []
        elif plan is None:
            wrong = ["its definition is not stored"]
        else:
            wrong = problems(plan, now, _to_do(plan, counts[key], open_stages[key]))
        found.append(
            UnfinishedView(
                workflow_id=workflow_id,
                fingerprint=fingerprint,
                runs=sum(one.runs for one in counts[key]),
                registered=now is not None and now.fingerprint == fingerprint,
                survives=not wrong,
                problems=wrong,
                workers=workers,
            )
        )
    return found


def _to_do(plan: Plan, counts: Sequence[UnfinishedCount], reached: Sequence[OpenStage]) -> ToDo:
    """The open stages of the groups reached, and every stage behind the group the last of the runs has reached."""
    furthest_back = min(one.group_no for one in counts)
    later = {stage.stage_id for stage in plan.stages if stage.group > furthest_back}
    return ToDo(
        stages=later | {stage.stage_id for stage in reached},
        suspended={stage.stage_id for stage in reached if stage.suspended},
    )
