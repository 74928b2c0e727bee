"""What the planner makes of the hot statements: a claim costs the same however much is done, waiting or scheduled."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from engine.model.records import Lease
from engine.model.status import JobStatus, RunStatus
from engine.ports.work import UnitOfWork
from engine.stores.clock import SystemClock
from engine.stores.sql.work import SqlWork
from engine.stores.sqlite import SqliteStore
from engine.stores.sqlite_connection import raw
from engine.stores.sqlite_file import prepare_file
from engine.testing.conformance.records import BODY, WORKFLOW, add_job, add_run, soon

Asking = Callable[[UnitOfWork], object]

CLAIM_JOBS: Asking = lambda work: work.jobs.claim([BODY], "w", "t", soon(work), 10)  # noqa: E731
JOB_PRIORITIES: Asking = lambda work: work.jobs.due_priorities([BODY], 10)  # noqa: E731
PROMOTE_JOBS: Asking = lambda work: work.jobs.promote_due()  # noqa: E731
EXPIRED: Asking = lambda work: work.jobs.expired(work.now, 10)  # noqa: E731
CLAIM_RUNS: Asking = lambda work: work.runs.claim_pending([WORKFLOW], 10)  # noqa: E731
RUN_PRIORITIES: Asking = lambda work: work.runs.pending_priorities([WORKFLOW], 10)  # noqa: E731
PROMOTE_RUNS: Asking = lambda work: work.runs.promote_delayed()  # noqa: E731
STUCK: Asking = lambda work: work.runs.stuck(work.now, 10)  # noqa: E731
NEXT_CLAIM: Asking = lambda work: work.next_claim_due()  # noqa: E731
NEXT_UPKEEP: Asking = lambda work: work.next_upkeep_due([WORKFLOW], events=True)  # noqa: E731
POLLS: Asking = lambda work: work.stages.claim_polls([WORKFLOW], "t", soon(work), 10)  # noqa: E731
FLUSH: Asking = lambda work: work.outbox.claim_runs("t", soon(work), 10)  # noqa: E731
UNDELIVERED: Asking = lambda work: work.outbox.undelivered("0" * 20, 10)  # noqa: E731
HELD: Asking = lambda work: work.jobs.held([Lease("0" * 20, "t", 1)])  # noqa: E731


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    """With a little of everything, and nobody ever ran ANALYZE."""
    path = tmp_path / "runs.db"
    prepare_file(path, migrate=True, read_only=False)
    store = SqliteStore(path, SystemClock())

    def furnish(work: UnitOfWork) -> None:
        for status in RunStatus:
            run = add_run(work, status=status)
            for job_status in JobStatus:
                add_job(work, run, status=job_status, due_at=soon(work), leased_until=soon(work), renewed_at=work.now)
        add_run(work, delayed=True, start_at=soon(work))

    await store.transact(furnish)
    yield store
    await store.close()


async def plans(store: SqliteStore, ask: Asking) -> list[str]:
    """The plan of each statement that `ask` makes, one text each."""

    def explain(work: UnitOfWork) -> list[str]:
        assert isinstance(work, SqlWork)
        connection = work._connection
        asked: list[tuple[str, Any]] = []

        def note(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
            asked.append((statement, parameters))

        event.listen(connection, "before_cursor_execute", note)
        ask(work)
        event.remove(connection, "before_cursor_execute", note)
        return [
            "\n".join(row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters))
            for statement, parameters in asked
            if isinstance(parameters, tuple)
        ]

    return await store.transact(explain)


@pytest.mark.parametrize(
    ("ask", "indexes"),
    [
        pytest.param(CLAIM_JOBS, ["ix_job_queue_claim"], id="claim jobs"),
        pytest.param(JOB_PRIORITIES, ["ix_job_queue_claim"], id="job priorities"),
        pytest.param(PROMOTE_JOBS, ["ix_job_queue_due"], id="promote jobs"),
        pytest.param(EXPIRED, ["ix_job_queue_leased"], id="expired leases"),
        pytest.param(CLAIM_RUNS, ["ix_workflow_runs_pending"], id="claim runs"),
        pytest.param(RUN_PRIORITIES, ["ix_workflow_runs_pending"], id="run priorities"),
        pytest.param(PROMOTE_RUNS, ["ix_workflow_runs_delayed"], id="promote runs"),
        pytest.param(STUCK, ["ix_workflow_runs_running"], id="stuck runs"),
        pytest.param(NEXT_CLAIM, ["ix_job_queue_due", "ix_workflow_runs_delayed"], id="next claim"),
        pytest.param(
            NEXT_UPKEEP,
            ["ix_workflow_stages_poll", "ix_job_queue_leased", "ix_schedules_due", "ix_workflow_runs_flush"],
            id="next upkeep",
        ),
        pytest.param(POLLS, ["ix_workflow_stages_poll"], id="claim polls"),
        pytest.param(FLUSH, ["ix_workflow_runs_flush"], id="claim events"),
        pytest.param(UNDELIVERED, ["ix_outbox_events_undelivered"], id="undelivered events"),
        pytest.param(HELD, ["sqlite_autoindex_job_queue_1"], id="held leases"),
    ],
)
async def test_each_hot_statement_uses_the_index_made_for_it(
    store: SqliteStore, ask: Asking, indexes: list[str]
) -> None:
    # Few workflows are paused at a time: that list is read whole.
    found = [plan for plan in await plans(store, ask) if "paused_workflows" not in plan]
    assert len(found) >= len(indexes)
    for plan, index in zip(found, indexes, strict=False):
        assert re.search(rf"USING (COVERING )?INDEX {index}\b", plan), plan
        assert not re.search(r"^SCAN \w+$", plan.replace("SCAN ready", ""), re.MULTILINE), plan


@pytest.mark.parametrize("ask", [CLAIM_JOBS, JOB_PRIORITIES, CLAIM_RUNS, RUN_PRIORITIES, UNDELIVERED])
async def test_what_is_taken_in_order_is_not_sorted(store: SqliteStore, ask: Asking) -> None:
    (plan,) = await plans(store, ask)
    assert "TEMP B-TREE" not in plan


async def test_a_claim_does_not_walk_over_the_future_or_the_past(tmp_path: Path) -> None:
    """Counted in steps of SQLite's machine: a thousand jobs done or scheduled make no difference."""
    path = tmp_path / "steps.db"
    prepare_file(path, migrate=True, read_only=False)
    store = SqliteStore(path, SystemClock())

    def fill(work: UnitOfWork) -> None:
        run = add_run(work, status=RunStatus.RUNNING)
        for number in range(1000):
            later = work.now + timedelta(hours=1, seconds=number)
            add_job(work, run, status=JobStatus.SCHEDULED, due_at=later, priority=99)
            add_job(work, run, status=JobStatus.COMPLETED, priority=99)
            add_run(work, status=RunStatus.COMPLETED, priority=99)
            add_run(work, delayed=True, start_at=later, priority=99)

    def add_one(work: UnitOfWork) -> None:
        add_job(work, add_run(work))

    def hot(work: UnitOfWork) -> int:
        assert isinstance(work, SqlWork)
        steps = 0

        def step() -> None:
            nonlocal steps
            steps += 1

        driver = raw(work._connection)
        driver.set_progress_handler(step, 1)
        for ask in (PROMOTE_JOBS, PROMOTE_RUNS, RUN_PRIORITIES, CLAIM_RUNS, NEXT_CLAIM, NEXT_UPKEEP, CLAIM_JOBS):
            ask(work)
        driver.set_progress_handler(None, 0)
        return steps

    await store.transact(add_one)
    empty = await store.transact(hot)
    await store.transact(fill)
    await store.transact(add_one)
    full = await store.transact(hot)
    await store.close()
    # The run of the first round is still pending, and its lease is the one that ends next.
    assert full < empty + 200
