"""Which database an address names, and how it is prepared and opened."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from engine.errors import EngineError, StoreUnavailable
from engine.ports.clock import Clock
from engine.ports.persistence import Persistence
from engine.stores.clock import DatabaseClock, SystemClock
from engine.stores.postgres_address import PostgresAddress
from engine.stores.sql.migrate import HEAD, SchemaState
from engine.stores.sql.statistics import DatabaseStats
from engine.stores.sqlite_connection import Durability

Migrate = Literal["auto"] | bool
SQLITE = "sqlite://"


class Database(Protocol):
    """A database by its address; nothing is opened yet."""

    def clock(self) -> Clock:
        """The clock that all who use this database share."""

    def prepare(self, migrate: Migrate, *, read_only: bool) -> None:
        """Make sure that it has this program's schema. Raises `StoreUnavailable`, `SchemaTooOld`, `SchemaTooNew`."""

    def store(self, clock: Clock, *, read_only: bool, durability: Durability) -> Persistence: ...

    def schema(self) -> SchemaState:
        """What it has; creates nothing. Raises `StoreUnavailable`."""

    def upgrade(self) -> str | None:
        """Create or upgrade the schema; the version before, None for an empty database."""

    def statistics(self) -> DatabaseStats:
        """How large it is. Raises `StoreUnavailable`."""


@dataclass(frozen=True, slots=True)
class SqliteDatabase:
    """A file, or memory (`path=None`)."""

    path: Path | None

    def clock(self) -> Clock:
        return SystemClock()

    def prepare(self, migrate: Migrate, *, read_only: bool) -> None:
        from engine.stores.sqlite_file import prepare_file

        if self.path is not None:
            prepare_file(self.path, migrate=migrate is not False, read_only=read_only)
        elif read_only:
            raise EngineError("a database in memory can't be opened read-only")

    def store(self, clock: Clock, *, read_only: bool, durability: Durability) -> Persistence:
        from engine.stores.sqlite import SqliteStore

        return SqliteStore(self.path, clock, read_only=read_only, durability=durability)

    def schema(self) -> SchemaState:
        from engine.stores.sqlite_file import schema_state

        return SchemaState(HEAD, HEAD) if self.path is None else schema_state(self.path)

    def upgrade(self) -> str | None:
        from engine.stores.sqlite_file import upgrade_file

        if self.path is None:
            raise StoreUnavailable("a database in memory has nothing to upgrade")
        return upgrade_file(self.path)

    def statistics(self) -> DatabaseStats:
        from engine.stores.sqlite_statistics import file_statistics

        if self.path is None:
            raise StoreUnavailable("a database in memory is gone with its process")
        return file_statistics(self.path)


@dataclass(frozen=True, slots=True)
class PostgresDatabase:
    """A Postgres. An empty one gets its schema; one that is behind only where it is asked for."""

    address: PostgresAddress

    def clock(self) -> Clock:
        return DatabaseClock()

    def prepare(self, migrate: Migrate, *, read_only: bool) -> None:
        from engine.stores.postgres_schema import prepare_database

        writes = not read_only
        prepare_database(self.address, migrate=writes and migrate is True, create=writes and migrate is not False)

    def store(self, clock: Clock, *, read_only: bool, durability: Durability) -> Persistence:
        from engine.stores.postgres import PostgresStore

        return PostgresStore(self.address, clock, read_only=read_only)

    def schema(self) -> SchemaState:
        from engine.stores.postgres_schema import schema_state

        return schema_state(self.address)

    def upgrade(self) -> str | None:
        from engine.stores.postgres_schema import upgrade_database

        return upgrade_database(self.address)

    def statistics(self) -> DatabaseStats:
        from engine.stores.postgres_statistics import database_statistics

        return database_statistics(self.address)


def database_at(url: str) -> SqliteDatabase | PostgresDatabase:
    """The database an address names. Raises `EngineError` for one that is none, without showing its password."""
    if url in (SQLITE, "sqlite:///:memory:", "sqlite://:memory:"):
        return SqliteDatabase(None)
    if url.startswith("sqlite:///") and len(url) > len("sqlite:///"):
        return SqliteDatabase(Path(os.path.abspath(os.path.expanduser(url.removeprefix("sqlite:///")))))
    if url.startswith(("postgresql://", "postgres://", "postgresql+psycopg://")):
        return PostgresDatabase(PostgresAddress.parse(f"postgresql://{url.split('://', 1)[1]}"))
    scheme = url.split(":", 1)[0] if ":" in url else url
    raise EngineError(f"no database address ({scheme[:20]}…): use sqlite:///path or postgresql://user:password@host/db")
