"""Words that have no place in this house, each with the reason in its test."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from own_files import EVERYTHING, PRODUCT, python_files, shown, tree, written_files

EMPTY_NAMES = {"util", "utils", "common", "base", "misc", "helper", "helpers", "manager", "data", "info"}

_UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|raise\s+NotImplementedError)\b|#\s*type:\s*ignore")
_MARKUP = re.compile(r"\bmarkup\s*=\s*True\b|\bfrom_markup\b")
# Put together here, so that this file does not hold what it looks for.
_MACHINE = re.compile("|".join((r"/work" + r"/main", r"/opt" + r"/venvs", r"(?<![\w.])/root" + "/")))
_ADDRESS = re.compile(r"https?://(?!127\.|0\.0\.0\.0)\d{1,3}(?:\.\d{1,3}){3}")


def lines_with(files: list[Path], pattern: re.Pattern[str]) -> list[str]:
    return [
        f"{shown(file)}:{number} {line.strip()[:80]}"
        for file in files
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1)
        if pattern.search(line)
    ]


def sleeps(file: Path) -> list[int]:
    """The lines that call any `sleep` for longer than one turn of the loop."""
    return [
        node.lineno
        for node in ast.walk(tree(file))
        if isinstance(node, ast.Call)
        and (node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")) == "sleep"
        and not (len(node.args) == 1 and isinstance(node.args[0], ast.Constant) and node.args[0].value == 0)
    ]


def test_modules_are_named_for_what_they_hold() -> None:
    parts = {(part, shown(file)) for file in python_files(*EVERYTHING) for part in shown(file)[:-3].split("/")}
    assert sorted(place for part, place in parts if EMPTY_NAMES & set(part.split("_"))) == []


def test_what_is_unfinished_is_left_out_and_types_are_checked() -> None:
    assert lines_with(python_files(*PRODUCT), _UNFINISHED) == []


def test_no_test_sleeps_to_win_a_race() -> None:
    assert [f"{shown(file)}:{line}" for file in python_files("tests") for line in sleeps(file)] == []


def test_no_paper_or_code_knows_the_machine_it_was_written_on() -> None:
    files = list(written_files())
    assert len(files) > 20
    assert lines_with(files, _MACHINE) == []
    assert lines_with(files, _ADDRESS) == []


def test_text_on_the_screen_is_never_read_as_markup() -> None:
    assert lines_with(python_files("wfconsole/tui"), _MARKUP) == []


def test_these_tests_can_fail(tmp_path: Path) -> None:
    sample = tmp_path / "sample.py"
    sample.write_text("import time\ntime.sleep(0.1)\ntime.sleep(0)\nawait_(sleep(1))\n# type: ignore\n")
    assert sleeps(sample) == [2, 4]
    assert _UNFINISHED.search(sample.read_text())
    assert _MARKUP.search("Static(text, markup=True)")
    assert _MACHINE.search("cd /work" + "/main")
    assert _ADDRESS.search("http://" + "10.0.0.7/simple")
