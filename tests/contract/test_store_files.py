"""The SQLite file: private, read-only where that was asked, with readers that hold nothing up."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from engine.errors import ReadOnly, SchemaTooNew, SchemaTooOld, StoreUnavailable
from engine.model.ids import new_run_id
from engine.ports.reads import ReadStore
from engine.stores import sqlite_connection
from engine.stores import watch as watching
from engine.stores.clock import SystemClock
from engine.stores.sql.migrate import HEAD, VERSION_TABLE
from engine.stores.sqlite import READERS, SqliteStore
from engine.stores.sqlite_connection import Durability, connect, raw
from engine.stores.sqlite_file import prepare_file, schema_state, upgrade_file
from engine.stores.watch import DataVersionPoller, Watches
from engine.testing.conformance.records import add_run
from engine.testing.conformance.store import PATIENCE, Refused, adding, present
from engine.testing.conformance.watch import announcing, quiet


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "runs.db"
    prepare_file(path, migrate=True, read_only=False)
    return path


@pytest.fixture
async def store(path: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(path, SystemClock())
    yield store
    await store.close()


@pytest.fixture
def lax_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.mark.usefixtures("lax_umask")
async def test_the_file_and_its_side_files_are_private_whatever_the_umask(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    prepare_file(path, migrate=True, read_only=False)
    store = SqliteStore(path, SystemClock())
    await present(store, await store.transact(adding(new_run_id())))
    modes = {one.name: one.stat().st_mode & 0o777 for one in tmp_path.iterdir()}
    await store.close()
    assert modes == {"runs.db": 0o600, "runs.db-wal": 0o600, "runs.db-shm": 0o600}


async def test_commits_are_durable_by_default(store: SqliteStore) -> None:
    def settings(path: Path, durability: Durability = "full") -> list[object]:
        connection = connect(path, durability=durability)
        try:
            return [raw(connection).execute(f"PRAGMA {one}").fetchone()[0] for one in ("journal_mode", "synchronous")]
        finally:
            connection.close()

    assert store.path is not None
    assert settings(store.path) == ["wal", 2]
    assert settings(store.path, durability="normal") == ["wal", 1]


async def test_a_store_opened_for_reading_refuses_writes_and_reads_all_the_same(path: Path, store: SqliteStore) -> None:
    run_id = await store.transact(adding(new_run_id()))
    reading = SqliteStore(path, SystemClock(), read_only=True)
    assert await present(reading, run_id) == [True]
    with pytest.raises(ReadOnly):
        reading.submit(adding(new_run_id()))
    with pytest.raises(ReadOnly):
        await reading.transact(adding(new_run_id()))
    await reading.close()


async def test_a_reading_connection_cannot_write_even_if_it_is_told_to(path: Path) -> None:
    connection = connect(path, read_only=True)
    driver = raw(connection)
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        driver.execute("DELETE FROM workflow_runs")
    driver.execute("PRAGMA query_only = OFF")
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        driver.execute("DELETE FROM workflow_runs")
    connection.close()


async def test_a_file_nobody_has_open_can_be_read(path: Path) -> None:
    assert [one.name for one in path.parent.iterdir()] == ["runs.db"]
    reading = SqliteStore(path, SystemClock(), read_only=True)
    assert await present(reading, new_run_id()) == [False]
    await reading.close()


async def test_a_read_sees_one_snapshot(store: SqliteStore) -> None:
    run_id = new_run_id()

    def look_twice(reads: ReadStore) -> list[bool]:
        before = reads.exists(run_id)
        store.submit(adding(run_id)).result(PATIENCE)
        return [before, reads.exists(run_id)]

    assert await store.read(look_twice) == [False, False]
    assert await present(store, run_id) == [True]


def checkpoint_is_held_up(path: Path) -> bool:
    connection = sqlite3.connect(path, isolation_level=None, timeout=0)
    try:
        held_up, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return bool(held_up)
    finally:
        connection.close()


async def test_a_snapshot_is_let_go_when_the_read_ends_however_it_ends(path: Path, store: SqliteStore) -> None:
    run_id = await store.transact(adding(new_run_id()))
    during: list[bool] = []

    def look(reads: ReadStore) -> None:
        reads.exists(run_id)
        store.submit(adding(new_run_id())).result(PATIENCE)
        during.append(checkpoint_is_held_up(path))

    def look_and_fail(reads: ReadStore) -> None:
        look(reads)
        raise Refused

    await store.read(look)
    assert not checkpoint_is_held_up(path)
    with pytest.raises(Refused):
        await store.read(look_and_fail)
    assert not checkpoint_is_held_up(path)
    assert during == [True, True], "while the read lasts its snapshot does hold the log"
    assert path.with_name("runs.db-wal").stat().st_size == 0


async def test_reads_go_on_side_by_side(store: SqliteStore) -> None:
    together = threading.Barrier(READERS)
    with ThreadPoolExecutor(READERS) as pool:
        waits = [pool.submit(lambda: submit_read(store, together)) for _ in range(READERS)]
        assert [wait.result(PATIENCE) for wait in waits] == [False] * READERS


def submit_read(store: SqliteStore, together: threading.Barrier) -> bool:
    def look(reads: ReadStore) -> bool:
        together.wait(PATIENCE)
        return reads.exists(new_run_id())

    return asyncio.run(store.read(look))


FORK = """
import os, sys
from pathlib import Path
from engine.errors import StoreUnavailable
from engine.stores.clock import SystemClock
from engine.stores.sqlite import SqliteStore
store = SqliteStore(Path(sys.argv[1]), SystemClock())
store.submit(lambda work: None).result()
child = os.fork()
if child == 0:
    refused = 0
    write, read = lambda: store.submit(lambda work: None), lambda: store.read(lambda reads: None).send(None)
    for use in (write, read, store.watch):
        try:
            use()
        except StoreUnavailable as error:
            refused += "fork" in str(error)
    os._exit(refused)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_a_forked_child_is_refused_instead_of_hanging(path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORK, path], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "3"


