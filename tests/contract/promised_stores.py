"""The four stores to try promises on: SQLite on a file and in memory, Postgres with and without notifications."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from engine.ports.persistence import Persistence
from engine.ports.work import UnitOfWork
from engine.stores.databases import database_at
from engine.stores.sql.tables import metadata
from engine.stores.sql.work import SqlWork
from engine.stores.sqlite import SqliteStore


def on_file(folder: Path) -> Persistence:
    database = database_at(f"sqlite:///{folder / 'runs.db'}")
    database.prepare("auto", read_only=False)
    return database.store(database.clock(), read_only=False, durability="full")


def in_memory() -> Persistence:
    return SqliteStore(None, database_at("sqlite://").clock())


def on_postgres(url: str) -> Persistence:
    database = database_at(url)
    return database.store(database.clock(), read_only=False, durability="full")


class OnFile:
    @pytest.fixture
    async def store(self, tmp_path: Path) -> AsyncIterator[Persistence]:
        store = on_file(tmp_path)
        yield store
        await store.close()


class InMemory:
    @pytest.fixture
    async def store(self) -> AsyncIterator[Persistence]:
        store = in_memory()
        yield store
        await store.close()


class OnPostgres:
    options = ""

    @pytest.fixture
    async def store(self, reused_postgres_url: str) -> AsyncIterator[Persistence]:
        store = on_postgres(reused_postgres_url + self.options)
        yield store
        await store.close()


class WithoutNotify(OnPostgres):
    """As behind a pooler in transaction mode."""

    options = "?notify=off"


STORES = ("file", "memory", "postgres", "without notify")


class OnEach:
    """Each of the four in turn, opened once for a module and emptied before every test."""

    @pytest.fixture(scope="module", params=STORES)
    def opened(self, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Persistence]:
        store = _open(request, tmp_path_factory)
        yield store
        asyncio.run(store.close())

    @pytest.fixture
    async def store(self, opened: Persistence) -> Persistence:
        await opened.transact(_empty)
        return opened


def _open(request: pytest.FixtureRequest, folders: pytest.TempPathFactory) -> Persistence:
    if request.param == "file":
        return on_file(folders.mktemp("store"))
    if request.param == "memory":
        return in_memory()
    new: Callable[[], str] = request.getfixturevalue("new_postgres_of_a_module")
    return on_postgres(new() + ("?notify=off" if request.param == "without notify" else ""))


def _empty(work: UnitOfWork) -> None:
    assert isinstance(work, SqlWork)
    for table in reversed(metadata.sorted_tables):
        if table.name != "writer_marks":
            work._connection.execute(text(f"DELETE FROM {table.name}"))
