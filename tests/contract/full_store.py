"""A database full of runs, made by the database itself: stages, jobs, log lines, events, dead letters, AI calls.

A run a minute, the newest first: of 200 runs the two newest are under way, of all the others one in ten failed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from engine.stores.postgres_address import PostgresAddress
from engine.stores.postgres_connection import connect as connect_postgres
from engine.stores.sqlite_connection import connect as connect_sqlite
from engine.stores.sqlite_file import prepare_file

WORKFLOWS = 7
CAUSES = 20
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_NUMBERS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {runs})"
_RUNS = "(SELECT *, CAST(substr(id, 11) AS INTEGER) AS i FROM workflow_runs) AS r"
_STEPS = "(SELECT 1 AS k UNION ALL SELECT 2 UNION ALL SELECT 3) AS steps"
_LINES = "(SELECT 1 AS k UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 UNION ALL SELECT 5) AS lines"
_STATUS = "CASE WHEN i % 200 = 1 THEN 'RUNNING' WHEN i % 200 = 2 THEN 'PENDING' WHEN i % 10 = 3 THEN 'FAILED'"
_DONE = "status NOT IN ('RUNNING', 'PENDING')"

_FILL = {
    "workflow_runs": {
        "id": "{pad:(i * 7919) % 1000003}||{pad:i}",
        "workflow_id": f"'flow-' || (i % {WORKFLOWS})",
        "workflow_name": f"'Flow ' || (i % {WORKFLOWS})",
        "definition": "'d'",
        "status": f"{_STATUS} WHEN i % 50 = 4 THEN 'CANCELLED' ELSE 'COMPLETED' END",
        "priority": "i % 10",
        "created_at": "{at:60 * i}",
        "updated_at": "{at:60 * i - 50}",
        "delayed": "false",
        "started_at": "CASE WHEN i % 200 <> 2 THEN {at:60 * i - 1} END",
        "completed_at": "CASE WHEN i % 200 NOT IN (1, 2) THEN {at:60 * i - 2 - (i % 48)} END",
        "input": """'{{"text": "document ' || i || ' of the archive, with the words that a document of its kind has: """
        """invoices, letters, minutes of meetings, and a few lines about the weather", "page": ' || i || '}}'""",
        "config": "'{{}}'",
        "metadata": "'{{}}'",
        "output": "CASE WHEN i % 10 <> 3 THEN '{{\"words\": 12}}' END",
        "error": f"CASE WHEN i % 10 = 3 THEN 'ValueError: row ' || (i % {CAUSES}) || ' of run ' || i END",
        "error_fingerprint": f"CASE WHEN i % 10 = 3 THEN 'cause-' || (i % {CAUSES}) END",
        "failed_stage": "CASE WHEN i % 10 = 3 THEN 'step-3' END",
        "idempotency_key": "'key-' || i",
        "generation": "0",
        "group_no": "3",
        "open_stages": "0",
        "last_sequence": "5",
        "hand_offs": "0",
        "worker_id": "'worker-' || (i % 4)",
        "total_cost": "{dollars:i % 97}",
        "total_tokens": "i % 9000",
        "version": "1",
    },
    "workflow_stages": {
        "id": "{pad:i}||{pad:k}",
        "run_id": "r.id",
        "stage_id": "'step-' || k",
        "name": "'Step ' || k",
        "group_no": "k",
        "number": "k",
        "status": f"CASE WHEN {_DONE} AND (k < 3 OR status <> 'FAILED') THEN 'COMPLETED' WHEN {_DONE} THEN 'FAILED'"
        " ELSE 'RUNNING' END",
        "generation": "0",
        "attempt": "1",
        "tries": "1",
        "max_attempts": "3",
        "queued_at": "r.created_at",
        "started_at": "r.started_at",
        "completed_at": "r.completed_at",
        "input": "r.input",
        "output": "r.output",
        "polls": "0",
        "poll_errors": "0",
        "worker_id": "r.worker_id",
        "cost": "r.total_cost",
        "tokens": "0",
    },
    "job_queue": {
        "id": "{pad:i}||{pad:k}",
        "stage_ref": "{pad:i}||{pad:k}",
        "run_id": "r.id",
        "workflow_id": "r.workflow_id",
        "stage_id": "'step-' || k",
        "body": "r.workflow_id || '/step-' || k",
        "status": f"CASE WHEN {_DONE} THEN 'COMPLETED' WHEN k = 1 THEN 'PENDING' ELSE 'RUNNING' END",
        "priority": "r.priority",
        "created_at": "r.created_at",
        "attempt": "1",
        "tries": "1",
        "max_attempts": "3",
        "lease_token": f"CASE WHEN NOT ({_DONE}) AND k > 1 THEN 't' END",
        "leased_until": f"CASE WHEN NOT ({_DONE}) AND k > 1 THEN r.created_at END",
        "renewed_at": f"CASE WHEN NOT ({_DONE}) AND k > 1 THEN r.created_at END",
        "reaped": "0",
    },
    "workflow_logs": {
        "run_id": "r.id",
        "stage_id": "'step-' || (1 + k % 3)",
        "attempt": "1",
        "level": "CASE WHEN i % 100 = 3 AND k = 5 THEN 'ERROR' ELSE 'INFO' END",
        "message": "'line ' || k || ' of run ' || i || ': fetched, parsed and stored a page'",
        "fields": "'{{\"page\": ' || i || '}}'",
        "created_at": "r.created_at",
    },
    "outbox_events": {
        "id": "{pad:i}||{pad:k}",
        "run_id": "r.id",
        "sequence": "k",
        "type": "'stage:completed'",
        "payload": "'{{}}'",
        "causation_id": "'c' || i",
        "occurred_at": "r.created_at",
        "published_at": "CASE WHEN NOT (i % 100 = 5 AND k = 5) THEN r.created_at END",
        "retry_count": "0",
        "dead_at": "CASE WHEN i % 100 = 5 AND k = 5 THEN r.created_at END",
        "last_error": "CASE WHEN i % 100 = 5 AND k = 5 THEN 'the sink said no' END",
        "sink": "CASE WHEN i % 100 = 5 AND k = 5 THEN 'hook' END",
    },
    "ai_calls": {
        "id": "{pad:i}||{pad:k}",
        "run_id": "r.id",
        "workflow_id": "r.workflow_id",
        "stage_id": "'step-' || k",
        "attempt": "1",
        "topic": "'workflow.' || r.id || '.stage.step-' || k",
        "call_type": "'text'",
        "model": "'offline/model-' || (i % 5)",
        "provider": "'offline'",
        "input_tokens": "i % 2000",
        "output_tokens": "i % 500",
        "cached_tokens": "0",
        "cost": "CASE WHEN i % 50 <> 0 THEN {dollars:i % 31} END",
        "latency_ms": "i % 3000",
        "status": "'ok'",
        "reused": "false",
        "prompt": "r.input",
        "response": "'a summary of document ' || i",
        "created_at": "r.created_at",
    },
}
_FROM = {
    "workflow_runs": "n",
    "workflow_stages": f"{_RUNS}, {_STEPS}",
    "job_queue": f"{_RUNS}, {_STEPS}",
    "workflow_logs": f"{_RUNS}, {_LINES}",
    "outbox_events": f"{_RUNS}, {_LINES}",
    "ai_calls": f"{_RUNS}, {_STEPS} WHERE k < 3",
}
_COUNTED = """INSERT INTO run_stats (workflow_id, status, shard, count)
  SELECT workflow_id, status, 0, count(*) FROM workflow_runs GROUP BY workflow_id, status"""


