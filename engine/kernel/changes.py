"""What commands decided, gathered in memory and written with one statement a table.

A list of outcomes costs about as many statements as one: this is what makes a busy worker fast. The runs are locked
before anything is decided about them, so what is decided here is what is true when it is written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from engine.model.ids import new_id
from engine.model.json import MAX_DEPTH, Json, dumps
from engine.model.records import (
    AnnotationRecord,
    ArtifactRecord,
    EventRecord,
    JobRecord,
    Lease,
    LogRecord,
    RunRecord,
    StageRecord,
)
from engine.model.redaction import redact_json
from engine.ports.work import UnitOfWork

WRAPPED = 4
"""Levels an event lays around a value that was checked where it came from: an output, perhaps by stage id."""
Outputs = dict[str, tuple[int, str]]
"""(group, output text) by stage id."""


class Torn(Exception):
    """Some of the leased jobs are no longer held: nothing of this list may be written as a whole."""


class Changes:
    """The pending writes of one transaction; `write()` once, at its end."""

    def __init__(self, work: UnitOfWork) -> None:
        self.work = work
        self.now: datetime = work.now
        self._before: dict[str, RunRecord] = {}
        self._runs: dict[str, RunRecord] = {}
        self._new_runs: dict[str, str] = {}
        self._new_stages: dict[str, tuple[StageRecord, str | None]] = {}
        self._stages: dict[str, StageRecord] = {}
        self._archived: list[StageRecord] = []
        self._deleted: list[str] = []
        self._new_jobs: dict[str, JobRecord] = {}
        self._jobs: dict[str, JobRecord] = {}
        self._finished: list[tuple[Lease, JobRecord]] = []
        self._events: list[EventRecord] = []
        self._sequences: dict[str, int] = {}
        """The last sequence given out here, by run."""
        self.logs: list[LogRecord] = []
        self.annotations: list[AnnotationRecord] = []
        self.artifacts: list[ArtifactRecord] = []
        self._outputs: dict[str, Outputs] = {}
        self._known: dict[str, Outputs] = {}

    def lock(self, run_ids: set[str]) -> None:
        """Lock these runs, unless this transaction has them already."""
        missing = run_ids - self._runs.keys()
        if missing:
            self.adopt(self.work.runs.lock(missing).values())

    def adopt(self, runs: Any) -> None:
        """Take over runs that are locked already."""
        for run in runs:
            self._before[run.id] = run
            self._runs[run.id] = run

    def has_run(self, run_id: str) -> bool:
        return run_id in self._runs

    def run(self, run_id: str) -> RunRecord:
        """The run as decided so far."""
        return self._runs[run_id]

    def update_run(self, run_id: str, **fields: Any) -> RunRecord:
        changed = self._runs[run_id]._replace(updated_at=self.now, **fields)
        self._runs[run_id] = changed
        return changed

    def create_run(self, run: RunRecord, input_text: str) -> None:
        self._runs[run.id] = run
        self._new_runs[run.id] = input_text

    def create_stage(self, stage: StageRecord, input_text: str | None) -> None:
        self._new_stages[stage.id] = (stage, input_text)

    def update_stage(self, stage: StageRecord) -> None:
        if stage.id in self._new_stages:
            self._new_stages[stage.id] = (stage, self._new_stages[stage.id][1])
        else:
            self._stages[stage.id] = stage

    def complete_stage(self, stage: StageRecord, output: str) -> None:
        """A stage with its output, which later groups of this transaction already see."""
        self.update_stage(stage)
        self._outputs.setdefault(stage.run_id, {})[stage.stage_id] = (stage.group_no, output)

    def archive(self, stage: StageRecord) -> None:
        """Keep this attempt, as given, before its row goes on to the next; a stage never delivered has none."""
        if stage.attempt:
            self._archived.append(stage)

    def delete_stages(self, stage_refs: list[str]) -> None:
        """Remove stages; archive them before."""
        self._deleted += stage_refs

    def enqueue(self, job: JobRecord) -> None:
        self._new_jobs[job.id] = job

    @property
    def new_jobs(self) -> list[JobRecord]:
        return list(self._new_jobs.values())

    def new_stage(self, stage_ref: str) -> tuple[StageRecord, str | None]:
        return self._new_stages[stage_ref]

    def update_job(self, job: JobRecord) -> None:
        self._jobs[job.id] = job

    def finish_job(self, lease: Lease, job: JobRecord) -> None:
        """What became of a leased job: written only if the lease still stands, else everything here is `Torn`."""
        self._finished.append((lease, job))

    def event(self, run_id: str, type_: str, causation: str, **fields: Json) -> None:
        """Append an event to its run's history, next in sequence."""
        sequence = self._sequences.get(run_id) or self._runs[run_id].last_sequence
        self._sequences[run_id] = sequence + 1
        payload = dumps(redact_json(fields), deepest=MAX_DEPTH + WRAPPED)
        self._events.append(EventRecord(new_id(), run_id, sequence + 1, type_, payload, causation, self.now))

    def know_outputs(self, run_id: str, outputs: Outputs) -> None:
        """All the run's outputs so far, from a delivery that was given them: they need not be read again."""
        self._known.setdefault(run_id, {}).update(outputs)

    def outputs_known(self, run_id: str) -> Outputs | None:
        """What `know_outputs` was told and this transaction added, where that is all there is."""
        known = self._known.get(run_id)
        return None if known is None else {**known, **self._outputs.get(run_id, {})}

    def outputs(self, run_id: str, stage_ids: Sequence[str]) -> Outputs:
        """The outputs of these completed stages, this transaction's included."""
        here = self._outputs.get(run_id, {})
        if all(stage_id in here for stage_id in stage_ids):
            return here
        stored = {stage: (group, text) for _, stage, group, text in self.work.stages.outputs([run_id])}
        return {**stored, **here}

    def last_attempts(self, run_id: str) -> dict[str, int]:
        """The highest earlier attempt by stage id, this transaction's included."""
        last = self.work.stages.last_attempts(run_id)
        for stage in self._archived:
            if stage.run_id == run_id:
                last[stage.stage_id] = max(stage.attempt, last.get(stage.stage_id, 0))
        return last

    def write(self) -> None:
        """Write everything. Raises `Torn` when a lease is gone; the transaction must then be rolled back."""
        work = self.work
        if self._finished and work.jobs.finish(self._finished) != len(self._finished):
            raise Torn
        for run_id, sequence in self._sequences.items():
            self.update_run(run_id, last_sequence=sequence)
        for run_id, input_text in self._new_runs.items():
            work.runs.insert(self._runs[run_id], input_text)
        changed = [run for run_id, run in self._runs.items() if run is not self._before.get(run_id)]
        work.runs.save([run for run in changed if run.id not in self._new_runs])
        work.stages.archive(self._archived)
        work.stages.delete(self._deleted)
        work.stages.save(list(self._stages.values()))
        work.stages.insert(list(self._new_stages.values()))
        work.jobs.save(list(self._jobs.values()))
        work.jobs.enqueue(list(self._new_jobs.values()))
        work.outbox.append(self._events)
        work.logs.append(self.logs)
        work.logs.annotate(self.annotations)
        work.stages.add_artifacts(self.artifacts)
        work.runs.add_counts(self._count_changes(changed))

    def _count_changes(self, changed: list[RunRecord]) -> Counter[tuple[str, str]]:
        deltas: Counter[tuple[str, str]] = Counter()
        for run in changed:
            before = self._before.get(run.id)
            if before is None or before.status != run.status:
                deltas[run.workflow_id, run.status] += 1
                if before is not None:
                    deltas[run.workflow_id, before.status] -= 1
        return deltas