# --- commits of other processes -----------------------------------------------------------------------------------


FOREIGN_COMMIT = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
connection.execute("INSERT INTO run_stats VALUES ('theirs', 'PENDING', 0, 0)")
connection.commit()
"""


@pytest.mark.parametrize("quiet_after", [3600.0, 0.0])
async def test_a_commit_of_another_process_wakes_a_watch(
    path: Path, store: SqliteStore, monkeypatch: pytest.MonkeyPatch, quiet_after: float
) -> None:
    """Nobody announces it here: the file's `data_version` tells."""
    monkeypatch.setattr(watching, "QUIET_AFTER_SECONDS", quiet_after)
    watch = store.watch()
    await quiet(watch)
    await asyncio.to_thread(subprocess.run, [sys.executable, "-c", FOREIGN_COMMIT, path], check=True, timeout=60)
    assert await watch.wait(PATIENCE)
    await quiet(watch)
    watch.close()


async def test_a_foreign_commit_right_after_the_first_watch_is_not_missed(path: Path) -> None:
    other = SqliteStore(path, SystemClock())
    for _ in range(5):
        store = SqliteStore(path, SystemClock())
        watch = store.watch()
        await other.transact(announcing)
        assert await watch.wait(PATIENCE)
        await store.close()
    await other.close()


def test_the_watch_outlives_a_file_that_is_broken_for_a_while(path: Path) -> None:
    whole = path.read_bytes()
    path.write_bytes(b"no database at all" * 100)
    woken = threading.Event()

    class Woken(Watches):
        def wake_all(self) -> None:
            woken.set()

    poller = DataVersionPoller(path, Woken())
    poller.start()
    assert not woken.wait(0.1)
    path.write_bytes(whole)
    assert woken.wait(PATIENCE)
    poller.stop()


# --- paths that are none ------------------------------------------------------------------------------------------


def opening_fails(path: Path, kind: type[Exception], *, read_only: bool = False) -> str:
    with pytest.raises(kind) as caught:
        prepare_file(path, migrate=True, read_only=read_only)
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    assert "No such file or directory" in opening_fails(tmp_path / "none" / "runs.db", StoreUnavailable)
    assert "no database file" in opening_fails(tmp_path / "none" / "runs.db", StoreUnavailable, read_only=True)


@pytest.mark.parametrize("read_only", [False, True])
def test_a_folder_in_the_place_of_the_file(tmp_path: Path, *, read_only: bool) -> None:
    assert str(tmp_path) in opening_fails(tmp_path, StoreUnavailable, read_only=read_only)


@pytest.mark.parametrize("read_only", [False, True])
def test_a_file_that_is_no_database(tmp_path: Path, *, read_only: bool) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("buy milk\n" * 100)
    assert "not a database" in opening_fails(path, StoreUnavailable, read_only=read_only)
    assert path.read_text() == "buy milk\n" * 100
    assert [one.name for one in tmp_path.iterdir()] == ["notes.txt"]


def test_a_database_of_somebody_else_is_left_alone_when_reading(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE theirs (x)")
    connection.close()
    assert "schema none" in opening_fails(path, SchemaTooOld, read_only=True)


def test_a_file_somebody_else_holds_locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_connection, "BUSY_MS", 50)
    path = tmp_path / "runs.db"
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    other.execute("CREATE TABLE theirs (x)")
    assert "locked" in opening_fails(path, StoreUnavailable)
    other.execute("ROLLBACK")
    other.close()
    prepare_file(path, migrate=True, read_only=False)


def set_version(path: Path, version: str) -> None:
    connection = sqlite3.connect(path)
    connection.execute(f"UPDATE {VERSION_TABLE} SET version_num = ?", (version,))
    connection.commit()
    connection.close()


@pytest.mark.parametrize("read_only", [False, True])
def test_a_newer_schema_is_refused_and_left_alone(path: Path, *, read_only: bool) -> None:
    set_version(path, "9999")
    text = opening_fails(path, SchemaTooNew, read_only=read_only)
    assert "9999" in text
    assert HEAD in text
    assert schema_state(path).found == "9999"


def test_an_older_schema_is_refused_where_it_may_not_be_upgraded(path: Path) -> None:
    set_version(path, "0000")
    assert "db upgrade" in opening_fails(path, SchemaTooOld, read_only=True)
    with pytest.raises(SchemaTooOld):
        prepare_file(path, migrate=False, read_only=False)
    assert schema_state(path).found == "0000"


def test_reading_creates_nothing(tmp_path: Path) -> None:
    opening_fails(tmp_path / "runs.db", StoreUnavailable, read_only=True)
    with pytest.raises(StoreUnavailable):
        prepare_file(tmp_path / "runs.db", migrate=False, read_only=False)
    assert list(tmp_path.iterdir()) == []


async def test_a_file_taken_away_is_not_made_anew(path: Path) -> None:
    """An empty file in its place, readable by all, would hide the loss."""
    store = SqliteStore(path, SystemClock())
    path.unlink()
    with pytest.raises(StoreUnavailable):
        await store.transact(lambda work: add_run(work))
    assert not path.exists()
    await store.close()


def test_upgrading_what_is_up_to_date_changes_nothing(path: Path) -> None:
    before = path.read_bytes()
    assert upgrade_file(path) == HEAD
    assert schema_state(path).ok
    assert path.read_bytes()[100:] == before[100:]
