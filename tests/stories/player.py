"""Plays keys into the real console on a pseudo terminal and writes down what was seen after each."""

from __future__ import annotations

import base64
import re
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from pseudo_terminal import ROOT, Terminal

SIZE = (120, 36)
QUIET = 0.4
"""Seconds without anything drawn after which a person takes the screen for painted."""
RESTLESS = 2.5
"""Seconds after which it is looked at anyway: ages and clocks tick."""
_KEYS = {"enter": "\r", "escape": "\x1b", "tab": "\t", "backspace": "\x7f", "space": " "} | {
    "down": "\x1b[B",
    "end": "\x1b[F",
}
_COPIED = re.compile(rb"\x1b\]52;c;([A-Za-z0-9+/=]+)\x07")


@dataclass(frozen=True, slots=True)
class Step:
    """The keys pressed at once, as named on a keyboard, why, and the screen after them."""

    keys: tuple[str, ...]
    said: str
    screen: str


@dataclass
class Player:
    """`with Player(folder, ...) as player`. A text in a field is typed by `write` and counts as one key."""

    folder: Path
    words: Sequence[str]
    steps: list[Step] = field(default_factory=list)
    keys: int = 0

    def __enter__(self) -> Player:
        more = {
            "PYTHONPATH": f"{ROOT}:{Path(__file__).parent}",
            "STORY_WORLD": str(self.folder),
            "WFCONSOLE_ACTOR": "anna",
            "TMPDIR": str(self.folder),
            # As over SSH: the clipboard of this machine is left alone.
            "SSH_CONNECTION": "192.0.2.1 50000 192.0.2.2 22",
        }
        self.terminal = Terminal(*self.words, home=self.folder, size=SIZE, more=more, cwd=self.folder)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.terminal.close()

    def see(self, wanted: str | Callable[[], object], said: str, *, patience: float = 60.0) -> None:
        """Wait for it, without a key."""
        self._look((), wanted, said, patience)

    def press(self, *keys: str, until: str | Callable[[], object], said: str, patience: float = 60.0) -> None:
        """Press these keys one after the other, as a person does; each counts."""
        for key in keys:
            self.terminal.press(_KEYS.get(key, key))
            self._settle()
        self.keys += len(keys)
        self._look(keys, until, said, patience)

    def shows(self, *texts: str) -> bool:
        """Whether all of these are on the screen."""
        return all(text in self.terminal.text for text in texts)

    def copied(self) -> str:
        """What was last sent to the terminal's clipboard; empty without any."""
        sent = _COPIED.findall(bytes(self.terminal.written))
        return base64.b64decode(sent[-1]).decode() if sent else ""

    def _look(self, keys: tuple[str, ...], wanted: str | Callable[[], object], said: str, patience: float) -> None:
        self.terminal.until(wanted, patience)
        self._settle()
        self.steps.append(Step(keys, said, self.terminal.text))

    def _settle(self) -> None:
        latest = time.monotonic() + RESTLESS
        while self.terminal.read(QUIET) and time.monotonic() < latest:
            pass


def page(title: str, situation: str, limit: int, player: Player) -> str:
    """The story as Markdown: the situation, then each key with the screen it led to."""
    total = f"**{player.keys} key{'' if player.keys == 1 else 's'}**, at most {limit}."
    parts = [f"# {title}\n", f"{situation}\n", f"{total}\n"]
    for step in player.steps:
        pressed = " ".join(f"`{key}`" for key in step.keys)
        parts.append(f"{f'{pressed} — ' if pressed else ''}{step.said}\n")
        parts.append(f"```text\n{_readable(step.screen, player.folder)}\n```\n")
    return "\n".join(parts)


def _readable(screen: str, folder: Path) -> str:
    """Without the names of this machine, and without the lines in which nothing stands."""
    host = socket.gethostname()
    known = screen.replace(str(folder), "~").replace(host, "box-1-box-1-box-1"[: len(host)])
    lines = [line.rstrip() for line in known.rstrip().split("\n")]
    return "\n".join(line for line in lines if line.strip(" │"))
