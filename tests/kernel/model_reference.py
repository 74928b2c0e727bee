"""The engine in plain Python: what its commands do to runs, stages and jobs, and nothing of how.

It knows the instants that rows carry, counts events by type, and leaves to the machine what the engine may choose.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

LEASE = timedelta(minutes=5)
POLL_LEASE = timedelta(seconds=60)
POLL_EVERY = timedelta(minutes=1)
MAX_WAIT = timedelta(minutes=10)
MAX_ATTEMPTS = 3
FIRST_PAUSE = timedelta(seconds=10)
POLL_ERRORS = 5

PLANS: dict[str, list[list[str]]] = {
    "line": [["a"], ["b"], ["c"]],
    "wide": [["a"], ["left", "right"], ["z"]],
    "batch": [["wait"], ["z"]],
}

Queue = Literal["due", "scheduled", "leased", "waiting"]
Answer = Literal["ready", "waiting", "failed", "broken"]


class Refused(Exception):
    """The engine must answer with an `IllegalTransition`."""


@dataclass
class ModelStage:
    id: str
    group: int
    status: str = "PENDING"
    attempt: int = 0
    tries: int = 0
    queue: Queue | None = "due"
    due_at: datetime | None = None
    token: str | None = None
    leased_until: datetime | None = None
    next_poll_at: datetime | None = None
    being_polled: bool = False
    max_wait_until: datetime | None = None
    poll_errors: int = 0
    output: int | None = None

    @property
    def active(self) -> bool:
        return self.status in ("PENDING", "RUNNING", "SUSPENDED")


@dataclass
class ModelRun:
    id: str
    workflow: str
    priority: int
    start_at: datetime | None
    status: str = "PENDING"
    group: int = 0
    generation: int = 0
    code: str | None = None
    broken: bool = False
    """A stage of the current group failed for good."""
    stages: dict[str, ModelStage] = field(default_factory=dict)
    archived: set[tuple[str, int]] = field(default_factory=set)
    events: Counter[str] = field(default_factory=Counter)
    notes: int = 0

    @property
    def terminal(self) -> bool:
        return self.status in ("COMPLETED", "FAILED", "CANCELLED")

    @property
    def plan(self) -> list[list[str]]:
        return PLANS[self.workflow]

    @property
    def open_stages(self) -> int:
        return sum(stage.active for stage in self.stages.values() if stage.group == self.group)

    def group_of(self, stage_id: str) -> int:
        return next(number for number, group in enumerate(self.plan, 1) if stage_id in group)

    def outputs(self) -> dict[str, int]:
        return {stage.id: stage.output for stage in self.stages.values() if stage.output is not None}


class Reference:
    """All runs, and the rules of their lives."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self.runs: dict[str, ModelRun] = {}
        self.paused: set[str] = set()

    # --- what may be chosen ---------------------------------------------------------------------------------------

    def startable(self) -> list[ModelRun]:
        return [
            run
            for run in self.runs.values()
            if run.status == "PENDING"
            and run.workflow not in self.paused
            and (run.start_at is None or run.start_at <= self.now)
        ]

    def ready(self) -> list[tuple[ModelRun, ModelStage]]:
        return [
            (run, stage)
            for run, stage in self._stages()
            if run.status == "RUNNING" and run.workflow not in self.paused and self.is_due(stage)
        ]

    def is_due(self, stage: ModelStage) -> bool:
        if stage.queue == "scheduled":
            return stage.due_at is not None and stage.due_at <= self.now
        return stage.queue == "due"

    def pollable(self) -> list[tuple[ModelRun, ModelStage]]:
        return [
            (run, stage)
            for run, stage in self._stages()
            if stage.status == "SUSPENDED"
            and run.workflow not in self.paused
            and stage.next_poll_at is not None
            and stage.next_poll_at <= self.now
        ]

    def _stages(self) -> Iterator[tuple[ModelRun, ModelStage]]:
        for run in self.runs.values():
            for stage in list(run.stages.values()):
                yield run, stage

    # --- a run's way ----------------------------------------------------------------------------------------------

    def create(self, run_id: str, workflow: str, priority: int, start_at: datetime | None) -> None:
        self.runs[run_id] = ModelRun(run_id, workflow, priority, start_at)
        self.runs[run_id].events["workflow:created"] += 1

    def begin(self, run: ModelRun) -> None:
        run.status = "RUNNING"
        run.events["workflow:started"] += 1
        self._open_group(run, 1)

    def _open_group(self, run: ModelRun, group: int) -> None:
        run.group = group
        for stage_id in run.plan[group - 1]:
            before = max((attempt for stage, attempt in run.archived if stage == stage_id), default=0)
            run.stages[stage_id] = ModelStage(stage_id, group, attempt=before if run.generation else 0)

    def claim(self, run: ModelRun, stage: ModelStage, token: str) -> None:
        stage.status, stage.queue, stage.token = "RUNNING", "leased", token
        stage.due_at, stage.leased_until = None, self.now + LEASE
        stage.attempt += 1
        stage.tries += 1
        run.events["stage:started"] += 1

    def held(self, run_id: str, stage_id: str, token: str) -> ModelStage | None:
        """The stage, if this lease on it still stands."""
        run = self.runs[run_id]
        stage = run.stages.get(stage_id)
        if run.status != "RUNNING" or stage is None or stage.queue != "leased" or stage.token != token:
            return None
        return stage

    # --- ends of deliveries ---------------------------------------------------------------------------------------

    def complete(self, run: ModelRun, stage: ModelStage, output: int) -> str:
        stage.status, stage.queue, stage.output = "COMPLETED", None, output
        run.events["stage:completed"] += 1
        self._move_on(run)
        return "completed"

    def fail(self, run: ModelRun, stage: ModelStage, *, retryable: bool) -> str:
        if not retryable or stage.tries >= MAX_ATTEMPTS:
            return self.fail_for_good(run, stage, None)
        run.events["stage:failed"] += 1
        run.events["stage:retrying"] += 1
        self._again(run, stage)
        stage.queue, stage.due_at = "scheduled", self.now + FIRST_PAUSE * 2 ** (stage.tries - 1)
        return "retrying"

    def crash(self, run: ModelRun, stage: ModelStage) -> str:
        """A process died of it, or its lease ran out."""
        if stage.tries >= MAX_ATTEMPTS:
            return self.fail_for_good(run, stage, "CRASH_LIMIT")
        self._again(run, stage)
        return "retrying"

    def give_back(self, run: ModelRun, stage: ModelStage) -> str:
        self._again(run, stage)
        stage.tries -= 1
        return "given-back"

    def suspend(self, run: ModelRun, stage: ModelStage) -> str:
        stage.status, stage.queue = "SUSPENDED", "waiting"
        stage.next_poll_at, stage.max_wait_until = self.now + POLL_EVERY, self.now + MAX_WAIT
        stage.poll_errors, stage.being_polled = 0, False
        run.events["stage:suspended"] += 1
        run.events["workflow:suspended"] += 1
        return "suspended"

    def _again(self, run: ModelRun, stage: ModelStage) -> None:
        run.archived.add((stage.id, stage.attempt))
        stage.status, stage.queue, stage.token = "PENDING", "due", None

    def fail_for_good(self, run: ModelRun, stage: ModelStage, code: str | None) -> str:
        stage.status, stage.queue = "FAILED", None
        run.events["stage:failed"] += 1
        if not run.broken:
            run.broken, run.code = True, code
        self._move_on(run)
        return "failed"

    def _move_on(self, run: ModelRun) -> None:
        if run.open_stages:
            return
        if run.broken:
            run.status = "FAILED"
            run.events["workflow:failed"] += 1
        elif run.group < len(run.plan):
            self._open_group(run, run.group + 1)
        else:
            run.status = "COMPLETED"
            run.events["workflow:completed"] += 1

    # --- upkeep ---------------------------------------------------------------------------------------------------

    def reap(self) -> tuple[int, int]:
        """Released, failed."""
        verdicts = []
        for run, stage in self._stages():
            if stage.queue == "leased" and stage.leased_until is not None and stage.leased_until <= self.now:
                run.events["lease:reaped"] += 1
                verdicts.append(self.crash(run, stage))
        return verdicts.count("retrying"), verdicts.count("failed")

    def poll(self, run: ModelRun, stage: ModelStage, answer: Answer, output: int) -> str:
        stage.being_polled = False
        late = stage.max_wait_until is not None and stage.max_wait_until <= self.now
        if answer == "ready":
            self.complete(run, stage, output)
            return "resumed"
        if late:
            return self.fail_for_good(run, stage, "MAX_WAIT")
        if answer == "failed":
            return self.fail_for_good(run, stage, None)
        if answer == "waiting":
            stage.next_poll_at, stage.poll_errors = self.now + POLL_EVERY, 0
            return "waiting"
        stage.poll_errors += 1
        stage.next_poll_at = None
        """Drawn by the engine; the machine takes it over."""
        return self.fail_for_good(run, stage, "POLL_FAILED") if stage.poll_errors == POLL_ERRORS else "waiting"

    # --- operators ------------------------------------------------------------------------------------------------

    def cancel(self, run: ModelRun) -> bool:
        if run.terminal:
            return False
        for stage in run.stages.values():
            if stage.active:
                stage.status, stage.queue = "CANCELLED", None
                run.events["stage:cancelled"] += 1
        run.status = "CANCELLED"
        run.events["workflow:cancelled"] += 1
        return True

    def rerun(self, run: ModelRun, from_stage: str) -> list[str]:
        group = run.group_of(from_stage)
        earlier = [stage_id for number, members in enumerate(run.plan, 1) if number < group for stage_id in members]
        if not run.terminal or any(run.stages.get(one, _ABSENT).status != "COMPLETED" for one in earlier):
            raise Refused
        gone = [stage for stage in run.stages.values() if stage.group >= group]
        for stage in gone:
            self._archive(run, stage)
            del run.stages[stage.id]
        self._revive(run)
        run.generation += 1
        run.events["run:rerun"] += 1
        self._open_group(run, group)
        return [stage.id for stage in gone]

    def retry_failed(self, run: ModelRun) -> list[str]:
        again = [stage for stage in run.stages.values() if stage.group == run.group and stage.status != "COMPLETED"]
        if run.status != "FAILED" or not again:
            raise Refused
        self._revive(run)
        for stage in again:
            self._archive(run, stage)
            stage.status, stage.queue, stage.tries = "PENDING", "due", 0
            run.events["stage:retrying"] += 1
        return [stage.id for stage in again]

    def _archive(self, run: ModelRun, stage: ModelStage) -> None:
        if stage.attempt:
            run.archived.add((stage.id, stage.attempt))

    def _revive(self, run: ModelRun) -> None:
        run.status, run.code, run.broken = "RUNNING", None, False
        run.events["workflow:started"] += 1

    def poll_now(self, run: ModelRun) -> list[str]:
        if run.terminal:
            raise Refused
        return [stage.id for stage in run.stages.values() if self._hurry(stage)]

    def _hurry(self, stage: ModelStage) -> bool:
        if stage.status == "SUSPENDED":
            if stage.being_polled or (stage.next_poll_at is not None and stage.next_poll_at <= self.now):
                return False
            stage.next_poll_at = self.now
            return True
        if stage.queue == "scheduled" and stage.due_at is not None and stage.due_at > self.now:
            stage.queue, stage.due_at = "due", None
            return True
        return False

    def give_up(self, run: ModelRun, stage_id: str) -> bool:
        stage = run.stages.get(stage_id)
        if stage is not None and stage.status == "FAILED":
            return False
        if run.status != "RUNNING" or stage is None or stage.status not in ("SUSPENDED", "PENDING"):
            raise Refused
        self.fail_for_good(run, stage, "GIVEN_UP")
        return True


_ABSENT = ModelStage("", 0, status="ABSENT")


def highest(priorities: Iterable[int], count: int) -> list[int]:
    return sorted(priorities, reverse=True)[:count]
