"""What stands in the tables, in the words of the reference."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from model_reference import ModelRun
from sqlalchemy import func, select

from engine.ports.persistence import Persistence
from engine.ports.work import UnitOfWork
from engine.stores.sql.tables import annotation_rows, attempts, events, jobs, runs, stages
from engine.stores.sql.work import SqlWork

ACTIVE_JOBS = {"PENDING": "due", "SCHEDULED": "scheduled", "RUNNING": "leased", "SUSPENDED": "waiting"}


@dataclass
class Rows:
    """By run id."""

    runs: dict[str, dict[str, Any]]
    stages: dict[str, dict[str, Any]]
    """By run and stage id."""
    jobs: dict[str, dict[str, Any]]
    archived: dict[str, set[tuple[str, int]]]
    notes: dict[str, int]

    def of(self, run_id: str) -> dict[str, Any]:
        """The whole of a run, to be compared with `rows_of`."""
        run = self.runs[run_id]
        return {
            "run": (run["status"], run["group_no"], run["generation"], run["open_stages"], run["error_code"]),
            "stages": {
                stage_id: (row["status"], row["group_no"], row["attempt"], row["tries"], row["output"], row["poll"])
                for stage_id, row in self.stages[run_id].items()
            },
            "jobs": {stage_id: (row["queue"], row["due_at"]) for stage_id, row in self.jobs[run_id].items()},
            "archived": self.archived[run_id],
            "notes": self.notes[run_id],
        }

    def output(self, run_id: str, stage_id: str) -> int:
        output = self.stages[run_id][stage_id]["output"] if stage_id in self.stages[run_id] else None
        return 0 if output is None else output

    def next_poll_at(self, run_id: str, stage_id: str) -> datetime:
        found: datetime = self.stages[run_id][stage_id]["poll"]
        return found


def rows_of(run: ModelRun, now: datetime, found: Rows) -> dict[str, Any]:
    """How `Rows.of` must look. A job that became due may still stand as scheduled: nobody has asked for it yet."""
    stages = {
        one.id: (
            one.status,
            one.group,
            one.attempt,
            one.tries,
            one.output,
            one.next_poll_at if one.status == "SUSPENDED" else None,
        )
        for one in run.stages.values()
    }
    queued: dict[str, tuple[str, datetime | None]] = {}
    for stage in run.stages.values():
        if stage.queue is None:
            continue
        queued[stage.id] = (stage.queue, stage.due_at if stage.queue == "scheduled" else None)
        became_due = stage.queue == "scheduled" and stage.due_at is not None and stage.due_at <= now
        if became_due and found.jobs[run.id].get(stage.id, {}).get("queue") == "due":
            queued[stage.id] = ("due", None)
    open_stages = 0 if run.terminal else run.open_stages
    code = run.code if run.status in ("RUNNING", "FAILED") else None
    return {
        "run": (run.status, run.group, run.generation, open_stages, code),
        "stages": stages,
        "jobs": queued,
        "archived": run.archived,
        "notes": run.notes,
    }


async def read_rows(persistence: Persistence) -> Rows:
    return await persistence.transact(_read_rows)


def _read_rows(work: UnitOfWork) -> Rows:
    assert isinstance(work, SqlWork)
    connection = work._connection
    rows = Rows({}, defaultdict(dict), defaultdict(dict), defaultdict(set), defaultdict(int))
    for run in connection.execute(select(runs)).mappings():
        rows.runs[run["id"]] = dict(run)
    for stage in connection.execute(select(stages)).mappings():
        output = stage["output"]
        rows.stages[stage["run_id"]][stage["stage_id"]] = {
            **stage,
            "output": None if output is None else int(output),
            "poll": stage["next_poll_at"] if stage["status"] == "SUSPENDED" else None,
        }
    for job in connection.execute(select(jobs).where(jobs.c.status.in_(ACTIVE_JOBS))).mappings():
        assert job["stage_id"] not in rows.jobs[job["run_id"]], "a stage stands in the queue twice"
        rows.jobs[job["run_id"]][job["stage_id"]] = {"queue": ACTIVE_JOBS[job["status"]], "due_at": job["due_at"]}
    for run_id, stage_id, attempt in connection.execute(
        select(attempts.c.run_id, attempts.c.stage_id, attempts.c.attempt)
    ):
        rows.archived[run_id].add((stage_id, attempt))
    counted = select(annotation_rows.c.run_id, func.count()).group_by(annotation_rows.c.run_id)
    for run_id, count in connection.execute(counted):
        rows.notes[run_id] = count
    return rows


@dataclass
class Outbox:
    """Event ids by what became of them."""

    sequences: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    types: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    retries: dict[str, int] = field(default_factory=dict)
    run_of: dict[str, str] = field(default_factory=dict)
    published: set[str] = field(default_factory=set)
    dead: set[str] = field(default_factory=set)
    discarded: set[str] = field(default_factory=set)
    pending: dict[str, list[int]] = field(default_factory=dict)
    """Sequences by run."""

    def first_pending(self, run_id: str) -> int | None:
        return min(self.pending[run_id]) if run_id in self.pending else None


async def read_outbox(persistence: Persistence) -> Outbox:
    return await persistence.transact(_read_outbox)


def _read_outbox(work: UnitOfWork) -> Outbox:
    assert isinstance(work, SqlWork)
    outbox = Outbox()
    for row in work._connection.execute(select(events).order_by(events.c.run_id, events.c.sequence)).mappings():
        run_id, event_id = row["run_id"], row["id"]
        outbox.sequences[run_id].append(row["sequence"])
        outbox.types[run_id][row["type"]] += 1
        outbox.retries[event_id] = row["retry_count"]
        outbox.run_of[event_id] = run_id
        if row["published_at"] is not None:
            outbox.published.add(event_id)
        elif row["discarded_at"] is not None:
            outbox.discarded.add(event_id)
        elif row["dead_at"] is not None:
            outbox.dead.add(event_id)
        else:
            outbox.pending.setdefault(run_id, []).append(row["sequence"])
    return outbox
