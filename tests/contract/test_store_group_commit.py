"""How SQLite's writer shares a commit, and what becomes of the members when the transaction comes to an early end."""

from __future__ import annotations

import sqlite3
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from engine.errors import StoreUnavailable
from engine.model.ids import new_id, new_run_id
from engine.ports.persistence import Persistence
from engine.ports.work import UnitOfWork
from engine.stores.clock import SystemClock
from engine.stores.sql.work import SqlWork
from engine.stores.sqlite import SqliteStore
from engine.stores.sqlite_connection import raw
from engine.stores.sqlite_file import prepare_file
from engine.testing.conformance.records import add_job, add_run
from engine.testing.conformance.store import PATIENCE, Gate, Refused, adding, present, submit_together


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    path = tmp_path / "runs.db"
    prepare_file(path, migrate=True, read_only=False)
    store = SqliteStore(path, SystemClock())
    yield store
    await store.close()


def driver(work: UnitOfWork) -> sqlite3.Connection:
    assert isinstance(work, SqlWork)
    return raw(work._connection)


def traced(store: Persistence) -> list[str]:
    """The statements of the writer from here on, without their values."""
    seen: list[str] = []
    store.submit(lambda work: driver(work).set_trace_callback(lambda text: seen.append(text.split(" (")[0]))).result()
    seen.clear()
    return seen


def ending_the_transaction(work: UnitOfWork) -> None:
    """As SQLite does by itself when the disk is full or breaks."""
    add_run(work)
    driver(work).execute("ROLLBACK")
    raise Refused


def breaking_the_commit(work: UnitOfWork) -> None:
    """Leaves a broken foreign key that SQLite looks at only when it commits."""
    driver(work).execute("PRAGMA defer_foreign_keys = ON")
    add_job(work, add_run(work), run_id="no such run")


def counted(calls: Counter[str], run_id: str) -> Callable[[UnitOfWork], str]:
    def adding_it(work: UnitOfWork) -> str:
        calls[run_id] += 1
        return add_run(work, run_id).id

    return adding_it


def test_those_that_wait_together_share_one_commit(store: SqliteStore) -> None:
    seen = traced(store)
    submit_together(store, *(adding(new_run_id()) for _ in range(20)))
    commits = seen.count("COMMIT")
    assert commits == 2, "the gate's and the batch's"
    assert seen.count("SAVEPOINT member") == seen.count("RELEASE member") == 20


def test_one_that_is_alone_pays_no_savepoint(store: SqliteStore) -> None:
    seen = traced(store)
    store.submit(adding(new_run_id())).result(PATIENCE)
    assert [seen[0], seen[-1]] == ["BEGIN IMMEDIATE", "COMMIT"]
    assert not [text for text in seen if "SAVEPOINT" in text or "RELEASE" in text]


async def test_nobody_has_a_result_before_the_commit(store: SqliteStore) -> None:
    run_id = new_run_id()
    entered, leave = threading.Event(), threading.Event()

    def second(_: UnitOfWork) -> None:
        entered.set()
        assert leave.wait(PATIENCE)

    with Gate(store):
        first = store.submit(adding(run_id))
        other = store.submit(second)
    assert entered.wait(PATIENCE)
    try:
        assert not first.done()
        assert await present(store, run_id) == [False]
    finally:
        leave.set()
    other.result(PATIENCE)
    assert first.result(PATIENCE) == run_id
    assert await present(store, run_id) == [True]


async def test_when_the_transaction_is_gone_the_others_are_done_again_alone(store: SqliteStore) -> None:
    calls: Counter[str] = Counter()
    before, after = new_run_id(), new_run_id()
    first, gone, last = submit_together(store, counted(calls, before), ending_the_transaction, counted(calls, after))
    assert (first.result(), last.result()) == (before, after)
    assert isinstance(gone.exception(), Refused)
    assert calls == {before: 2, after: 1}
    assert await present(store, before, after) == [True, True]


async def test_a_swallowed_end_of_the_transaction_is_no_success(store: SqliteStore) -> None:
    """Nothing was committed, so nobody may be told that it was: not in a batch, and not alone."""

    def swallowing(work: UnitOfWork) -> str:
        run_id = add_run(work).id
        driver(work).execute("ROLLBACK")
        return run_id

    run_id = new_run_id()
    other, swallowed = submit_together(store, adding(run_id), swallowing)
    assert other.result() == run_id
    assert isinstance(swallowed.exception(), StoreUnavailable)
    with pytest.raises(StoreUnavailable):
        await store.transact(swallowing)
    assert await present(store, run_id) == [True]


async def test_a_full_disk_fails_the_one_that_filled_it(store: SqliteStore) -> None:
    """With the real SQLITE_FULL, which ends the transaction, savepoints and all."""
    small, also_small = new_run_id(), new_run_id()

    def limit(work: UnitOfWork) -> None:
        (pages,) = driver(work).execute("PRAGMA page_count").fetchone()
        driver(work).execute(f"PRAGMA max_page_count = {pages + 60}")

    def filling(work: UnitOfWork) -> None:
        add_run(work, config='"' + "x" * 4_000_000 + '"')

    await store.transact(limit)
    first, full, last = submit_together(store, adding(small), filling, adding(also_small))
    error = full.exception()
    assert isinstance(error, StoreUnavailable)
    assert "full" in str(error)
    assert (first.result(), last.result()) == (small, also_small)
    assert await present(store, small, also_small) == [True, True]


async def test_a_commit_that_fails_fails_all(store: SqliteStore) -> None:
    run_id = new_run_id()
    futures = submit_together(store, adding(run_id), breaking_the_commit)
    errors = [future.exception() for future in futures]
    assert all(isinstance(error, StoreUnavailable) for error in errors)
    assert "FOREIGN KEY" in str(errors[0])
    assert await present(store, run_id) == [False]
    assert await store.transact(adding(run_id)) == run_id


async def test_one_that_raises_the_interpreters_own_errors_does_not_end_the_writer(store: SqliteStore) -> None:
    def leaving(_: UnitOfWork) -> None:
        raise SystemExit(3)

    run_id = new_run_id()
    left, other = submit_together(store, leaving, adding(run_id))
    assert isinstance(left.exception(), SystemExit)
    assert other.result() == run_id


async def test_a_cancelled_future_does_not_end_the_writer(store: SqliteStore) -> None:
    with Gate(store):
        future = store.submit(adding(new_run_id()))
        assert future.cancel()
    assert await store.transact(adding(new_run_id()))


async def test_another_process_that_holds_the_lock_is_waited_for(store: SqliteStore) -> None:
    assert store.path is not None
    other = sqlite3.connect(store.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    run_id = new_id()
    future = store.submit(adding(run_id))
    assert await present(store, run_id) == [False], "readers don't wait"
    assert not future.done()
    other.execute("COMMIT")
    other.close()
    assert future.result(PATIENCE) == run_id
