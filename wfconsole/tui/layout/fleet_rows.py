"""Workers with what they hold, the queue and the sinks as rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, tzinfo

from engine.inspector import LeaseView, QueueRow, SinkView, WorkerView
from wfconsole.formatting import NONE, TimeMode, age, clock, count, short_id
from wfconsole.tui.layout.table_columns import Cell, Column, Row

WORKERS = (
    Column("WORKER", 26, grows=2, most=44),
    Column("HOST", 14, drop=3),
    Column("PID", 7, right=True, drop=4),
    Column("BUSY", 6, right=True),
    Column("UP", 8, right=True, drop=2),
    Column("BEAT", 8, right=True),
    Column("HAS", 20, grows=1, drop=1),
)
QUEUE = (
    Column("WORKFLOW", 22, grows=1, most=40),
    Column("WAITING", 8, right=True),
    Column("LATER", 8, right=True, drop=1),
    Column("RUNNING", 8, right=True),
    Column("OLDEST", 8, right=True),
    Column("", 6),
)
SINKS = (
    Column("SINK", 16, grows=1),
    Column("STATE", 10),
    Column("SINCE", 8, right=True),
    Column("BACKLOG", 8, right=True),
    Column("DEAD", 6, right=True),
    Column("TARGET", 24, grows=2, drop=1),
    Column("LAST ERROR", 24, grows=2, drop=2),
)
LEASE = "lease:"


def worker_rows(
    workers: Sequence[WorkerView],
    leases: Sequence[LeaseView],
    now: datetime,
    zone: tzinfo,
    mode: TimeMode,
    *,
    ascii_only: bool,
) -> list[Row]:
    """Each worker with the jobs it holds below it; what a worker that is no more still holds comes last."""
    alive, gone = ("*", "x") if ascii_only else ("●", "✗")
    held: dict[str, list[LeaseView]] = defaultdict(list)
    for lease in leases:
        held[lease.worker_id or NONE].append(lease)
    rows: list[Row] = []
    for worker in workers:
        holds = held.pop(worker.id, [])
        state = (f"{alive} {worker.id}", "status-ok") if worker.alive else (f"{gone} {worker.id}", "status-failed")
        cells: tuple[Cell, ...] = (
            state,
            worker.host,
            str(worker.pid),
            # Not what it said at its last beat: the jobs below are as they are now.
            f"{len(holds)}/{worker.concurrency}",
            clock(worker.started_at, zone, mode, now=now),
            age(worker.last_seen_at, now),
            ", ".join(sorted(worker.workflows)) or NONE,
        )
        rows.append(Row(f"worker:{worker.id}", cells))
        rows += [_lease(lease, now) for lease in holds]
    for worker_id in sorted(held):
        rows.append(Row(f"worker:{worker_id}", ((f"{gone} {worker_id}", "status-failed"), "left, its leases run out")))
        rows += [_lease(lease, now) for lease in held[worker_id]]
    return rows


def _lease(lease: LeaseView, now: datetime) -> Row:
    over = lease.leased_until is not None and lease.leased_until < now
    until = ("lease over", "status-retrying") if over else ""
    what = f"    {short_id(lease.run_id)} {lease.stage_id}#{lease.attempt}"
    cells: tuple[Cell, ...] = (what, until, "", "", age(lease.since, now), "", lease.workflow_id)
    return Row(f"{LEASE}{lease.job_id}", cells, quiet=True)


def queue_rows(
    queue: Sequence[QueueRow], paused: frozenset[str], now: datetime, zone: tzinfo, mode: TimeMode
) -> list[Row]:
    return [
        Row(
            row.workflow_id,
            (
                row.workflow_id,
                count(row.pending),
                count(row.scheduled),
                count(row.running),
                clock(row.oldest_pending_at, zone, mode, now=now),
                ("held", "status-waiting") if row.workflow_id in paused else "",
            ),
        )
        for row in queue
    ]


def sink_rows(sinks: Sequence[SinkView], now: datetime, zone: tzinfo, mode: TimeMode, *, ascii_only: bool) -> list[Row]:
    """Healthy since the last delivery that went well, or failing since the first that did not."""
    well, ill = ("+ ok", "x failing") if ascii_only else ("✓ ok", "✗ failing")
    return [
        Row(
            sink.id,
            (
                sink.id,
                (ill, "status-failed") if sink.failing_since else (well, "status-ok"),
                clock(sink.failing_since or sink.ok_at, zone, mode, now=now),
                count(sink.pending),
                (count(sink.dead), "status-failed") if sink.dead else NONE,
                sink.target,
                (sink.last_error or NONE, "status-failed") if sink.failing_since else NONE,
            ),
        )
        for sink in sinks
    ]
