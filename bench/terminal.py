"""The console on a pseudo terminal: what it draws, when, and what it costs."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Sequence
from pathlib import Path

import pyte

PATIENCE = 60.0
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Terminal:
    """A console of 120 x 36; `home` is where it keeps what it remembers."""

    def __init__(self, words: Sequence[str], home: Path, columns: int = 120, lines: int = 36) -> None:
        self.screen = pyte.Screen(columns, lines)
        self._stream = pyte.ByteStream(self.screen)
        self._main, side = pty.openpty()
        fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        environment = {**os.environ, "HOME": str(home), "TERM": "xterm-256color", "TZ": "UTC"}
        environment |= {name: str(home) for name in ("XDG_STATE_HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME")}
        for name in ("COLUMNS", "LINES", "PYTHONDONTWRITEBYTECODE"):
            environment.pop(name, None)
        self.bytes = 0
        self.began = time.perf_counter()
        self.child = subprocess.Popen(
            [sys.executable, "-m", "wfconsole", *words],
            stdin=side, stdout=side, stderr=side, close_fds=True, start_new_session=True, env=environment,
        )  # fmt: skip
        os.close(side)

    def read(self, seconds: float) -> bytes:
        """What comes within that time; the first piece of it."""
        ready, _, _ = select.select([self._main], [], [], seconds)
        if not ready:
            return b""
        try:
            data = os.read(self._main, 1 << 18)
        except OSError:
            return b""
        self.bytes += len(data)
        self._stream.feed(data)
        return data

    def drain(self, quiet: float = 0.15, most: float = 5.0) -> None:
        """Read until nothing came for a while."""
        end = time.perf_counter() + most
        while self.read(quiet) and time.perf_counter() < end:
            pass

    def until(self, pattern: str) -> float:
        """Seconds since the start until a line of the screen matches."""
        wanted, end = re.compile(pattern), time.perf_counter() + PATIENCE
        while not any(wanted.search(line) for line in self.screen.display):
            if time.perf_counter() > end or self.child.poll() is not None:
                raise RuntimeError(f"{pattern} never came:\n" + "\n".join(self.screen.display))
            self.read(0.02)
        return time.perf_counter() - self.began

    def press(self, keys: str) -> float:
        """Seconds from the key to the first byte of an answer."""
        began = time.perf_counter()
        os.write(self._main, keys.encode())
        while not self.read(1.0):
            if time.perf_counter() - began > PATIENCE:
                raise RuntimeError(f"no answer to {keys!r}")
        return time.perf_counter() - began

    def send(self, keys: str) -> None:
        os.write(self._main, keys.encode())

    @property
    def cpu(self) -> float:
        """Seconds of CPU used so far."""
        fields = Path(f"/proc/{self.child.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    @property
    def resident(self) -> float:
        """Megabytes in memory."""
        return int(Path(f"/proc/{self.child.pid}/statm").read_text().split()[1]) * _PAGE / 1e6

    def watch(self, seconds: float) -> tuple[float, float]:
        """Share of one core, and bytes a second, over that time."""
        cpu, written, began = self.cpu, self.bytes, time.perf_counter()
        while (left := seconds - (time.perf_counter() - began)) > 0:
            self.read(min(left, 0.5))
        spent = time.perf_counter() - began
        return (self.cpu - cpu) / spent, (self.bytes - written) / spent

    def close(self) -> None:
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
            end = time.perf_counter() + 5
            while self.child.poll() is None and time.perf_counter() < end:
                self.read(0.05)
            if self.child.poll() is None:
                self.child.kill()
        self.child.wait()
        os.close(self._main)
