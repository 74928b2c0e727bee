"""Nothing is allowed to grow: in every codebase the ugliness sits in the one file that was."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from own_files import EVERYTHING, python_files, shown, tree

MOST_LINES_OF_A_FILE = 400
MOST_LINES_OF_A_FUNCTION = 60


def functions() -> Iterator[tuple[int, str]]:
    for file in python_files(*EVERYTHING):
        for node in ast.walk(tree(file)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert node.end_lineno is not None
                yield node.end_lineno - node.lineno + 1, f"{shown(file)}:{node.lineno} {node.name}"


def the_largest(sizes: list[tuple[int, str]], limit: int) -> str:
    """Empty when the limit holds, otherwise what is over it, the largest first."""
    over = sorted((size for size in sizes if size[0] > limit), reverse=True)
    return "\n".join(f"{lines} lines (at most {limit}): {name}" for lines, name in over)


def test_no_file_is_too_long() -> None:
    sizes = [(len(file.read_text(encoding="utf-8").splitlines()), shown(file)) for file in python_files(*EVERYTHING)]
    assert len(sizes) > 10
    assert not the_largest(sizes, MOST_LINES_OF_A_FILE)


def test_no_function_is_too_long() -> None:
    sizes = list(functions())
    assert len(sizes) > 100
    assert not the_largest(sizes, MOST_LINES_OF_A_FUNCTION)
