"""Behind a pooler in transaction mode no session is our own: each transaction brings its own and leaves nothing."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from pgbouncer import sessions
from pydantic import BaseModel
from sqlalchemy import text

from engine import CancelRun, CreateRun, NoConfig, StageContext, WorkflowBuilder, stage
from engine.bootstrap import check_schema, open_engine, upgrade_schema
from engine.errors import StoreUnavailable
from engine.model.ids import new_run_id
from engine.stores.clock import DatabaseClock
from engine.stores.postgres import PostgresStore
from engine.stores.postgres_address import PostgresAddress
from engine.stores.postgres_connection import driver
from engine.stores.sql.migrate import HEAD
from engine.testing.conformance import StorePromises, WatchPromises
from engine.testing.conformance.store import PATIENCE, adding, present

SETTINGS = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "timezone")
LIMITS = ["30s", "10s", "15s", "UTC"]


class Number(BaseModel):
    n: int


@stage(id="double")
async def double(ctx: StageContext[Number, NoConfig]) -> Number:
    ctx.log("INFO", "doubling")
    return Number(n=ctx.input.n * 2)


@stage(id="again")
async def again(ctx: StageContext[Number, NoConfig]) -> Number:
    return Number(n=ctx.input.n * 2)


@stage(id="endless")
async def endless(ctx: StageContext[Number, NoConfig]) -> Number:
    await asyncio.Event().wait()
    return ctx.input


FLOW = WorkflowBuilder("flow", "Flow", input=Number).pipe(double).pipe(again).build()
ENDLESS = WorkflowBuilder("endless", "Endless", input=Number).pipe(endless).build()


def store_at(url: str) -> PostgresStore:
    return PostgresStore(PostgresAddress.parse(url), DatabaseClock())


@pytest.fixture
async def store(pooled_url: str) -> AsyncIterator[PostgresStore]:
    store = store_at(pooled_url)
    yield store
    await store.close()


class TestStoreBehindAPooler(StorePromises):
    pass


class TestWatchBehindAPooler(WatchPromises):
    exact = False


def shown(connection: Any, *names: str) -> list[str]:
    return [connection.execute(text(f"SHOW {name}")).scalar() for name in names]


# --- work -----------------------------------------------------------------------------------------------------------


async def test_runs_complete(pooled_url: str) -> None:
    async with open_engine(pooled_url, workflows=[FLOW]) as engine, engine.worker(concurrency=4):
        commands = [CreateRun(idempotency_key=f"k{n}", workflow_id="flow", input=Number(n=n)) for n in range(20)]
        created = await asyncio.gather(*map(engine.dispatch, commands))
        ended = [await engine.wait(one.run_id, PATIENCE) for one in created]
        assert [(run.status, run.output) for run in ended] == [("COMPLETED", {"n": 4 * n}) for n in range(20)]
        assert await engine.fsck() == []


async def test_a_cancel_of_another_process_reaches_the_body(pooled_url: str) -> None:
    async with open_engine(pooled_url, workflows=[ENDLESS]) as here, open_engine(pooled_url) as there:
        async with here.worker():
            command = CreateRun(idempotency_key="k", workflow_id="endless", input=Number(n=1))
            run_id = (await here.dispatch(command)).run_id
            async with asyncio.timeout(PATIENCE):
                while not any(one.status == "RUNNING" for one in (await there.inspector.run(run_id)).stages):
                    await there.changed(PATIENCE)
            assert (await there.dispatch(CancelRun(run_id=run_id))).cancelled
            assert (await there.wait(run_id, PATIENCE)).status == "CANCELLED"
        assert await here.fsck() == []


def test_the_schema_is_made_through_it(pooled: Callable[[str], str], empty_postgres_url: str) -> None:
    url = pooled(empty_postgres_url)
    assert upgrade_schema(url) == (None, HEAD)
    assert check_schema(url).ok
    assert upgrade_schema(url) == (HEAD, HEAD)


# --- sessions -------------------------------------------------------------------------------------------------------


async def test_every_transaction_brings_its_limits_and_its_name(store: PostgresStore) -> None:
    def look(work: Any) -> list[str]:
        return shown(work._connection, *SETTINGS, "application_name")

    *limits, name = await store.transact(look)
    assert limits == LIMITS
    assert name.startswith("wfconsole:writer:")
    *limits, name = await store.read(look)
    assert limits == LIMITS
    assert name.startswith("wfconsole:reader:")


async def test_nothing_of_ours_stays_in_the_sessions(pooled_url: str, postgres_url: str) -> None:
    async with open_engine(pooled_url, workflows=[FLOW]) as engine, engine.worker():
        for number in range(10):
            command = CreateRun(idempotency_key=f"k{number}", workflow_id="flow", input=Number(n=number))
            await engine.wait((await engine.dispatch(command)).run_id, PATIENCE)
        await engine.inspector.overview()
    with psycopg.connect(postgres_url) as fresh, sessions(pooled_url) as strangers:
        expected = [fresh.execute(f"SHOW {name}").fetchone() for name in SETTINGS]
        for stranger in strangers:
            assert [stranger.execute(f"SHOW {name}").fetchone() for name in SETTINGS] == expected
            assert stranger.execute("SELECT * FROM pg_prepared_statements").fetchall() == []
            assert stranger.execute("SELECT * FROM pg_listening_channels()").fetchall() == []
            locks = "SELECT * FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()"
            assert stranger.execute(locks).fetchall() == []
            assert stranger.execute("SELECT * FROM pg_class WHERE relpersistence = 't'").fetchall() == []


# --- commits whose answer is lost -----------------------------------------------------------------------------------


@contextmanager
def losing_commit(store: PostgresStore, *, after: bool) -> Iterator[list[str]]:
    """Cuts our line to the pooler at the next commit: before it reaches the server, or after it was carried out."""
    session = store._session
    assert session is not None
    say, cut = session.say, []

    def losing(statement: str) -> None:
        if "COMMIT" not in statement or cut:
            return say(statement)
        cut.append(statement)
        if after:
            say(statement)
        assert session._connection is not None
        driver(session._connection).close()
        raise psycopg.OperationalError("the line is dead")

    session.say = losing  # type: ignore[method-assign]
    yield cut
    session.say = say  # type: ignore[method-assign]


@pytest.mark.parametrize("together", [1, 3])
async def test_a_commit_whose_answer_was_lost_counts_once(store: PostgresStore, together: int) -> None:
    await store.transact(adding(new_run_id()))
    ids = [new_run_id() for _ in range(together)]
    with losing_commit(store, after=True) as cut:
        assert [future.result(PATIENCE) for future in [store.submit(adding(one)) for one in ids]] == ids
    assert len(cut) == 1
    assert await present(store, *ids) == [True] * together


async def test_a_commit_that_never_arrived_is_told_as_not_done(store: PostgresStore) -> None:
    await store.transact(adding(new_run_id()))
    run_id = new_run_id()
    with losing_commit(store, after=False), pytest.raises(StoreUnavailable):
        await store.transact(adding(run_id))
    assert await present(store, run_id) == [False]
    assert await store.transact(adding(run_id)) == run_id


async def test_who_looks_a_commit_up_leaves_the_next_user_of_its_session_alone(
    pooled_url: str, postgres_url: str
) -> None:
    """The session of the lost commit serves another writer by now: ending it would hit the wrong one."""
    here, there = store_at(pooled_url), store_at(pooled_url)
    await here.transact(adding(new_run_id()))
    await there.transact(adding(new_run_id()))
    session = here._session
    assert session is not None
    say, leave, entered = session.say, threading.Event(), threading.Event()
    backends: list[int] = []

    def holding(work: Any) -> str:
        backends.append(work._connection.execute(text("SELECT pg_backend_pid()")).scalar())
        entered.set()
        assert leave.wait(PATIENCE)
        return adding(other)(work)

    def losing(statement: str) -> None:
        say(statement)
        if "COMMIT" in statement and not entered.is_set():
            assert session._connection is not None
            futures.append(there.submit(holding))
            assert entered.wait(PATIENCE)
            # Whichever session the pool gave it: the lost commit was on that one, as far as is known here.
            session._backend = backends[0]
            driver(session._connection).close()
            raise psycopg.OperationalError("the line is dead")

    session.say = losing  # type: ignore[method-assign]
    mine, other, futures = new_run_id(), new_run_id(), []
    assert await here.transact(adding(mine)) == mine
    leave.set()
    assert futures[0].result(PATIENCE) == other
    assert await present(here, mine, other) == [True, True]
    await here.close()
    await there.close()
