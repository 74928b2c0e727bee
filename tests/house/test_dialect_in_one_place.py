"""One folder speaks SQL, and one file of it knows which database it is."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from own_files import PRODUCT, ROOT, imported, python_files, shown, tree

STORES = ROOT / "engine" / "stores"
DIALECT = STORES / "sql" / "dialect.py"
DRIVERS = {"sqlalchemy", "psycopg", "alembic"}

_STATEMENT = re.compile(
    r"\s*(SELECT\s|INSERT\s+(OR\s+\w+\s+)?INTO\s|UPDATE\s+\w+\s+SET\s|DELETE\s+FROM\s|PRAGMA\s|BEGIN\s+IMMEDIATE|"
    r"(CREATE|ALTER|DROP)\s+(UNIQUE\s+)?(TABLE|INDEX)\s)"
)


def outside(place: Path) -> list[Path]:
    return [file for file in python_files(*PRODUCT) if not file.is_relative_to(place)]


def asks_for_the_dialects_name(node: ast.AST) -> bool:
    """`….dialect.name`, and `dialect.name` of a local of that name."""
    if not (isinstance(node, ast.Attribute) and node.attr == "name"):
        return False
    of = node.value
    return (isinstance(of, ast.Attribute) and of.attr == "dialect") or (isinstance(of, ast.Name) and of.id == "dialect")


def test_only_the_dialect_asks_which_database_it_is() -> None:
    found = [
        f"{shown(file)}:{node.lineno}"
        for file in outside(DIALECT)
        for node in ast.walk(tree(file))
        if isinstance(node, ast.Attribute) and asks_for_the_dialects_name(node)
    ]
    assert found == []


def test_only_the_stores_import_a_database_library() -> None:
    found = [f"{shown(file)}: {sorted(names)}" for file in outside(STORES) if (names := imported(file) & DRIVERS)]
    assert found == []


def test_only_the_stores_write_sql() -> None:
    found = [
        f"{shown(file)}:{node.lineno} {node.value[:40]!r}"
        for file in outside(STORES)
        for node in ast.walk(tree(file))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and _STATEMENT.match(node.value)
    ]
    assert found == []
