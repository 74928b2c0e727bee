"""Writes `docs/behaviours.md`: every behaviour we promise, by its number, with the tests that prove it.

A test says in its name which behaviours it proves: `test_b082_b099_ready_completes_the_stage…` proves B082 and B099,
`test_d03_…` our third decision. `python docs/behaviours.py` writes the page; a test of the house keeps it fresh.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "behaviours.md"
PLACES = ("tests", "engine/testing/conformance")
_NUMBER = re.compile(r"(?<![a-z0-9])([bd])(\d{2,3})(?![0-9a-z])")
_EXCEPTED = range(201, 217)
"""Workers at the other end of a network: there are none."""

WANTED = [f"B{number:03}" for number in range(1, 226) if number not in _EXCEPTED] + [
    f"D{number:02}" for number in range(1, 23)
]

DECIDED = {
    "B022": "D11",
    "B029": "D07",
    "B030": "D16",
    "B062": "D05",
    "B066": "D01",
    "B071": "D02",
    "B077": "D05",
    "B084": "D05",
    "B088": "D06",
    "B100": "D06",
    "B102": "D01",
    "B105": "D04",
    "B114": "D08",
    "B121": "D10",
    "B122": "D09",
    "B123": "D09",
    "B126": "D01",
    "B128": "D03",
    "B138": "D02",
    "B139": "D02",
    "B141": "D08",
    "B142": "D08",
    "B143": "D08",
    "B145": "D08",
    "B149": "D03",
    "B163": "D12",
    "B164": "D12",
    "B219": "D16",
    "B220": "D16",
    "B221": "D17",
    "B222": "D04",
    "B223": "D10",
}
"""Where a decision of ours overrules what the behaviour says."""


def proofs() -> dict[str, list[tuple[str, str]]]:
    """(file, test name) by number."""
    found: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for file, name in _tests():
        for letter, digits in _NUMBER.findall(name):
            found[f"{letter.upper()}{int(digits):0{3 if letter == 'b' else 2}}"].append((file, name))
    return found


def _tests() -> Iterator[tuple[str, str]]:
    for place in PLACES:
        for path in sorted((ROOT / place).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                    yield path.relative_to(ROOT).as_posix(), node.name


def _sentence(name: str) -> str:
    words = _NUMBER.sub("", name.removeprefix("test_")).strip("_")
    return re.sub("_+", " ", words)


def page() -> str:
    found = proofs()
    lines = [
        "# Behaviours and their tests",
        "",
        "Written by `make behaviours`; not to be edited. B001 to B225 are the behaviours of the engine this one",
        "follows, D01 to D22 our own decisions, which win. B201 to B216 are about workers at the other end of a",
        "network: there are none. The kernel's tests run on SQLite and on Postgres.",
        "",
        "| number | what is so | test | decision |",
        "|---|---|---|---|",
    ]
    for number in WANTED:
        tests = found.get(number, [])
        said = "; ".join(dict.fromkeys(_sentence(name) for _, name in tests)) or "*no test*"
        where = ", ".join(dict.fromkeys(f"`{file}`" for file, _ in tests))
        lines.append(f"| {number} | {said} | {where} | {DECIDED.get(number, '')} |")
    proven = sum(number in found for number in WANTED)
    return "\n".join([*lines, "", f"{proven} of {len(WANTED)} are proven by a test.", ""])


if __name__ == "__main__":
    PAGE.write_text(page())
