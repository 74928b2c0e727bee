"""The console on a pseudo terminal: keys go in, the screen is read as text."""

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
from collections.abc import Callable, Mapping
from pathlib import Path

import pyte

PATIENCE = 30.0
LEFT = b"\x1b[?1049l"
"""Leaving the alternate screen."""
ROOT = Path(__file__).parents[1]


class Terminal:
    """A `wfconsole` of these words on a pseudo terminal, at home in a folder of its own, and what it drew."""

    def __init__(
        self,
        *words: str,
        home: Path,
        size: tuple[int, int] = (100, 30),
        more: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        columns, lines = size
        self.screen = pyte.Screen(columns, lines)
        self._stream = pyte.ByteStream(self.screen)
        self.written = bytearray()
        self._main, side = pty.openpty()
        fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self.before = termios.tcgetattr(side)
        environment = {**os.environ, "HOME": str(home), "TERM": "xterm-256color", "XDG_STATE_HOME": str(home)}
        # A runner of tests may set these for itself; the size here is the pseudo terminal's.
        environment.pop("COLUMNS", None)
        environment.pop("LINES", None)
        environment |= {"XDG_DATA_HOME": str(home), "XDG_CONFIG_HOME": str(home), **(more or {})}
        self.child = subprocess.Popen(
            [sys.executable, "-m", "wfconsole", *words], cwd=cwd, env=environment,
            stdin=side, stdout=side, stderr=side, close_fds=True, start_new_session=True,
        )  # fmt: skip
        self._side = side

    def read(self, seconds: float = 0.05) -> bool:
        """Take in what was drawn, waiting so long for it; whether anything was."""
        ready, _, _ = select.select([self._main], [], [], seconds)
        if ready:
            data = os.read(self._main, 65_536)
            self.written += data
            self._stream.feed(data)
        return bool(ready)

    def until(self, wanted: str | Callable[[], object], patience: float = PATIENCE) -> None:
        """Read on until this text is on the screen, or this holds."""
        deadline = time.monotonic() + patience
        holds = wanted if callable(wanted) else lambda: any(wanted in line for line in self.screen.display)
        while not holds():
            assert time.monotonic() < deadline, f"never came: {wanted}\n{self.text}"
            assert self.child.poll() is None, self.text
            self.read()

    @property
    def text(self) -> str:
        """The screen, line by line."""
        return "\n".join(line.rstrip() for line in self.screen.display)

    def hang_up(self) -> None:
        """Close the terminal under it, as a broken connection does."""
        os.close(self._main)

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
        """End it as a closed window would: a worker of its own ends with it."""
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGHUP)
            try:
                self.ended(within=10.0)
            except (AssertionError, OSError):
                self.child.kill()
                self.child.wait()
        os.close(self._main)
        os.close(self._side)
