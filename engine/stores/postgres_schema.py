"""The schema on Postgres: looked at, and created or upgraded by one at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection

from engine.errors import SchemaTooNew, SchemaTooOld
from engine.stores.postgres_address import PostgresAddress
from engine.stores.postgres_connection import answers, connect, database_errors, drop
from engine.stores.sql.migrate import HEAD, SchemaState, bring_to_head, state_of

_LOCK = 7_366_910_417_263_517
"""The advisory lock of upgrades, held by their transaction."""


def schema_state(address: PostgresAddress) -> SchemaState:
    """What the database has; creates nothing. Raises `StoreUnavailable`."""
    with _connected(address) as connection:
        return state_of(connection)


def prepare_database(address: PostgresAddress, *, migrate: bool, create: bool) -> None:
    """Make sure that the database has this program's schema.

    An empty one gets it with `create`, one that is behind with `migrate`. Raises `StoreUnavailable`, `SchemaTooOld`,
    `SchemaTooNew`.
    """
    state = schema_state(address)
    if state.ok:
        return
    if state.found is not None and state.found > HEAD:
        raise SchemaTooNew(state.found, HEAD)
    if migrate or (create and state.found is None):
        upgrade_database(address)
        return
    raise SchemaTooOld(state.found or "none", HEAD)


def upgrade_database(address: PostgresAddress) -> str | None:
    """Create or upgrade the schema; the version before, None for an empty database. Two at once: one waits."""
    with _connected(address) as connection:
        # An upgrade may take long, and waits for one that is under way.
        answers(connection, "BEGIN; SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = '60s'")
        answers(connection, f"SELECT pg_advisory_xact_lock({_LOCK})")
        try:
            found = state_of(connection).found
            bring_to_head(connection)
        except BaseException:
            answers(connection, "ROLLBACK")
            raise
        answers(connection, "COMMIT")
        return found


@contextmanager
def _connected(address: PostgresAddress) -> Iterator[Connection]:
    with database_errors():
        connection = connect(address, "schema")
        try:
            yield connection
        finally:
            drop(connection)
