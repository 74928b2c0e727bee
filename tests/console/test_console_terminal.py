"""The console on a real terminal: it starts, gives the terminal back, and dies politely."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pseudo_terminal import PATIENCE, Terminal

from wfconsole.first_paint import first_line
from wfconsole.settings import Settings


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    opened = Terminal("--db", f"sqlite:///{tmp_path / 'runs.db'}", "--no-worker", home=tmp_path)
    yield opened
    opened.close()


def test_it_starts_on_an_empty_database_and_q_gives_the_terminal_back(terminal: Terminal) -> None:
    terminal.until("No runs yet")
    terminal.press("q")
    assert terminal.ended(within=5.0) == 0
    assert terminal.restored


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_restores_the_terminal(terminal: Terminal, number: signal.Signals) -> None:
    terminal.until("No runs yet")
    terminal.child.send_signal(number)
    terminal.ended(within=5.0)
    assert terminal.restored


def test_r19_a_console_whose_terminal_is_gone_ends(tmp_path: Path) -> None:
    """Nothing takes what it draws any more; no signal comes, since it is not the terminal's own session."""
    terminal = Terminal("--db", f"sqlite:///{tmp_path / 'runs.db'}", home=tmp_path)
    terminal.until("workers 1/1")
    terminal.hang_up()
    assert terminal.child.wait(timeout=20) == 128 + signal.SIGHUP


def test_its_own_worker_is_started_said_and_ended(tmp_path: Path) -> None:
    terminal = Terminal("--db", f"sqlite:///{tmp_path / 'runs.db'}", home=tmp_path)
    try:
        terminal.until("worker: here")
        terminal.until("workers 1/1")
        terminal.press("q")
        assert terminal.ended(within=10.0) == 0
        assert terminal.restored
    finally:
        terminal.close()


def test_a_broken_workflow_module_is_one_line_and_exit_2(tmp_path: Path) -> None:
    (tmp_path / "broken_flows.py").write_text("raise RuntimeError('no such luck')\n")
    database = f"sqlite:///{tmp_path / 'runs.db'}"
    terminal = Terminal("--db", database, "--workflows", str(tmp_path / "broken_flows"), home=tmp_path)
    try:
        terminal.ended(within=PATIENCE)
        assert terminal.child.returncode == 2
        assert b"Traceback" not in terminal.written
    finally:
        terminal.close()


def test_r20_the_first_frame_needs_neither_engine_nor_textual() -> None:
    probe = (
        "import sys, wfconsole.cli.main, wfconsole.cli.session, wfconsole.cli.console, wfconsole.first_paint;"
        "print([name for name in ('engine', 'textual', 'sqlalchemy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_r20_the_first_frame_says_what_is_opened_and_with_which_rights() -> None:
    settings = Settings(db="postgresql://me:secret@db.example/prod", profile="prod", read_only=True, ascii=True)
    assert first_line(settings) == " wf  prod  prod  RO  . opening"
    assert "secret" not in first_line(settings)
    assert first_line(Settings(db="sqlite:///a/b.db")) == " wf  b.db  RW  ◌ opening"


def test_another_profile_is_opened_in_the_same_terminal(tmp_path: Path) -> None:
    (tmp_path / "wfconsole").mkdir()
    (tmp_path / "wfconsole" / "config.toml").write_text(
        f'[profiles.one]\ndb = "sqlite:///{tmp_path / "one.db"}"\n'
        f'[profiles.two]\ndb = "sqlite:///{tmp_path / "two.db"}"\ncolour = "red"\n'
    )
    terminal = Terminal("--profile", "one", "--no-worker", home=tmp_path)
    try:
        terminal.until("one.db")
        terminal.until("No runs yet")
        terminal.command("profile two")
        terminal.until(" two   two.db")
        terminal.until("No runs yet")
        terminal.command("q")
        assert terminal.ended(within=10.0) == 0
        assert terminal.restored
    finally:
        terminal.close()
