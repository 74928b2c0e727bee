"""The SQLite store keeps the promises of the ports, on a file and in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from engine.ports.persistence import Persistence
from engine.stores.clock import SystemClock
from engine.stores.sqlite import SqliteStore
from engine.stores.sqlite_file import prepare_file
from engine.testing.conformance import JobPromises, OutboxPromises, StorePromises, WatchPromises


class OnFile:
    @pytest.fixture
    async def store(self, tmp_path: Path) -> AsyncIterator[Persistence]:
        path = tmp_path / "runs.db"
        prepare_file(path, migrate=True, read_only=False)
        store = SqliteStore(path, SystemClock())
        yield store
        await store.close()


class InMemory:
    @pytest.fixture
    async def store(self) -> AsyncIterator[Persistence]:
        store = SqliteStore(None, SystemClock())
        yield store
        await store.close()


class TestStoreOnFile(OnFile, StorePromises):
    pass


class TestStoreInMemory(InMemory, StorePromises):
    pass


class TestWatchOnFile(OnFile, WatchPromises):
    pass


class TestWatchInMemory(InMemory, WatchPromises):
    pass


class TestJobsOnFile(OnFile, JobPromises):
    pass


class TestJobsInMemory(InMemory, JobPromises):
    pass


class TestOutboxOnFile(OnFile, OutboxPromises):
    pass


class TestOutboxInMemory(InMemory, OutboxPromises):
    pass
