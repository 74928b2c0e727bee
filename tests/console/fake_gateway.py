"""A gateway whose state a test forces: frozen views in, commands recorded, changes and failures on demand."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

from console_samples import NOON, detail, mixed_runs, plan, summary
from fake_places import FakePlaces

from engine.commands import (
    AnnotateRun,
    AnnotateRunResult,
    CancelRun,
    CancelRunResult,
    Command,
    CreateRun,
    CreateRunResult,
    DiscardDeadLetters,
    DiscardDeadLettersResult,
    FailStage,
    FailStageResult,
    PauseWorkflow,
    PauseWorkflowResult,
    PollNow,
    PollNowResult,
    ReplayDeadLetters,
    ReplayDeadLettersResult,
    RerunFrom,
    RerunFromResult,
    ResumeWorkflow,
    RetryFailed,
    RetryFailedResult,
)
from engine.errors import InvalidConfig, InvalidInput, Problem, RunNotFound, StoreUnavailable
from engine.inspector import (
    AICallView,
    AnnotationView,
    ArtifactContent,
    AttemptValues,
    AuditView,
    ExpectedCost,
    FailureView,
    UsualTimes,
)
from engine.inspector.views import (
    CauseView,
    EventView,
    Explanation,
    LogLine,
    Overview,
    QueueRow,
    RunDetail,
    RunSummary,
    TrendView,
    WorkerView,
    WorkflowView,
)
from engine.model.criteria import Page, PageRequest, RunFilter
from engine.model.status import Delivery, RunStatus


class FakeInspector(FakePlaces):
    """Answers from lists; `failing` makes every answer an error, `gate` holds every answer back."""

    def __init__(self, runs: Sequence[RunSummary]) -> None:
        self.rows = list(runs)
        self.lines: list[LogLine] = []
        self.letters: list[EventView] = []
        self.history: list[EventView] = []
        self.actions: list[AuditView] = []
        self.notes: list[AnnotationView] = []
        self.values: dict[str, list[AttemptValues]] = {}
        self.states: dict[str, Any] = {}
        self.files: dict[str, bytes] = {}
        self.ai: list[AICallView] = []
        self.prices: dict[str, Decimal] = {}
        self.usual: dict[str, UsualTimes] = {}
        self.changes: dict[str, dict[str, Any]] = {}
        """Fields of a run's detail, by run id, that are another than usual."""
        self.failing: Exception | None = None
        self.ended = [0] * 24
        self.filters: list[RunFilter] = []
        self.sorts: list[str] = []
        self.causes: list[FailureView] = []
        self.hot: CauseView | None = None
        self.gate = asyncio.Event()
        self.gate.set()
        self.asked = 0

    async def _answer(self) -> None:
        self.asked += 1
        await self.gate.wait()
        if self.failing is not None:
            raise self.failing

    async def overview(self) -> Overview:
        await self._answer()
        counts = {status.value: 0 for status in RunStatus}
        for run in self.rows:
            counts[run.status] += 1
        running = [run for run in self.rows if run.status is RunStatus.RUNNING]
        return Overview(
            counts=counts,
            rate_per_s=3.1,
            fail_rate=0.1,
            workers_alive=1,
            workers_known=2,
            queue=counts["PENDING"],
            undelivered=0,
            dead_letters=len(self.letters),
            cost_today=Decimal("38.21"),
            unpriced_today=0,
            as_of=NOON,
            retrying=sum(run.retry_at is not None for run in running),
            waiting=sum(run.waiting for run in running),
        )

    async def trends(self) -> TrendView:
        await self._answer()
        return TrendView(ended=self.ended, hot=self.hot, as_of=NOON)

    async def runs(
        self,
        filter: RunFilter | None = None,  # noqa: A002
        page: PageRequest | None = None,
    ) -> Page[RunSummary]:
        await self._answer()
        filter_, page = filter or RunFilter(), page or PageRequest()
        self.filters.append(filter_)
        self.sorts.append(page.sort)
        rows = [run for run in self.rows if _matches(run, filter_)]
        start = int(page.cursor or 0)
        end = start + page.limit
        return Page[RunSummary](items=rows[start:end], next_cursor=str(end) if end < len(rows) else None)

    async def failures(self, filter: RunFilter | None = None) -> Page[FailureView]:  # noqa: A002
        await self._answer()
        return Page[FailureView](items=self.causes)

    async def run(self, run_id: str) -> RunDetail:
        await self._answer()
        return detail(self._row(run_id)).model_copy(update=self.changes.get(run_id, {}))

    def _row(self, run_id: str) -> RunSummary:
        found = next((run for run in self.rows if run.id == run_id), None)
        if found is None:
            raise RunNotFound(run_id)
        return found

    async def resolve(self, prefix: str) -> list[str]:
        await self._answer()
        return [run.id for run in self.rows if run.id.startswith(prefix)]

    async def explain(self, run_id: str) -> Explanation:
        await self._answer()
        run = self._row(run_id)
        return Explanation(
            run_id=run_id,
            code="executing",
            summary=f"it is {run.status.lower()}",
            since=run.created_at,
            until=None,
            facts={"worker": "box-1:4242"},
            next=[Explanation.Next(label="retry", key="F", cli=f"wfconsole retry {run_id}")],
        )

    async def logs(self, run_id: str | None = None, *, page: PageRequest | None = None, **_: Any) -> Page[LogLine]:
        await self._answer()
        page = page or PageRequest()
        lines = [line for line in reversed(self.lines) if run_id in (None, line.run_id)]
        start = int(page.cursor or 0)
        end = start + page.limit
        return Page[LogLine](items=lines[start:end], next_cursor=str(end) if end < len(lines) else None)

    async def tail_logs(
        self, run_id: str | None = None, *, after: str | None = None, limit: int = 200
    ) -> Page[LogLine]:
        await self._answer()
        lines = [line for line in self.lines if run_id in (None, line.run_id) and line.id > (after or "")]
        return Page[LogLine](items=lines[:limit], next_cursor=lines[:limit][-1].id if lines else after)

    async def events(self, run_id: str, page: PageRequest | None = None) -> Page[EventView]:
        await self._answer()
        found = [event for event in (self.history or self.letters) if event.run_id == run_id]
        page = page or PageRequest(sort="sequence")
        found.sort(key=lambda event: event.sequence, reverse=page.sort.startswith("-"))
        return Page[EventView](items=found[: page.limit])

    async def audit(self, run_id: str | None = None, *, page: PageRequest | None = None, **_: Any) -> Page[AuditView]:
        await self._answer()
        return Page[AuditView](items=self.deeds if run_id is None else self.actions)

    async def annotations(self, run_id: str, *, page: PageRequest | None = None) -> Page[AnnotationView]:
        await self._answer()
        return Page[AnnotationView](items=self.notes)

    async def attempts(self, run_id: str, stage_id: str) -> list[AttemptValues]:
        await self._answer()
        return self.values.get(stage_id, [])

    async def suspended_state(self, run_id: str, stage_id: str) -> Any:
        await self._answer()
        return self.states.get(stage_id)

    async def artifact(
        self, run_id: str, stage_id: str, name: str, *, attempt: int | None = None
    ) -> ArtifactContent | None:
        await self._answer()
        content = self.files.get(name)
        if content is None:
            return None
        return ArtifactContent(name=name, media_type="text/plain", size=len(content), digest="d", content=content)

    async def ai_calls(
        self, run_id: str | None = None, *, stage_id: str | None = None, status: str | None = None, **_: Any
    ) -> Page[AICallView]:
        await self._answer()
        if run_id is None:
            return self.calls_of_all(**_)
        found = [call for call in reversed(self.ai) if call.run_id == run_id]
        found = [call for call in found if stage_id in (None, call.stage_id) and status in (None, call.status)]
        return Page[AICallView](items=found)

    async def ai_call(self, call_id: str) -> AICallView:
        await self._answer()
        return next(call for call in (*self.ai, *self.calls_of_all().items) if call.id == call_id)

    async def expected_cost(self, workflow_id: str, stage_ids: Sequence[str]) -> ExpectedCost:
        await self._answer()
        stages = [ExpectedCost.Stage(stage_id=one, cost=self.prices.get(one), runs=12) for one in stage_ids]
        known = [stage.cost for stage in stages if stage.cost is not None]
        whole = sum(known, Decimal(0)) if len(known) == len(stages) else None
        return ExpectedCost(cost=whole, runs=12, unpriced=False, stages=stages)

    async def usual_times(self, workflow_id: str) -> dict[str, UsualTimes]:
        await self._answer()
        return self.usual

    async def dead_letters(
        self, run_id: str | None = None, page: PageRequest | None = None, **_: Any
    ) -> Page[EventView]:
        await self._answer()
        return Page[EventView](items=self.letters)

    async def workers(self) -> list[WorkerView]:
        await self._answer()
        return [
            WorkerView(
                id="box-1:4242",
                host="box-1",
                pid=4242,
                started_at=NOON - timedelta(hours=2),
                last_seen_at=NOON - timedelta(seconds=3),
                alive=True,
                concurrency=8,
                running=2,
                workflows={"summarise-docs": "f00dcafe"},
            )
        ]

    async def queue(self) -> list[QueueRow]:
        await self._answer()
        return [
            QueueRow(
                workflow_id="summarise-docs",
                pending=3,
                scheduled=1,
                running=2,
                oldest_pending_at=NOON - timedelta(minutes=2),
            )
        ]

    async def workflows(self) -> list[WorkflowView]:
        await self._answer()
        schema = {
            "type": "object",
            "properties": {"url": {"type": "string"}, "pages": {"type": "integer", "default": 10}},
            "required": ["url"],
        }
        return [
            WorkflowView(
                id=workflow_id,
                name=name,
                description="",
                fingerprint="f00dcafe",
                groups=plan(),
                input_schema=schema,
                registered=True,
                live_workers=1,
                paused=False,
                unfinished=2,
            )
            for workflow_id, name in (("invoice-extract", "Invoices"), ("summarise-docs", "Summaries"))
        ]


