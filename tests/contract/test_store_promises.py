"""The stores keep the promises of the ports: SQLite on a file, in memory, Postgres, Postgres without notifications."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from engine.ports.persistence import Persistence
from engine.stores.databases import PostgresDatabase, database_at
from engine.stores.sqlite import SqliteStore
from engine.testing.conformance import CallPromises, JobPromises, OutboxPromises, StorePromises, WatchPromises


class OnFile:
    @pytest.fixture
    async def store(self, tmp_path: Path) -> AsyncIterator[Persistence]:
        database = database_at(f"sqlite:///{tmp_path / 'runs.db'}")
        database.prepare("auto", read_only=False)
        store = database.store(database.clock(), read_only=False, durability="full")
        yield store
        await store.close()


class InMemory:
    @pytest.fixture
    async def store(self) -> AsyncIterator[Persistence]:
        store = SqliteStore(None, database_at("sqlite://").clock())
        yield store
        await store.close()


class OnPostgres:
    options = ""

    @pytest.fixture
    async def store(self, postgres_url: str) -> AsyncIterator[Persistence]:
        database = database_at(postgres_url + self.options)
        assert isinstance(database, PostgresDatabase)
        store = database.store(database.clock(), read_only=False, durability="full")
        yield store
        await store.close()


class WithoutNotify(OnPostgres):
    """As behind a pooler in transaction mode."""

    options = "?notify=off"


class TestStoreOnFile(OnFile, StorePromises):
    pass


class TestStoreInMemory(InMemory, StorePromises):
    pass


class TestStoreOnPostgres(OnPostgres, StorePromises):
    pass


class TestStoreWithoutNotify(WithoutNotify, StorePromises):
    pass


class TestWatchOnFile(OnFile, WatchPromises):
    pass


class TestWatchInMemory(InMemory, WatchPromises):
    pass


class TestWatchOnPostgres(OnPostgres, WatchPromises):
    pass


class TestWatchWithoutNotify(WithoutNotify, WatchPromises):
    pass


class TestJobsOnFile(OnFile, JobPromises):
    pass


class TestJobsInMemory(InMemory, JobPromises):
    pass


class TestJobsOnPostgres(OnPostgres, JobPromises):
    pass


class TestJobsWithoutNotify(WithoutNotify, JobPromises):
    pass


class TestOutboxOnFile(OnFile, OutboxPromises):
    pass


class TestOutboxInMemory(InMemory, OutboxPromises):
    pass


class TestOutboxOnPostgres(OnPostgres, OutboxPromises):
    pass


class TestOutboxWithoutNotify(WithoutNotify, OutboxPromises):
    pass


class TestCallsOnFile(OnFile, CallPromises):
    pass


class TestCallsInMemory(InMemory, CallPromises):
    pass


class TestCallsOnPostgres(OnPostgres, CallPromises):
    pass