Spelling = dict[str, Callable[[str], str]]
_NOW = datetime.now(UTC)
_SQLITE: Spelling = {
    "at": lambda seconds: f"({(_NOW - _EPOCH) // timedelta(microseconds=1)} - 1000000 * ({seconds}))",
    "pad": lambda number: f"printf('%010d', {number})",
    "dollars": lambda thousandths: f"(1000000 * ({thousandths}))",
}
_POSTGRES: Spelling = {
    "at": lambda seconds: f"(timestamptz '{_NOW.isoformat()}' - ({seconds}) * interval '1 second')",
    "pad": lambda number: f"lpad(({number})::text, 10, '0')",
    "dollars": lambda thousandths: f"(0.001 * ({thousandths}))",
}


def _spell(expression: str, spelling: Spelling) -> str:
    found = re.sub(r"\{(at|pad|dollars):(.*?)\}", lambda match: spelling[match[1]](match[2]), expression)
    return found.replace("{{", "{").replace("}}", "}")


def fill(url: str, runs: int) -> None:
    """Fill an empty database (a SQLite file is made) with so many runs.

    Postgres gets the statistics it gathers by itself in life; nobody ever gathers any for a SQLite file.
    """
    if url.startswith("sqlite:///"):
        path = Path(url.removeprefix("sqlite:///"))
        prepare_file(path, migrate=True, read_only=False)
        _fill(connect_sqlite(path, durability="normal"), runs, _SQLITE, [])
    else:
        connection = connect_postgres(PostgresAddress.parse(url), "filler")
        _fill(connection, runs, _POSTGRES, ["SET statement_timeout = 0", "VACUUM ANALYZE"])


def _fill(connection: Connection, runs: int, spelling: Spelling, around: list[str]) -> None:
    # The driver's own: SQLAlchemy would take every % for the place of a value.
    driver: Any = connection.connection.driver_connection
    for statement in (*around[:1], "BEGIN"):
        driver.execute(statement)
    for table, columns in _FILL.items():
        values = ", ".join(_spell(value, spelling) for value in columns.values())
        numbers = _NUMBERS.format(runs=runs) if table == "workflow_runs" else ""
        driver.execute(
            f"INSERT INTO {table} ({', '.join(columns)}) {numbers} SELECT {values} FROM {_FROM[table]} ORDER BY i DESC"
        )
    for statement in (_COUNTED, "COMMIT", *around[1:]):
        driver.execute(statement)
    connection.close()
