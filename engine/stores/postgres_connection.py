"""Connections to Postgres, set up the way the store needs them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus
from sqlalchemy import Connection, create_engine
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from engine.errors import StoreUnavailable
from engine.model.redaction import redact_text
from engine.stores.postgres_address import SETTINGS, PostgresAddress

CONNECT_SECONDS = 5
_SERIALIZATION, _DEADLOCK = "40001", "40P01"


def connect(address: PostgresAddress, role: str, *, read_only: bool = False) -> Connection:
    """A connection in autocommit mode: who uses it says BEGIN and COMMIT. Raises SQLAlchemy's and psycopg's errors.

    With `read_only` each transaction is, unless it says otherwise; behind a pooler only those that say so.
    """
    arguments: dict[str, Any] = {
        "connect_timeout": CONNECT_SECONDS,
        "application_name": f"wfconsole:{role}:{os.getpid()}",
        "keepalives": 1,
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 20_000,
    }
    if address.pooled:
        arguments["prepare_threshold"] = None
    engine = create_engine(address.url, poolclass=NullPool, isolation_level="AUTOCOMMIT", connect_args=arguments)
    connection = engine.connect()
    if not address.pooled:
        settings = {**SETTINGS, "default_transaction_read_only": "on" if read_only else "off"}
        driver(connection).execute("; ".join(f"SET {name} = '{value}'" for name, value in settings.items()))
    return connection


def driver(connection: Connection) -> psycopg.Connection[Any]:
    """The driver's own connection, for what SQLAlchemy has no word for."""
    found = connection.connection.driver_connection
    assert isinstance(found, psycopg.Connection)
    return found


def status(connection: Connection) -> TransactionStatus:
    return driver(connection).info.transaction_status


def answers(connection: Connection, statements: str) -> list[tuple[Any, ...]]:
    """One round trip for several statements; the first row of each that gives any, in order."""
    cursor = driver(connection).execute(statements)
    rows = []
    while True:
        if cursor.description is not None and (row := cursor.fetchone()) is not None:
            rows.append(row)
        if not cursor.nextset():
            return rows


def is_lost(connection: Connection) -> bool:
    # SQLAlchemy has let go of a line that broke in a statement: it would refuse to say anything of it.
    return connection.invalidated or driver(connection).closed or driver(connection).broken


def drop(connection: Connection | None) -> None:
    """Close, whatever state it is in."""
    if connection is not None:
        try:
            connection.invalidate()
            connection.close()
        except (SQLAlchemyError, psycopg.Error):
            pass


def original(error: BaseException) -> BaseException:
    """The driver's own error."""
    return error.orig if isinstance(error, DBAPIError) and error.orig is not None else error


def was_given_up(error: BaseException) -> bool:
    """A deadlock or a conflict: the same again may succeed."""
    return getattr(original(error), "sqlstate", None) in (_SERIALIZATION, _DEADLOCK)


def unavailable(error: BaseException) -> StoreUnavailable:
    """What callers get for an error of the database: its first line, without parameters or secrets."""
    cause = original(error)
    lines = [line for line in str(cause).splitlines() if line.strip()]
    first = redact_text(lines[0].strip()) if lines else type(cause).__name__
    told = StoreUnavailable(f"Postgres: {first}")
    told.__cause__ = error
    return told


@contextmanager
def database_errors() -> Iterator[None]:
    """What the database raises by itself becomes `StoreUnavailable`."""
    try:
        yield
    except (SQLAlchemyError, psycopg.Error) as error:
        raise unavailable(error) from error
