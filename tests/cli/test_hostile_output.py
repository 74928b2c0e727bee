"""Rule 19 for the command line: 200 hostile texts in every field, and no control of theirs reaches the terminal."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest
from contract_world import World
from hostile_texts import FORBIDDEN, HOSTILE, IN_JSON, TELL, poisoned_database

COMMANDS = [
    ("ls", "--limit", "1000"),
    ("ls", "--count-by", "workflow"),
    ("ls", "--count-by", "code"),
    ("show", "{run}"),
    ("show", "{running}"),
    ("explain", "{run}"),
    ("explain", "{running}"),
    ("events", "{run}"),
    ("logs", "--tail", "all"),
    ("logs", "{run}"),
    ("failures",),
    ("dlq", "ls", "--limit", "1000"),
    ("dlq", "show", "{event}"),
    ("dlq", "replay", "--all", "--dry-run"),
    ("workflows",),
    ("workers",),
    ("queue",),
    ("sinks",),
    ("audit", "--limit", "1000"),
    ("audit", "{run}"),
    ("costs", "--by", "model"),
    ("costs", "--by", "workflow,stage,topic"),
    ("ai", "ls"),
    ("cancel", "--filter", "status:running", "--dry-run"),
    ("retry", "--filter", "status:failed", "--dry-run"),
    ("status",),
    ("db", "stats"),
]
SGR = re.compile(r"\x1b\[\d*m")


@pytest.fixture(scope="module")
def poisoned(tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("poisoned")
    made = World(f"sqlite:///{folder / 'runs.db'}", folder)
    assert made.call("db", "upgrade").code == 0
    made.names.update(poisoned_database(made.url))
    return made


def test_there_are_two_hundred() -> None:
    assert len(set(HOSTILE)) == 200


@pytest.mark.parametrize("line", COMMANDS, ids=" ".join)
def test_r19_nothing_steers_a_person_s_terminal(poisoned: World, line: tuple[str, ...]) -> None:
    answer = poisoned.call(*poisoned.filled(line))
    assert answer.code in (0, 4), answer.err
    found = FORBIDDEN.search(answer.out + answer.err)
    assert found is None, (
        f"{found[0]!r} in {(answer.out + answer.err)[max(0, found.start() - 60) : found.end() + 20]!r}"
    )
    if line[0] not in ("status", "db", "retry"):
        assert TELL in answer.out, "the texts themselves are shown"


@pytest.mark.parametrize("line", COMMANDS, ids=" ".join)
def test_r19_nor_that_of_who_looks_at_json(poisoned: World, line: tuple[str, ...]) -> None:
    answer = poisoned.call(*poisoned.filled(line), "--json")
    assert answer.code in (0, 4), answer.err
    assert IN_JSON.search(answer.out) is None
    assert answer.json is not None


def test_r19_workflows_check_says_it_safely(poisoned: World) -> None:
    answer = poisoned.call("workflows", "check")
    assert answer.code == 4
    assert FORBIDDEN.search(answer.out + answer.err) is None
    assert IN_JSON.search(poisoned.call("workflows", "check", "--json").out) is None


@pytest.mark.parametrize(
    "line",
    [
        ("show", "{text}"),
        ("ls", "--filter", "{text}"),
        ("pause", "{text}"),
        ("sinks", "test", "{text}"),
        ("dlq", "show", "{text}"),
        ("costs", "--by", "{text}"),
        ("run", "{text}"),
        ("{text}",),
    ],
    ids=" ".join,
)
def test_r19_what_is_typed_wrong_comes_back_safely(poisoned: World, line: tuple[str, ...]) -> None:
    for text in HOSTILE[::9]:
        answer = poisoned.call(*[word.replace("{text}", text) for word in line])
        assert FORBIDDEN.search(answer.out + answer.err) is None, (text, answer)


@pytest.mark.parametrize("line", [("ls",), ("logs",), ("dlq", "ls"), ("workers",), ("failures",)], ids=" ".join)
def test_r19_on_a_real_terminal_only_our_own_colours(poisoned: World, line: tuple[str, ...]) -> None:
    main, side = pty.openpty()
    environment = {**os.environ, "WFCONSOLE_DB": poisoned.url, "HOME": str(poisoned.folder), "TERM": "xterm-256color"}
    child = subprocess.Popen(
        [sys.executable, "-m", "wfconsole", *line], stdin=side, stdout=side, stderr=side, env=environment
    )
    written, deadline = bytearray(), time.monotonic() + 60
    while child.poll() is None or select.select([main], [], [], 0.1)[0]:
        assert time.monotonic() < deadline
        if select.select([main], [], [], 0.1)[0]:
            written += os.read(main, 65_536)
    os.close(main)
    os.close(side)
    text = SGR.sub("", written.decode()).replace("\r\n", "\n")
    found = FORBIDDEN.search(text)
    assert found is None, f"{found[0]!r} in {text[max(0, found.start() - 60) : found.end() + 20]!r}"
    assert TELL in text
    assert Path(poisoned.url.removeprefix("sqlite:///")).exists()
