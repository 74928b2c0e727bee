"""A database from before AI calls were whole: its rows stay, read as they were and go on."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from engine import NoConfig, NoInput, StageContext, WorkflowBuilder, stage
from engine.bootstrap import open_engine
from engine.model.ids import new_run_id
from engine.stores.databases import database_at
from engine.stores.sql.migrate import HEAD, run_migrations


@stage(id="one")
async def one(ctx: StageContext[NoInput, NoConfig]) -> str:
    return "done"


FLOW = WorkflowBuilder("flow", "Flow", input=NoInput).pipe(one).build()


@pytest.fixture
def url(request: pytest.FixtureRequest, tmp_path: Any) -> str:
    """The address of a database with nothing in it."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'runs.db'}"
    found: str = request.getfixturevalue("empty_postgres_url")
    return found


def before_ai(url: str, run_id: str) -> None:
    """What the version before left behind: a run with its money and two calls."""
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"), poolclass=NullPool)
    with engine.begin() as connection:
        run_migrations(connection, "0002")
        at, money = ("0", "250000000") if url.startswith("sqlite") else ("now()", "0.25")
        run = (
            f"'{run_id}', 'flow', 'Flow', 'none', 'COMPLETED', 5, {at}, {at}, false, '{{}}', '{{}}', '{{}}',"
            f" 0, 1, 0, 0, 0, 15, 1, {money}"
        )
        columns = (
            "id, workflow_id, workflow_name, definition, status, priority, created_at, updated_at, delayed, input,"
            " config, metadata, generation, group_no, open_stages, last_sequence, hand_offs, total_tokens, version,"
            " total_cost"
        )
        connection.execute(text(f"INSERT INTO workflow_runs ({columns}) VALUES ({run})"))
        for call_id, cost in (("a", money), ("b", "NULL")):
            columns = "id, run_id, topic, call_type, model, provider, input_tokens, output_tokens, cached_tokens, cost,"
            values = f"'{call_id}', '{run_id}', 'old', 'text', 'm/old', 'm', 10, 5, 0, {cost}, 'ok', false, {at}"
            insert = f"INSERT INTO ai_calls ({columns} status, reused, created_at) VALUES ({values})"
            connection.execute(text(insert))
    engine.dispose()


@pytest.mark.parametrize("url", ["sqlite", "postgres"], indirect=True)
async def test_old_calls_read_as_they_were(url: str) -> None:
    run_id = new_run_id()
    before_ai(url, run_id)
    assert database_at(url).upgrade() == "0002"
    assert database_at(url).schema().found == HEAD
    async with open_engine(url, workflows=[FLOW]) as engine:
        rows = {call.id: call for call in (await engine.inspector.ai_calls(run_id)).items}
        assert (rows["a"].cost, rows["a"].reasoning_tokens, rows["a"].error_code) == (Decimal("0.25"), 0, None)
        assert rows["b"].cost is None
        run = await engine.inspector.run(run_id)
        assert (run.total_cost, run.total_tokens) == (None, 15)
        (row,) = (await engine.inspector.costs("model")).items
        assert (row.calls, row.cost, row.unpriced) == (2, Decimal("0.25"), 1)
