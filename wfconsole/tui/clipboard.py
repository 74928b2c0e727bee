"""The clipboard: the machine's own where somebody sits at it, else the terminal's by OSC 52; it says which."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass

MOST_BYTES = 74_000
"""What terminals take by OSC 52; more is cut off silently by some of them."""
PATIENCE = 2.0

_TOOLS = (
    ("WAYLAND_DISPLAY", ("wl-copy",)),
    ("DISPLAY", ("xclip", "-selection", "clipboard")),
    ("DISPLAY", ("xsel", "--clipboard", "--input")),
    ("", ("pbcopy",)),
    ("WSL_DISTRO_NAME", ("clip.exe",)),
)


@dataclass(frozen=True, slots=True)
class Copied:
    """Whether it was done, and the sentence about it."""

    done: bool
    said: str


def native_tool(
    environ: Mapping[str, str] = os.environ, which: Callable[[str], str | None] = shutil.which
) -> tuple[str, ...] | None:
    """The program that fills this machine's clipboard; None over SSH, where it would be the wrong machine's."""
    if environ.get("SSH_CONNECTION") or environ.get("SSH_TTY"):
        return None
    for needed, words in _TOOLS:
        if (not needed or environ.get(needed)) and (program := which(words[0])):
            return (program, *words[1:])
    return None


def copy_natively(text: str, tool: tuple[str, ...]) -> bool:
    """Hand the text to the tool; False when it fails or does not answer. Blocks: call it in a thread."""
    try:
        done = subprocess.run(  # noqa: S603
            tool,
            input=text.encode("utf-8", "surrogatepass"),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=PATIENCE,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return done.returncode == 0


def shown(text: str) -> str:
    """The text if it is short, else how long it is."""
    return text if len(text) <= 40 and "\n" not in text else f"{len(text)} characters"


def send(text: str, by_osc_52: Callable[[str], None]) -> Copied:
    """Through the terminal: whether it obeys, nobody can know."""
    size = len(text.encode("utf-8", "surrogatepass"))
    if size > MOST_BYTES:
        return Copied(False, f"too much for the terminal's clipboard ({size} bytes); write it to a file: e")
    by_osc_52(text)
    return Copied(True, f"sent to the terminal's clipboard (not confirmed): {shown(text)}")
