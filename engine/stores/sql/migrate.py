"""The schema and its versions. Alembic is imported only when there is something to upgrade: it costs most of a
second."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources

from sqlalchemy import Connection, inspect, text

from engine.errors import SchemaTooNew
from engine.stores.sql import ai_tables, side_tables  # noqa: F401 - their tables belong to the metadata too
from engine.stores.sql.tables import metadata

HEAD = "0003"
"""The version this program writes and reads. Versions are four digits, rising."""
VERSION_TABLE = "wfconsole_schema"


@dataclass(frozen=True, slots=True)
class SchemaState:
    """`found` is None for an empty database."""

    found: str | None
    needed: str

    @property
    def ok(self) -> bool:
        return self.found == self.needed


def state_of(connection: Connection) -> SchemaState:
    """What the database has."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return SchemaState(None, HEAD)
    found = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()  # noqa: S608 - a constant
    return SchemaState(found, HEAD)


def bring_to_head(connection: Connection) -> None:
    """Create or upgrade the schema inside the transaction at hand, which keeps others out.

    Raises `SchemaTooNew` for a database that a newer program upgraded.
    """
    found = state_of(connection).found
    if found == HEAD:
        return
    if found is None:
        _create(connection)
    elif found > HEAD:
        raise SchemaTooNew(found, HEAD)
    else:
        run_migrations(connection)


def _create(connection: Connection) -> None:
    """All at once instead of step by step; a test proves that both give the same."""
    metadata.create_all(connection, checkfirst=False)
    primary_key = f"CONSTRAINT {VERSION_TABLE}_pkc PRIMARY KEY (version_num)"
    connection.execute(text(f"CREATE TABLE {VERSION_TABLE} (version_num VARCHAR(32) NOT NULL, {primary_key})"))
    connection.execute(text(f"INSERT INTO {VERSION_TABLE} VALUES (:version)"), {"version": HEAD})  # noqa: S608


def run_migrations(connection: Connection, to: str = "head") -> None:
    """Every migration the database lacks, one after the other, up to that one."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(resources.files("engine.stores.sql") / "migrations"))
    config.attributes["connection"] = connection
    command.upgrade(config, to)
