"""What a fresh interpreter has loaded: a static contract does not see what an import drags in."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from own_files import ROOT

HEAVY = ("sqlalchemy", "psycopg", "alembic", "httpx", "genai_prices", "textual", "rich")

_PROBE = """
import json, sys
out = sys.stdout
sys.stdout = sys.stderr
code = 0
try:
    {statement}
except SystemExit as left:
    code = left.code or 0
json.dump({{"code": code, "loaded": [name for name in {names!r} if name in sys.modules]}}, out)
"""

_COMMAND = "sys.argv = ['wfconsole', *{arguments!r}]; from wfconsole.__main__ import main; sys.exit(main())"


def loaded_by(statement: str, names: tuple[str, ...] = HEAVY) -> list[str]:
    """Which of `names` are loaded after `statement` in a new interpreter; it must leave with 0."""
    probe = _PROBE.format(statement=statement, names=names)
    ended = subprocess.run(
        [sys.executable, "-c", probe],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
    )
    assert ended.returncode == 0, ended.stderr
    answer = json.loads(ended.stdout)
    assert answer["code"] == 0, ended.stderr
    found: list[str] = answer["loaded"]
    return found


@pytest.fixture
def nothing_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings and state of whoever runs the tests stay out of them."""
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    for name in ("WFCONSOLE_DB", "WFCONSOLE_WORKFLOWS"):
        monkeypatch.delenv(name, raising=False)


def test_the_probe_sees_what_is_loaded() -> None:
    assert loaded_by("import httpx", ("httpx", "textual")) == ["httpx"]


@pytest.mark.parametrize("module", ["engine", "engine.ai", "engine.inspector", "sample_workflows"])
def test_the_public_face_is_light(module: str) -> None:
    assert loaded_by(f"import {module}") == []


@pytest.mark.usefixtures("nothing_of_the_user")
def test_the_version_costs_nothing() -> None:
    assert loaded_by(_COMMAND.format(arguments=["--version"]), ("textual", "sqlalchemy", "httpx")) == []


@pytest.mark.usefixtures("nothing_of_the_user")
def test_a_list_of_runs_comes_without_the_console(tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path / 'runs.db'}"
    for arguments in (["--db", database, "ls", "--json"], ["ls", "--json", "--db", database]):
        assert loaded_by(_COMMAND.format(arguments=arguments), ("textual", "httpx")) == []
