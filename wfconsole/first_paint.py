"""The first frame, drawn before the console is loaded: whoever starts it sees at once that it comes."""

from __future__ import annotations

import os
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager

from wfconsole.safe_text import safe_text
from wfconsole.settings import Settings

_ENTER = "\x1b[?1049h\x1b[?25l\x1b[2J\x1b[H"
_LEAVE = "\x1b[?25h\x1b[?1049l"


def first_line(settings: Settings) -> str:
    """The header as far as it is known before anything was opened."""
    name = settings.db or "the default database"
    shown = name.rpartition("/")[2] if name.startswith("sqlite:") or "@" in name else name
    rights = "RO" if settings.read_only else "RW"
    profile = f"{settings.profile}  " if settings.profile else ""
    mark = "." if settings.ascii else "◌"
    return safe_text(f" wf  {profile}{shown}  {rights}  {mark} opening", limit=120)


@contextmanager
def opening(settings: Settings) -> Iterator[None]:
    """Draw it, and keep keys from being echoed meanwhile. If the loading fails the terminal is as before."""
    if "TEXTUAL_DRIVER" in os.environ or not (sys.stdout.isatty() and sys.stdin.isatty()):
        yield
        return
    # Straight to the terminal: the interpreter's own stream may still hold something back.
    os.write(sys.stdout.fileno(), f"{_ENTER}{first_line(settings)}".encode("utf-8", "replace"))
    before = termios.tcgetattr(sys.stdin)
    quiet = termios.tcgetattr(sys.stdin)
    quiet[3] &= ~(termios.ECHO | termios.ICANON)
    termios.tcsetattr(sys.stdin, termios.TCSANOW, quiet)
    try:
        yield
    except BaseException:
        os.write(sys.stdout.fileno(), _LEAVE.encode())
        raise
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSANOW, before)
