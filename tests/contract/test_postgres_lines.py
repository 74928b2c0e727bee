"""Lines to Postgres that are cut, or open and dead: nothing is lost or done twice, and somebody listens again."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from wire import Wire

from engine.model.ids import new_run_id
from engine.stores import postgres_listener
from engine.stores.clock import DatabaseClock
from engine.stores.postgres import PostgresStore
from engine.stores.postgres_address import PostgresAddress
from engine.testing.conformance.store import PATIENCE, adding, present


def store_at(url: str) -> PostgresStore:
    return PostgresStore(PostgresAddress.parse(url), DatabaseClock())


@pytest.fixture
def wire() -> Iterator[Callable[[str], Wire]]:
    made: list[Wire] = []

    def through(url: str) -> Wire:
        made.append(Wire(url))
        return made[-1]

    yield through
    for one in made:
        one.close()


@pytest.mark.parametrize("options", ["", "?notify=off"])
async def test_a_line_that_is_cut_before_the_answer_to_a_commit_comes(
    wire: Callable[[str], Wire], postgres_url: str, options: str
) -> None:
    through = wire(postgres_url)
    store = store_at(through.url + options)
    await store.transact(adding(new_run_id()))
    through.cut_after(b"COMMIT")
    run_id = new_run_id()
    assert await store.transact(adding(run_id)) == run_id
    assert through.cuts == 1
    assert await present(store, run_id) == [True]
    await store.close()


async def test_a_listener_whose_line_is_open_and_dead_comes_back(
    wire: Callable[[str], Wire], postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_listener, "CHECK_SECONDS", 0.2)
    monkeypatch.setattr(postgres_listener, "ANSWER_SECONDS", 0.2)
    through = wire(postgres_url)
    store = store_at(through.url)
    watch = store.watch()
    assert await watch.wait(PATIENCE)
    through.die()
    assert await watch.wait(PATIENCE), "coming back counts as news"
    with psycopg.connect(postgres_url, autocommit=True) as other:
        async with asyncio.timeout(PATIENCE):
            while not await watch.wait(0.2):
                other.execute("NOTIFY wfconsole_news")
    await store.close()


async def test_a_broken_line_wakes_whoever_waits(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody can listen any more: a reader finds out at once that the database is gone, and not at its next look."""
    store = store_at(postgres_url)
    watch = store.watch()
    assert await watch.wait(PATIENCE), "listening counts as news"

    def refused(*_: Any) -> None:
        raise OSError("refused")

    monkeypatch.setattr(postgres_listener, "connect", refused)
    monkeypatch.setattr(postgres_listener, "CHECK_SECONDS", 2 * PATIENCE)
    with psycopg.connect(postgres_url, autocommit=True) as other:
        ended = other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND query LIKE 'LISTEN%'"
        ).fetchall()
    assert ended == [(True,)]
    assert await watch.wait(PATIENCE)
    await store.close()


async def test_a_listener_of_an_absent_server_tries_on_and_says_so_once_a_second(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_listener, "LONGEST_PAUSE", 0.01)
    tries = threading.Semaphore(0)

    def refused(*_: Any) -> None:
        tries.release()
        raise OSError("refused")

    monkeypatch.setattr(postgres_listener, "connect", refused)
    with caplog.at_level("DEBUG", "engine.stores.postgres_listener"):
        began = time.monotonic()
        store = store_at("postgresql://nobody@127.0.0.1:9/none")
        watch = store.watch()
        assert all(tries.acquire(timeout=PATIENCE) for _ in range(20))
        watch.close()
        await store.close()
    assert 1 <= len(caplog.messages) <= 1 + (time.monotonic() - began)
