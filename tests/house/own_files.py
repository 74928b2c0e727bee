"""The project's own files, for the house tests."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PRODUCT = ("engine", "wfconsole", "sample_workflows")
EVERYTHING = (*PRODUCT, "tests", "bench")


def python_files(*folders: str) -> list[Path]:
    """The Python files under these folders of the project, sorted; a folder that is missing has none."""
    return sorted(file for folder in folders for file in (ROOT / folder).rglob("*.py"))


def written_files() -> Iterator[Path]:
    """Every file somebody wrote by hand: code, papers, settings, themes, scripts."""
    yield from python_files(*EVERYTHING)
    for folder in ("docs", "themes", "wfconsole", ".ci"):
        yield from (
            file
            for file in sorted((ROOT / folder).rglob("*"))
            if file.is_file() and file.suffix in (".md", ".toml", ".tcss", "")
        )
    yield from sorted(file for file in ROOT.iterdir() if file.suffix in (".md", ".toml") or file.name == "Makefile")


@cache
def tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"), filename=str(file))


def shown(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


def imported(file: Path) -> set[str]:
    """The first names of every module a file imports, wherever in it."""
    names: set[str] = set()
    for node in ast.walk(tree(file)):
        if isinstance(node, ast.Import):
            names.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return names
