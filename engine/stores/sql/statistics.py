"""How large a database is, table by table. Frozen values; each database counts in its own way."""

from __future__ import annotations

from dataclasses import dataclass

from engine.stores.sql import side_tables  # noqa: F401 - its tables belong to the metadata too
from engine.stores.sql.tables import metadata


@dataclass(frozen=True, slots=True)
class TableStats:
    """`bytes` with its indexes, None where the database can't tell; `estimated`: `rows` is the planner's."""

    name: str
    rows: int
    bytes: int | None
    estimated: bool = False


@dataclass(frozen=True, slots=True)
class DatabaseStats:
    """`free_bytes` would be given back by a VACUUM, `log_bytes` are SQLite's write-ahead log."""

    schema: str | None
    bytes: int
    free_bytes: int | None
    log_bytes: int | None
    tables: tuple[TableStats, ...]


def table_names() -> list[str]:
    """Our tables, by name."""
    return sorted(metadata.tables)
