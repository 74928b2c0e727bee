"""What goes into a statement is a constant or a parameter; what loads code is loaded from configured places only."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from own_files import PRODUCT, python_files, shown, tree

SAYING = {
    "execute",
    "exec_driver_sql",
    "text",
    "answers",
    "say",
    "literal_column",
    "execute_many",
    "executescript",
    "_ask",
}
OWN_TOKENS = {
    "mark",
    "self._writer",
    "int(lost)",
    "began",
    "durability.upper()",
    "settings",
    "primary_key",
    "name",
    "value",
}
"""Made by this program of letters and digits, or taken from a list in it: sent many at once, where nothing is bound."""
LOADING = {
    "engine/definition/registry.py": "the modules that settings name",
    "engine/hosts/child.py": "the module of a registered stage, by its parent's word",
    "wfconsole/cli/main.py": "this program's own commands",
    "wfconsole/cli/serving.py": "an extra by its name",
}
RUNNING = {"eval", "exec", "compile", "__import__"}


def statements(file: Path) -> Iterator[tuple[str, str]]:
    """Every value put into the text of a statement: where, and what."""
    for call in ast.walk(tree(file)):
        if not isinstance(call, ast.Call):
            continue
        called = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        if called in SAYING:
            for argument in call.args:
                for part in ast.walk(argument):
                    if isinstance(part, ast.FormattedValue):
                        yield f"{shown(file)}:{call.lineno}", ast.unparse(part.value)


def is_harmless(value: str) -> bool:
    return value.strip("_").isupper() or value in OWN_TOKENS


def test_nothing_from_outside_is_written_into_a_statement() -> None:
    found = [one for file in python_files("engine/stores") for one in statements(file)]
    assert len(found) > 5, "the search finds nothing any more"
    assert [one for one in found if not is_harmless(one[1])] == []


def imports_by_name(file: Path) -> bool:
    return any(isinstance(node, ast.Attribute) and node.attr == "import_module" for node in ast.walk(tree(file)))


def test_code_is_loaded_only_where_settings_say_which() -> None:
    found = {shown(file) for file in python_files(*PRODUCT) if imports_by_name(file)}
    assert found == set(LOADING)


def test_nothing_is_evaluated() -> None:
    found = [
        f"{shown(file)}:{node.lineno}"
        for file in python_files(*PRODUCT)
        for node in ast.walk(tree(file))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in RUNNING
    ]
    assert found == []
