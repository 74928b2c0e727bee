"""What is Postgres's own: lost commits, outages, wake-ups, the schema, sessions."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from postgres_server import PostgresServer, create_database
from sqlalchemy import text

from engine.bootstrap import check_schema, open_engine, upgrade_schema
from engine.errors import EngineError, ReadOnly, SchemaTooNew, SchemaTooOld, StoreUnavailable
from engine.model.ids import new_run_id
from engine.stores import postgres_session
from engine.stores.clock import DatabaseClock
from engine.stores.postgres import PostgresStore
from engine.stores.postgres_address import PostgresAddress
from engine.stores.postgres_connection import connect, driver
from engine.stores.postgres_schema import upgrade_database
from engine.stores.sql.migrate import HEAD, VERSION_TABLE, run_migrations
from engine.stores.sql.tables import metadata
from engine.testing.conformance.store import PATIENCE, adding, present


@contextmanager
def sql(url: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


def store_at(url: str, **options: Any) -> PostgresStore:
    return PostgresStore(PostgresAddress.parse(url), DatabaseClock(), **options)


@pytest.fixture
async def store(postgres_url: str) -> AsyncIterator[PostgresStore]:
    store = store_at(postgres_url)
    yield store
    await store.close()


# --- commits whose answer is lost -----------------------------------------------------------------------------------


class CutCommit:
    """Cuts the line at the next commit: before it reaches the server, or after the server carried it out."""

    def __init__(self, store: PostgresStore, *, after: bool) -> None:
        session = store._session
        assert session is not None
        self._session, self._say, self.after, self.cuts = session, session.say, after, 0
        session.say = self.say  # type: ignore[method-assign]

    def say(self, statement: str) -> None:
        if "COMMIT" not in statement or self.cuts:
            self._say(statement)
            return
        self.cuts += 1
        if self.after:
            self._say(statement)
        assert self._session._connection is not None
        driver(self._session._connection).close()
        raise psycopg.OperationalError("the line is dead")


@pytest.mark.parametrize("together", [1, 3])
async def test_a_commit_whose_answer_was_lost_counts_once(store: PostgresStore, together: int) -> None:
    await store.transact(adding(new_run_id()))
    cut = CutCommit(store, after=True)
    ids = [new_run_id() for _ in range(together)]
    assert [future.result(PATIENCE) for future in [store.submit(adding(one)) for one in ids]] == ids
    assert cut.cuts == 1
    assert await present(store, *ids) == [True] * together


async def test_a_commit_that_never_arrived_is_told_as_not_done(store: PostgresStore) -> None:
    await store.transact(adding(new_run_id()))
    CutCommit(store, after=False)
    run_id = new_run_id()
    with pytest.raises(StoreUnavailable):
        await store.transact(adding(run_id))
    assert await present(store, run_id) == [False]
    assert await store.transact(adding(run_id)) == run_id


async def test_a_session_that_is_cut_off_alive_is_ended_before_its_mark_is_believed(store: PostgresStore) -> None:
    """The line dies, the server has not noticed: its transaction still stands when the mark is looked up."""
    await store.transact(adding(new_run_id()))
    session = store._session
    assert session is not None
    say, zombies = session.say, []

    def losing(statement: str) -> None:
        if "COMMIT" not in statement or zombies:
            return say(statement)
        assert session._connection is not None
        zombies.append(session._connection)
        session._connection = None
        pretended = connect(session._address, "writer")
        driver(pretended).close()
        session._connection = pretended
        raise psycopg.OperationalError("the line is dead")

    session.say = losing  # type: ignore[method-assign]
    run_id = new_run_id()
    with pytest.raises(StoreUnavailable):
        await store.transact(adding(run_id))
    with pytest.raises(psycopg.Error):
        driver(zombies[0]).execute("COMMIT")
    assert await present(store, run_id) == [False]
    zombies[0].invalidate()


# --- outages --------------------------------------------------------------------------------------------------------


@pytest.fixture
def own_server() -> Iterator[PostgresServer]:
    server = PostgresServer(durable=True)
    yield server
    server.remove()


async def test_a_server_that_comes_back_is_used_again(
    own_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_session, "PATIENCE", 0.2)
    url = create_database(own_server.url(), "runs")
    upgrade_schema(url)
    store = store_at(url)
    watch = store.watch()
    before, during, after = new_run_id(), new_run_id(), new_run_id()
    await store.transact(adding(before))
    own_server.stop("immediate")
    with pytest.raises(StoreUnavailable):
        await store.transact(adding(during))
    with pytest.raises(StoreUnavailable):
        await present(store, before)
    own_server.start()
    assert await store.transact(adding(after)) == after
    assert await present(store, before, during, after) == [True, False, True]
    async with asyncio.timeout(PATIENCE):
        while not await watch.wait(PATIENCE):
            pass
    await store.close()


async def test_a_reader_whose_line_died_while_it_was_idle_reads_on(store: PostgresStore, postgres_url: str) -> None:
    run_id = await store.transact(adding(new_run_id()))
    assert await present(store, run_id) == [True]
    with sql(postgres_url) as other:
        other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE '%reader%'"
            " AND datname = current_database()"
        )
    assert await present(store, run_id) == [True]


async def test_a_reader_whose_line_breaks_in_a_read_says_why_and_reads_on(
    store: PostgresStore, postgres_url: str
) -> None:
    run_id = await store.transact(adding(new_run_id()))

    def broken(reads: Any) -> None:
        backend = reads._connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
        with sql(postgres_url) as other:
            other.execute("SELECT pg_terminate_backend(%s, 10000)", [backend])
        reads.exists(run_id)

    with pytest.raises(StoreUnavailable, match="terminating connection"):
        await store.read(broken)
    assert await present(store, run_id) == [True]


# --- waking up ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", ["", "?notify=off"])
async def test_a_commit_elsewhere_wakes_a_watch(postgres_url: str, options: str) -> None:
    here, there = store_at(postgres_url + options), store_at(postgres_url + options)
    watch = here.watch()
    assert await watch.wait(PATIENCE), "what was committed before anybody listened can't be told"

    def announcing(work: Any) -> None:
        adding(new_run_id())(work)
        work.announce()

    await there.transact(announcing)
    assert await watch.wait(PATIENCE)
    await here.close()
    await there.close()


async def test_a_listener_that_was_cut_off_comes_back(store: PostgresStore, postgres_url: str) -> None:
    watch = store.watch()
    assert await watch.wait(PATIENCE)
    with sql(postgres_url) as other:
        other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE '%listen%'"
            " AND datname = current_database()"
        )
        assert await watch.wait(PATIENCE), "coming back counts as news"
        other.execute("NOTIFY wfconsole_news")
        assert await watch.wait(PATIENCE)


# --- members of a batch ---------------------------------------------------------------------------------------------


async def test_a_deadlock_is_tried_again(postgres_url: str) -> None:
    one, other = store_at(postgres_url), store_at(postgres_url)
    first, second = new_run_id(), new_run_id()
    await one.transact(adding(first))
    await one.transact(adding(second))
    barrier = threading.Barrier(2)
    tries = 0

    def crossing(a: str, b: str) -> Any:
        met = False

        def act(work: Any) -> bool:
            nonlocal met, tries
            tries += 1
            work.runs.lock({a})
            if not met:
                met = True
                barrier.wait(PATIENCE)
            work.runs.lock({b})
            return True

        return act

    futures = [one.submit(crossing(first, second)), other.submit(crossing(second, first))]
    assert [future.result(PATIENCE) for future in futures] == [True, True]
    assert tries > 2
    await one.close()
    await other.close()


async def test_an_error_of_one_member_leaves_the_others(store: PostgresStore) -> None:
    run_id, twice = new_run_id(), new_run_id()
    await store.transact(adding(twice))
    futures = [store.submit(adding(one)) for one in (run_id, twice)]
    assert futures[0].result(PATIENCE) == run_id
    assert isinstance(futures[1].exception(PATIENCE), StoreUnavailable)
    assert await present(store, run_id) == [True]


# --- sessions -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", ["", "?notify=off"])
async def test_every_transaction_has_its_limits_and_its_name(postgres_url: str, options: str) -> None:
    store = store_at(postgres_url + options)

    def settings(work: Any) -> list[str]:
        names = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "timezone")
        return [work._connection.execute(text(f"SHOW {name}")).scalar() for name in names]

    assert await store.transact(settings) == ["30s", "10s", "15s", "UTC"]
    name = await store.transact(lambda work: work._connection.execute(text("SHOW application_name")).scalar())  # type: ignore[attr-defined]
    assert name.startswith("wfconsole:writer:")
    await store.close()


async def test_the_clock_is_the_databases(store: PostgresStore, postgres_url: str) -> None:
    with sql(postgres_url) as other:
        row = other.execute("SELECT clock_timestamp()").fetchone()
    assert row is not None
    now = await store.transact(lambda work: work.now)
    assert abs((now - row[0]).total_seconds()) < 1
    clock = DatabaseClock()
    clock.sample(row[0].replace(year=2001), 0.0, 0.0)
    assert clock.now().year >= 2001


async def test_a_reader_can_not_write(postgres_url: str) -> None:
    store = store_at(postgres_url, read_only=True)
    with pytest.raises(ReadOnly):
        await store.transact(adding(new_run_id()))
    with pytest.raises(StoreUnavailable, match="read-only"):
        await store.read(lambda reads: reads._connection.execute(text("DELETE FROM workflow_runs")))  # type: ignore[attr-defined]
    await store.close()


def test_an_address_never_shows_its_password() -> None:
    address = PostgresAddress.parse("postgresql://ann:hunter22@nowhere.invalid/db")
    assert "hunter22" not in repr(address)
    with pytest.raises(EngineError) as caught:
        PostgresAddress.parse("postgresql://ann:hunter22@host:port/db?notify=maybe")
    assert "hunter22" not in str(caught.value)


async def test_an_unreachable_database_is_said_without_its_password() -> None:
    with pytest.raises(StoreUnavailable) as caught:
        async with open_engine("postgresql://ann:hunter22@127.0.0.1:9/db"):
            pass
    assert "hunter22" not in str(caught.value)


# --- the schema -----------------------------------------------------------------------------------------------------


async def test_d22_an_empty_database_gets_its_schema_and_an_old_one_only_when_asked(empty_postgres_url: str) -> None:
    url = empty_postgres_url
    assert check_schema(url).found is None
    for options in ({"migrate": False}, {"read_only": True}):
        with pytest.raises(SchemaTooOld, match="none"):
            async with open_engine(url, **options):  # type: ignore[arg-type]
                pass
    async with open_engine(url) as engine:
        assert (await engine.inspector.overview()).queue == 0
    assert check_schema(url).ok
    with sql(url) as other:
        other.execute(f"UPDATE {VERSION_TABLE} SET version_num = '0001'")
        with pytest.raises(SchemaTooOld, match="0001"):
            async with open_engine(url):
                pass
        other.execute(f"UPDATE {VERSION_TABLE} SET version_num = '9999'")
        with pytest.raises(SchemaTooNew, match="9999"):
            async with open_engine(url, migrate=True):
                pass


def test_the_migrations_make_the_schema_of_the_tables(empty_postgres_url: str) -> None:
    connection = connect(PostgresAddress.parse(empty_postgres_url), "schema")
    driver(connection).execute("BEGIN")
    run_migrations(connection)
    driver(connection).execute("COMMIT")
    context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
    assert compare_metadata(context, metadata) == []
    assert check_schema(empty_postgres_url).found == HEAD
    connection.invalidate()


def test_many_upgrades_at_once_make_one(empty_postgres_url: str) -> None:
    address = PostgresAddress.parse(empty_postgres_url)
    with ThreadPoolExecutor(6) as threads:
        found = list(threads.map(upgrade_database, [address] * 6))
    assert sorted(found, key=str) == [HEAD] * 5 + [None]


def test_an_upgrade_that_breaks_off_leaves_nothing(empty_postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from engine.stores import postgres_schema

    def breaking(connection: Any) -> None:
        metadata.create_all(connection)
        raise RuntimeError("cut off")

    monkeypatch.setattr(postgres_schema, "bring_to_head", breaking)
    with pytest.raises(RuntimeError):
        upgrade_schema(empty_postgres_url)
    monkeypatch.undo()
    with sql(empty_postgres_url) as other:
        assert other.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone() == (0,)
    assert upgrade_schema(empty_postgres_url) == (None, HEAD)
