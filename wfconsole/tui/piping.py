"""Handing what is shown to a command of the operator's, in the operator's own terminal."""

from __future__ import annotations

import contextlib
import subprocess


def pipe_text(command: str, text: str) -> int:
    """Run the command by the shell with the text on its standard input; its exit code."""
    # The operator typed it, in a terminal where any command can be typed.
    done = subprocess.run(command, shell=True, input=text.encode("utf-8", "replace"), check=False)  # noqa: S602
    return done.returncode


def pipe_and_wait(command: str, text: str) -> int:
    """As `pipe_text`; its output stays until enter is pressed."""
    code = pipe_text(command, text)
    with contextlib.suppress(EOFError, KeyboardInterrupt):
        input(f"\n[exit code {code}] enter goes back ")
    return code