def _matches(run: RunSummary, wanted: RunFilter) -> bool:
    if wanted.ids is not None and not any(run.id.startswith(prefix) for prefix in wanted.ids):
        return False
    if wanted.status and run.status not in wanted.status:
        return False
    return not wanted.workflow_id or run.workflow_id in wanted.workflow_id


class FakeWorkflow:
    """What dialogs ask of a registered workflow: its verdict on an input or a config."""

    def __init__(self, workflow_id: str) -> None:
        self.id, self.stages = workflow_id, [SimpleNamespace(id="embed")]

    def validate_input(self, value: Any) -> Any:
        if not (isinstance(value, dict) and value.get("url")):
            raise InvalidInput([Problem("url", "a value is required")])
        return value

    def validate_config(self, config: dict[str, Any]) -> Any:
        problems = [
            Problem(f"{stage}.{name}", "must not be negative")
            for stage, fields in config.items()
            for name, value in fields.items()
            if isinstance(value, int) and value < 0
        ]
        if problems:
            raise InvalidConfig(problems)
        return config


class FakeGateway:
    """What the console needs of a gateway. `commands` holds what was sent."""

    database = "sqlite:///demo.db"
    read_only = False

    def __init__(self, runs: Sequence[RunSummary] | None = None) -> None:
        self.inspector = FakeInspector(mixed_runs() if runs is None else runs)
        self.workflows = {name: FakeWorkflow(name) for name in ("summarise-docs", "invoice-extract")}
        self.commands: list[Command[Any]] = []
        self.after_retry = RunStatus.RUNNING
        self.refusals: dict[str, Exception] = {}
        self._changed = asyncio.Event()

    def change(self, *runs: RunSummary) -> None:
        """Replace these runs, or add new ones on top, and wake whoever waits for a change."""
        known = {run.id: run for run in runs}
        fresh = [run for run in runs if run.id not in {row.id for row in self.inspector.rows}]
        self.inspector.rows = [*fresh, *(known.get(row.id, row) for row in self.inspector.rows)]
        self._changed.set()

    def log(self, *lines: LogLine) -> None:
        self.inspector.lines.extend(lines)
        self._changed.set()

    async def changed(self, timeout: float) -> bool:
        """A change wakes it; time alone never does, so that nothing depends on the clock."""
        await self._changed.wait()
        self._changed.clear()
        return True

    async def send(self, command: Command[Any]) -> Any:
        if self.inspector.failing is not None:
            raise StoreUnavailable("gone")
        refusal = self.refusals.get(getattr(command, "run_id", ""))
        if refusal is not None:
            raise refusal
        self.commands.append(command)
        if isinstance(command, FailStage):
            return FailStageResult(failed=True)
        if isinstance(command, AnnotateRun):
            return AnnotateRunResult(written=len(command.attributes))
        if isinstance(command, PollNow):
            return PollNowResult(stages=["embed"])
        if isinstance(command, CreateRun):
            if not (isinstance(command.input, dict) and command.input.get("url")):
                raise InvalidInput("url: a value is required")
            created = summary(-1, RunStatus.PENDING)
            self.change(created)
            return CreateRunResult(run_id=created.id, status="PENDING")
        if isinstance(command, CancelRun):
            run = next(row for row in self.inspector.rows if row.id == command.run_id)
            self.change(run.model_copy(update={"status": RunStatus.CANCELLED}))
            return CancelRunResult(cancelled=True)
        if isinstance(command, RerunFrom):
            return RerunFromResult(run_id=command.run_id, from_stage_id=command.from_stage_id, deleted_stages=[])
        if isinstance(command, RetryFailed):
            run = next(row for row in self.inspector.rows if row.id == command.run_id)
            self.change(run.model_copy(update={"status": self.after_retry}))
            return RetryFailedResult(run_id=command.run_id, retried_stages=["embed"])
        if isinstance(command, DiscardDeadLetters):
            return DiscardDeadLettersResult(discarded=self.inspector.settle(command.event_ids, Delivery.DISCARDED))
        if isinstance(command, ReplayDeadLetters):
            return ReplayDeadLettersResult(replayed=self.inspector.settle(command.event_ids or [], self.inspector.fate))
        assert isinstance(command, PauseWorkflow | ResumeWorkflow), command
        return PauseWorkflowResult(paused=isinstance(command, PauseWorkflow))
