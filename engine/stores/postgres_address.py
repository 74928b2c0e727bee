"""Where a Postgres is, and how a session on it is set; who only reads an address needs no driver."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from engine.errors import EngineError

SETTINGS = {
    "statement_timeout": "30s",
    "lock_timeout": "10s",
    "idle_in_transaction_session_timeout": "15s",
    "timezone": "UTC",
}


@dataclass(frozen=True, slots=True)
class PostgresAddress:
    """Where the database is. `pooled`: behind a pooler in transaction mode, where a session is nobody's own."""

    url: URL
    pooled: bool

    @classmethod
    def parse(cls, text: str) -> PostgresAddress:
        """`postgresql://user:password@host:port/db`; `?notify=off` says that a pooler stands in between.

        Raises `EngineError` for an address that is none, without showing it.
        """
        try:
            url = make_url(text)
            query = dict(url.query)
            notify = query.pop("notify", "on")
            if notify not in ("on", "off"):
                raise EngineError("the database address says notify, which is on or off")
            return cls(url.set(drivername="postgresql+psycopg", query=query), notify == "off")
        except (ArgumentError, ValueError) as error:
            raise EngineError("no database address: use postgresql://user:password@host:port/db") from error

    def __repr__(self) -> str:
        return f"PostgresAddress({self.url.render_as_string(hide_password=True)!r})"

    @property
    def transaction_settings(self) -> str:
        """Settings as statements for the beginning of each transaction; in a session of our own they stand already."""
        if not self.pooled:
            return ""
        return "".join(f"SET LOCAL {name} = '{value}'; " for name, value in SETTINGS.items())
