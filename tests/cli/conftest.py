"""A user of their own for every test: home, working directory and database lie in the test's folder."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from cli_user import Answer, Cli

from wfconsole.cli.main import run

ROOT = Path(__file__).resolve().parent.parent.parent
TEXT = "# Lighthouse\n\nThe lighthouse keeper trims the lamp. The lamp guides ships past the harbour rocks.\n"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An isolated user: returns the working directory."""
    for name in [name for name in os.environ if name.startswith("WFCONSOLE_")]:
        monkeypatch.delenv(name)
    for name in ("CONFIG", "DATA", "STATE", "CACHE"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(tmp_path / "home" / name.lower()))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("WFCONSOLE_DB", f"sqlite:///{work / 'runs.db'}")
    (work / "doc.md").write_text(TEXT)
    return work


@pytest.fixture
def cli(here: Path, capsys: pytest.CaptureFixture[str]) -> Cli:
    """Runs a command line in this process."""

    def call(*argv: str) -> Answer:
        code = run(argv, screen=lambda *_: pytest.fail("the console was opened"))
        said = capsys.readouterr()
        return Answer(code, said.out, said.err)

    return call


@pytest.fixture
def program() -> list[str]:
    """The words that start the real program in a process of its own."""
    return [sys.executable, "-m", "wfconsole"]
