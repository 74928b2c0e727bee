"""What the tests of every room share: a Postgres, one server a run and one database a test."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from compiled_once import compile_once
from pgbouncer import NoPooler, find_pooler
from pgbouncer import pooled as behind_a_pooler
from postgres_server import (
    NoPostgres,
    create_database,
    drop_database,
    empty_database,
    end_of_run,
    memory,
    schema_of,
    server_of_this_run,
    template_of_this_run,
)

RUN_FOLDER = "WFCONSOLE_TEST_RUN"
TEMPORARY = "PYTEST_DEBUG_TEMPROOT"
PROCESSES = "PYTEST_XDIST_AUTO_NUM_WORKERS"


def pytest_xdist_auto_num_workers() -> int:
    """Two more than there are cores: most tests wait longer than they compute, for a backoff, a process, a server."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return int(os.environ.get(PROCESSES) or cores + 2)


def pytest_collection_finish() -> None:
    """Thousands of tests live as long as the process: no collection of garbage need look at them again.

    A screen is ten thousands of small objects, so the youngest are looked at less often too.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000)


def pytest_configure(config: pytest.Config) -> None:
    compile_once()
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # A shell that starts us in the background does that, and the programs under test would inherit it.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if not hasattr(config, "workerinput"):
        os.environ[RUN_FOLDER] = tempfile.mkdtemp(prefix="wfconsole-run-")
        if roomy := memory(1 << 30):
            os.environ.setdefault(TEMPORARY, roomy)


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput") and (folder := os.environ.pop(RUN_FOLDER, None)):
        end_of_run(Path(folder))


@pytest.fixture(scope="session")
def postgres_server() -> str:
    """The address of the run's server. On CI its absence is a failure."""
    try:
        return server_of_this_run(Path(os.environ[RUN_FOLDER]))
    except NoPostgres as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))


@pytest.fixture
def new_postgres(postgres_server: str) -> Iterator[Callable[[], str]]:
    """Makes fresh databases with our schema, for this test alone; gives their addresses."""
    yield from _new_databases(postgres_server)


@pytest.fixture(scope="module")
def new_postgres_of_a_module(postgres_server: str) -> Iterator[Callable[[], str]]:
    """As `new_postgres`, for the tests of one module."""
    yield from _new_databases(postgres_server)


def _new_databases(postgres_server: str) -> Iterator[Callable[[], str]]:
    template = template_of_this_run(Path(os.environ[RUN_FOLDER]), postgres_server)
    made: list[str] = []

    def make() -> str:
        made.append(f"wfconsole_{uuid.uuid4().hex[:16]}")
        return create_database(postgres_server, made[-1], template)

    yield make
    for name in made:
        drop_database(postgres_server, name)


@pytest.fixture
def postgres_url(new_postgres: Callable[[], str]) -> str:
    """The address of a fresh database with our schema, for this test alone."""
    return new_postgres()


@pytest.fixture(scope="session")
def _spare_databases(postgres_server: str) -> Iterator[list[str]]:
    """Addresses of databases with our schema and nothing in them, for this process."""
    spare: list[str] = []
    yield spare
    for url in spare:
        drop_database(postgres_server, url.rpartition("/")[2])


@pytest.fixture(scope="session")
def _schema(postgres_server: str) -> str:
    template = template_of_this_run(Path(os.environ[RUN_FOLDER]), postgres_server)
    return schema_of(f"{postgres_server.rpartition('/')[0]}/{template}")


@pytest.fixture
def reused_postgres(postgres_server: str, _spare_databases: list[str], _schema: str) -> Iterator[Callable[[], str]]:
    """As `new_postgres`, for tests that leave the tables as they are: databases others used before, emptied."""
    template = template_of_this_run(Path(os.environ[RUN_FOLDER]), postgres_server)
    used: list[str] = []

    def take() -> str:
        if not _spare_databases:
            _spare_databases.append(create_database(postgres_server, f"wfconsole_{uuid.uuid4().hex[:16]}", template))
        used.append(_spare_databases.pop())
        return used[-1]

    yield take
    for url in used:
        if empty_database(url, _schema):
            _spare_databases.append(url)
        else:
            drop_database(postgres_server, url.rpartition("/")[2])


@pytest.fixture
def reused_postgres_url(reused_postgres: Callable[[], str]) -> str:
    """The address of an empty database with our schema, for tests that leave the tables as they are."""
    return reused_postgres()


@pytest.fixture
def empty_postgres_url(postgres_server: str) -> Iterator[str]:
    """The address of a fresh database with nothing in it."""
    name = f"wfconsole_{uuid.uuid4().hex[:16]}"
    yield create_database(postgres_server, name)
    drop_database(postgres_server, name)


@pytest.fixture
def pooled() -> Iterator[Callable[[str], str]]:
    """Puts a pooler in transaction mode before a database; gives the address. On CI its absence is a failure."""
    try:
        find_pooler()
    except NoPooler as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))
    with contextlib.ExitStack() as stack:
        yield lambda url: stack.enter_context(behind_a_pooler(url))


@pytest.fixture
def pooled_url(pooled: Callable[[str], str], postgres_url: str) -> str:
    """The address of a fresh database with our schema, behind a pooler in transaction mode."""
    return pooled(postgres_url)


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a database of this test's own, which several engines may share: on each of the two in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'runs.db'}"
    found: str = request.getfixturevalue("postgres_url")
    return found
