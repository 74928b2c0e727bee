"""The console on a real terminal: it starts, gives the terminal back, and dies politely."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from pseudo_terminal import PATIENCE, Terminal


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
