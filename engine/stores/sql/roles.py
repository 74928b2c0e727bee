"""The roles a Postgres is best used with, as the statements that make them."""

from __future__ import annotations

from engine.stores.sql.statistics import table_names

WRITER, READER = "writer", "reader"


def role_script(database: str, prefix: str) -> str:
    """SQL for a DBA to run as the owner of the schema, as often as they like.

    `PREFIX_writer` is for workers and operators, `PREFIX_reader` can't change anything; neither may change the
    schema. Both can log in once they are given a password.
    """
    writer, reader = _quoted(f"{prefix}_{WRITER}"), _quoted(f"{prefix}_{READER}")
    tables = ", ".join(_quoted(name) for name in [*table_names(), "wfconsole_schema"])
    changed = ", ".join(_quoted(name) for name in table_names())
    lines = [
        "-- Run by the owner of the schema, after `wfconsole db upgrade`; again after each upgrade.",
        *_made(f"{prefix}_{WRITER}"),
        *_made(f"{prefix}_{READER}"),
        f"GRANT CONNECT ON DATABASE {_quoted(database)} TO {writer}, {reader};",
        f"GRANT USAGE ON SCHEMA public TO {writer}, {reader};",
        f"GRANT SELECT ON {tables} TO {writer}, {reader};",
        f"GRANT INSERT, UPDATE, DELETE ON {changed} TO {writer};",
        f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {writer};",
        f"ALTER ROLE {reader} SET default_transaction_read_only = on;",
        f"-- Then: ALTER ROLE {writer} PASSWORD '…'; ALTER ROLE {reader} PASSWORD '…';",
    ]
    return "\n".join(lines) + "\n"


def _made(name: str) -> list[str]:
    literal = "'" + name.replace("'", "''") + "'"
    return [
        "DO $$ BEGIN",
        f"  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = {literal}) THEN",
        f"    CREATE ROLE {_quoted(name)} LOGIN;",
        "  END IF;",
        "END $$;",
    ]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
