"""What can be typed behind `:`: the console's own words, and every command of the command line as written there."""

from __future__ import annotations

import asyncio
import contextlib
import shlex
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from wfconsole.embedded_worker import environment
from wfconsole.settings import Settings
from wfconsole.tui.completion import Completed, complete, complete_filter

PLACE_WORDS = ("runs", "logs", "costs", "dlq", "workers", "workflows")
OWN_WORDS = ("since", "filter", "view", "theme", "tz", "profile", "w", "save", "help", "q", "quit")
CLI_VERBS = (
    "run", "ls", "show", "explain", "events", "wait", "status", "logs", "failures", "cancel", "retry", "rerun",
    "poll", "give-up", "pause", "resume", "dlq", "costs", "ai", "models", "workflows", "workers", "queue", "sinks",
    "audit", "report", "note", "dispatch", "db", "doctor", "keys", "budget",
)  # fmt: skip
ELSEWHERE = frozenset({"demo", "worker", "serve"})
"""Commands with a screen or a life of their own."""
_WRITES = frozenset(
    {"run", "cancel", "retry", "rerun", "poll", "give-up", "pause", "resume", "note", "dispatch", "budget"}
)
_WRITES_BELOW = {
    "dlq": {"replay", "discard"},
    "db": {"prune", "upgrade"},
    "costs": {"reprice"},
    "sinks": {"test"},
}
_TAKES_YES = frozenset({"cancel", "retry", "rerun", "poll", "give-up", "replay", "discard", "prune"})
_TAKES_DRY_RUN = frozenset({"cancel", "retry", "rerun", "poll", "prune"})
_FIXED = ("--db", "--profile", "--config", "--workflows", "--read-only")
"""Options that would reach past this console: to another database, or around its rights."""
_FOLLOWS = frozenset({"-f", "--follow"})
MOST_OUTPUT = 2_000_000
"""Bytes of a command's output that are kept."""


class CommandError(ValueError):
    """The line can't be carried out; one sentence."""


@dataclass(frozen=True, slots=True)
class Line:
    """A command in words; `own` says whether the console does it itself."""

    words: tuple[str, ...]
    own: bool

    @property
    def verb(self) -> str:
        return self.words[0]

    @property
    def writes(self) -> bool:
        below = _WRITES_BELOW.get(self.verb, set())
        return not self.own and (self.verb in _WRITES or any(word in below for word in self.words[1:2]))

    @property
    def _leaf(self) -> str:
        return self.words[1] if self.verb in _WRITES_BELOW and len(self.words) > 1 else self.verb

    @property
    def dry(self) -> tuple[str, ...] | None:
        """The same command showing its consequences only; None where it can't."""
        if self._leaf not in _TAKES_DRY_RUN or "--dry-run" in self.words:
            return None
        return (*self.words, "--dry-run")

    @property
    def unasked(self) -> tuple[str, ...]:
        """The words, with the yes that was given here."""
        return (*self.words, "--yes") if self._leaf in _TAKES_YES and "--yes" not in self.words else self.words


def read_line(text: str) -> Line | None:
    """The command of a line; None for an empty one. Raises `CommandError`."""
    try:
        words = tuple(shlex.split(text))
    except ValueError as error:
        raise CommandError(f"{error}: quotes come in pairs") from error
    if words and words[0] == "wfconsole":
        words = words[1:]
    if not words:
        return None
    verb = words[0]
    if verb in OWN_WORDS or (verb in PLACE_WORDS and len(words) == 1) or (verb == "run" and len(words) == 2):
        return Line(words, own=True)
    if verb in ELSEWHERE:
        raise CommandError(f"{verb} needs a terminal of its own: wfconsole {verb}")
    if verb not in CLI_VERBS:
        raise CommandError(f"no command {verb!r}: tab shows what there is")
    fixed = next((word for word in words if word.partition("=")[0] in _FIXED), None)
    if fixed is not None:
        raise CommandError(f"{fixed} is this console's own: use :profile NAME, or another terminal")
    if _FOLLOWS & set(words):
        raise CommandError("what follows has its own place: 2 shows logs as they come")
    return Line(words, own=False)


def complete_line(text: str, cursor: int, known: dict[str, list[str]]) -> Completed:
    """The verb; then themes, profiles, views, workflows or the filter, whichever it takes."""
    before = text[:cursor]
    if " " not in before.lstrip():
        return complete(text, cursor, sorted({*PLACE_WORDS, *OWN_WORDS, *CLI_VERBS}))
    verb = before.split()[0]
    if verb == "filter":
        return complete_filter(text, cursor, known)
    return complete(text, cursor, known.get(verb, known.get("ids", [])))


@dataclass(frozen=True, slots=True)
class Output:
    """What a command printed, and its exit code."""

    text: str
    code: int


async def carry_out_line(words: Sequence[str], settings: Settings, *, read_only: bool) -> Output:
    """Run a command of the command line in a process of its own, on this console's database and rights."""
    given = environment(settings)
    given |= {"NO_COLOR": "1", "WFCONSOLE_TZ": settings.tz, "WFCONSOLE_READ_ONLY": "1" if read_only else "0"}
    given |= {"WFCONSOLE_NO_WORKER": "1", "COLUMNS": "160"}
    if settings.actor:
        given["WFCONSOLE_ACTOR"] = settings.actor
    if settings.ascii:
        given["WFCONSOLE_ASCII"] = "1"
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", "wfconsole", *words,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=given,
        start_new_session=True,
    )  # fmt: skip
    try:
        text = await _read(child)
        return Output(text, await child.wait())
    finally:
        if child.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                child.send_signal(signal.SIGTERM)
            await child.wait()


async def _read(child: asyncio.subprocess.Process) -> str:
    assert child.stdout is not None
    kept = bytearray()
    while chunk := await child.stdout.read(65_536):
        kept += chunk[: max(0, MOST_OUTPUT - len(kept))]
    text = kept.decode("utf-8", "replace")
    return f"{text}\n… cut off" if len(kept) >= MOST_OUTPUT else text
