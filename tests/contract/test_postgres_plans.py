"""What the hot statements cost Postgres when there is a lot: pages touched, and no walk over a table."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from sqlalchemy import event

from engine.ports.work import UnitOfWork
from engine.stores.clock import DatabaseClock
from engine.stores.postgres import PostgresStore
from engine.stores.postgres_address import PostgresAddress
from engine.stores.sql.work import SqlWork

MOST_PAGES = 60
BODIES = ["w/one", "w/two"]

FILL = """
INSERT INTO workflow_runs (id, workflow_id, workflow_name, definition, status, priority, created_at, updated_at,
  delayed, input, config, metadata, generation, group_no, open_stages, last_sequence, hand_offs, total_tokens, version)
SELECT 'r' || n, 'w', 'W', 'd', 'RUNNING', 5, now() - n * interval '1 s', now(), false, '1', '{{}}', '{{}}', 0, 1, 1,
  0, 0, 0, 1 FROM generate_series(1, 1000) n;
INSERT INTO job_queue (id, stage_ref, run_id, workflow_id, stage_id, body, status, priority, created_at, due_at,
  attempt, tries, max_attempts, worker_id, lease_token, leased_until, renewed_at, reaped)
SELECT 'j' || n, 's' || n, 'r' || (n % 1000 + 1), 'w', 'one', 'w/one',
  CASE WHEN n % 100 = 0 THEN 'PENDING' WHEN n % 100 = 1 THEN 'SCHEDULED' WHEN n % 1000 = 2 THEN 'RUNNING'
    ELSE 'COMPLETED' END,
  n % 10, now() - n * interval '1 s', CASE WHEN n % 100 = 1 THEN now() + interval '1 h' END, 1, 1, 3,
  CASE WHEN n % 1000 = 2 THEN 'x' END, CASE WHEN n % 1000 = 2 THEN 't' END,
  CASE WHEN n % 1000 = 2 THEN now() + interval '1 m' END, CASE WHEN n % 1000 = 2 THEN now() END, 0
FROM generate_series(1, {jobs}) n;
ANALYZE;
"""


async def plans(url: str, act: Callable[[UnitOfWork], Any]) -> list[str]:
    """The plans, with what they really touched, of the statements that `act` makes."""
    store = PostgresStore(PostgresAddress.parse(url), DatabaseClock())
    seen: list[tuple[str, Any]] = []

    def explain(work: UnitOfWork) -> list[str]:
        assert isinstance(work, SqlWork)
        connection = work._connection

        def note(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
            seen.append((statement, parameters))

        event.listen(connection, "before_cursor_execute", note)
        connection.exec_driver_sql("SAVEPOINT before")
        act(work)
        connection.exec_driver_sql("ROLLBACK TO before")
        event.remove(connection, "before_cursor_execute", note)
        wanted = [one for one in seen if not one[0].startswith(("SAVEPOINT", "ROLLBACK"))]
        return [
            "\n".join(
                row[0] for row in connection.exec_driver_sql(f"EXPLAIN (ANALYZE, BUFFERS) {statement}", parameters)
            )
            for statement, parameters in wanted
        ]

    found = await store.transact(explain)
    await store.close()
    return found


def pages(plan: str) -> int:
    """Of the whole statement: the first line that counts them."""
    found = re.search(r"Buffers: shared ([^\n]*)", plan)
    assert found is not None, plan
    return sum(int(number) for number in re.findall(r"(?:hit|read)=(\d+)", found[1]))


async def check(url: str, jobs: int) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(FILL.format(jobs=jobs))
    until = timedelta(minutes=1)
    for name, act in {
        "claim": lambda work: work.jobs.claim(BODIES, "w", "t", work.now + until, 1),
        "claim of 8": lambda work: work.jobs.claim(BODIES, "w", "t", work.now + until, 8),
        "priorities": lambda work: work.jobs.due_priorities(BODIES, 8),
        "promote": lambda work: work.jobs.promote_due(),
        "expired": lambda work: work.jobs.expired(work.now, 50),
        "next claim": lambda work: work.next_claim_due(),
        "next upkeep": lambda work: work.next_upkeep_due(["w"], events=True),
        "pending runs": lambda work: work.runs.claim_pending(["w"], 8),
        "undelivered": lambda work: work.outbox.claim_runs("t", work.now + until, 10),
    }.items():
        for plan in await plans(url, act):  # type: ignore[arg-type]
            assert "Seq Scan on job_queue" not in plan, f"{name}: {plan}"
            assert "Seq Scan on workflow_runs" not in plan, f"{name}: {plan}"
            # Each job claimed is a row and its indexes written.
            assert pages(plan) <= (8 * 25 if name == "claim of 8" else MOST_PAGES), f"{name}: {plan}"


async def test_hot_statements_touch_few_pages(postgres_url: str) -> None:
    await check(postgres_url, 100_000)


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_hot_statements_touch_few_pages_among_a_million_jobs(postgres_url: str) -> None:
    await check(postgres_url, 1_000_000)
