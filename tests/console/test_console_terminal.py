"""The console on a real terminal: it starts, gives the terminal back, and dies politely."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pyte
import pytest

from wfconsole.first_paint import first_line
from wfconsole.settings import Settings

PATIENCE = 30.0
LEFT = b"\x1b[?1049l"
"""Leaving the alternate screen."""


class Terminal:
    """A child on a pseudo terminal of 100 x 30, and what it drew."""

    def __init__(self, *words: str, home: Path) -> None:
        self.screen = pyte.Screen(100, 30)
        self._stream = pyte.ByteStream(self.screen)
        self.written = bytearray()
        self._main, side = pty.openpty()
        fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
        self.before = termios.tcgetattr(side)
        environment = {**os.environ, "HOME": str(home), "TERM": "xterm-256color", "XDG_STATE_HOME": str(home)}
        # A runner of tests may set these for itself; the size here is the pseudo terminal's.
        environment.pop("COLUMNS", None)
        environment.pop("LINES", None)
        environment |= {"XDG_DATA_HOME": str(home), "XDG_CONFIG_HOME": str(home)}
        self.child = subprocess.Popen(
            [sys.executable, "-m", "wfconsole", *words],
            stdin=side, stdout=side, stderr=side, close_fds=True, start_new_session=True, env=environment,
        )  # fmt: skip
        self._side = side

    def read(self, seconds: float = 0.05) -> None:
        ready, _, _ = select.select([self._main], [], [], seconds)
        if ready:
            data = os.read(self._main, 65_536)
            self.written += data
            self._stream.feed(data)

    def until(self, text: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while not any(text in line for line in self.screen.display):
            assert time.monotonic() < deadline, "\n".join(self.screen.display)
            assert self.child.poll() is None, "\n".join(self.screen.display)
            self.read()

    def ended(self, within: float) -> int:
        deadline = time.monotonic() + within
        while self.child.poll() is None:
            assert time.monotonic() < deadline, "it did not end"
            self.read()
        self.read(0.2)
        return self.child.returncode

    def press(self, keys: str) -> None:
        os.write(self._main, keys.encode())

    def command(self, line: str) -> None:
        """Typed as a person types it: the line once the prompt is there."""
        self.press(":")
        self.until(" :")
        self.press(f"{line}\r")

    @property
    def restored(self) -> bool:
        return LEFT in self.written and termios.tcgetattr(self._side) == self.before

    def close(self) -> None:
        if self.child.poll() is None:
            self.child.kill()
            self.child.wait()
        os.close(self._main)
        os.close(self._side)


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
