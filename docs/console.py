"""Writes `docs/console.md`: every rule and key of the console, with the tests that hold it.

A test says in its name what it holds: `test_r12_a_dialog_cannot_be_answered_unseen` holds rule 12,
`test_key_V_marks_a_range_and_key_bang_inverts` two keys. `python docs/console.py` writes the page.
"""

from __future__ import annotations

import ast
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from wfconsole.actions import ACTIONS  # noqa: E402

PAGE = ROOT / "docs" / "console.md"
RULES = {
    1: "Cursor and marks belong to run ids",
    2: "Lists never load everything; `make bench-console` has the figures",
    3: "Tables and logs paint line by line",
    4: "One feed, ten paints a second at most, nothing while nothing changes",
    5: "New rows wait",
    6: "The log's tail pauses on any scroll up",
    7: "The graph: deterministic, no edge through a box",
    8: "The timeline: one bar an attempt",
    9: "Data as a tree, big values in a pager",
    10: "AI calls and what was wasted",
    11: "Dead letters by cause; a replay ends as what it is",
    12: "Consequences before actions; bulk on a frozen set; no dialog answered unseen",
    13: "After an action, its command line",
    14: "Explain in one line",
    15: "Empty, loading, error, disconnected, stale, read-only",
    16: "Read-only at the store",
    17: "Shape, word and colour",
    18: "Themes: files, validated, reloaded",
    19: "Hostile text is shown, never obeyed; the terminal is restored",
    20: "First paint; nothing needless is loaded",
    21: "The console in a browser",
    22: "Failures have causes",
    23: "The demonstration teaches",
    24: "No silent execution",
    25: "The footer is one line of what is valid here",
    26: "Costs say why",
    27: "Hand-over",
    28: "Deploys",
}
NAMES = {
    "slash": "/", "colon": ":", "dot": ".", "minus": "-", "pipe": "|", "bang": "!", "star": "*", "ampersand": "&",
    "mark": "?", "question": "?",
}  # fmt: skip
"""What a key is called in the name of a test, where it is no letter."""
_RULE = re.compile(r"(?<![a-zA-Z0-9])r(\d{2})(?=_)")
_KEY = re.compile(r"(?:^|_)key_([A-Za-z0-9]+)")


def tests() -> Iterator[tuple[str, str]]:
    """(file, name) of every test."""
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                yield path.relative_to(ROOT).as_posix(), node.name.removeprefix("test_")


def page() -> str:
    rules: dict[int, list[tuple[str, str]]] = defaultdict(list)
    keys: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for file, name in tests():
        for number in _RULE.findall(name):
            rules[int(number)].append((file, name))
        for key in _KEY.findall(name):
            keys[NAMES.get(key, key)].append((file, name))
    lines = [
        "# The console, rule by rule",
        "",
        "Written by `make console-page`; not to be edited.",
        "",
        "| rule | says | held by | in |",
        "|---|---|---|---|",
        *(f"| {number} | {title} | {_proof(rules[number])} |" for number, title in RULES.items()),
        "",
        "| key | does | held by | in |",
        "|---|---|---|---|",
        *(f"| `{_cell(action.key)}` | {_cell(action.help)} | {_proof(keys[action.key])} |" for action in ACTIONS),
        "",
    ]
    return "\n".join(lines)


def _proof(found: list[tuple[str, str]]) -> str:
    said = "; ".join(dict.fromkeys(_sentence(name) for _, name in found)) or "*no test of its own*"
    where = ", ".join(dict.fromkeys(f"`{file}`" for file, _ in found))
    return f"{said} | {where}"


def _sentence(name: str) -> str:
    return _RULE.sub("", name).strip("_").replace("_", " ")


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
