"""What every command is handed: its arguments, the settings, a printer, and the way into the engine."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from wfconsole.cli.exits import NotAllowed, UsageError
from wfconsole.settings import Settings

if TYPE_CHECKING:
    from engine.model.criteria import RunFilter
    from wfconsole.cli.output import Printer
    from wfconsole.gateway import Gateway


@dataclass(frozen=True)
class Place:
    """Where the console opens; None where nothing was said."""

    name: str | None = None
    filter: str | None = None
    run: str | None = None
    stage: str | None = None
    tab: str | None = None


Screen = Callable[[Settings, Place], int]
"""Opens the interactive console; its exit code. Handed in from above: the command line itself never loads Textual."""


@dataclass(frozen=True)
class Session:
    """One command being carried out."""

    arguments: argparse.Namespace
    settings: Settings
    screen: Screen

    @cached_property
    def out(self) -> Printer:
        # What leads to the engine is loaded where it is used: the console's first frame comes before it.
        from wfconsole.cli.output import Printer

        return Printer(
            as_json=self.arguments.json,
            ascii_only=self.settings.ascii,
            colour=not (self.settings.no_color or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"),
            zone=self.settings.zone,
        )

    @asynccontextmanager
    async def gateway(self, *, definitions: bool = True) -> AsyncIterator[Gateway]:
        """The opened engine; raises its errors (database, schema, and with `definitions` what modules raise)."""
        from wfconsole.gateway import Gateway

        async with Gateway(self.settings, definitions=definitions) as gateway:
            yield gateway

    def forbid_read_only(self) -> None:
        """For every command that writes: refuse before anything is opened."""
        if self.settings.read_only:
            raise NotAllowed("opened read-only: nothing can be changed from here")

    def duration(self, name: str) -> timedelta | None:
        """The value of an option that takes a duration, a bare number in seconds; None when it was not given."""
        text = getattr(self.arguments, name)
        if text is None:
            return None
        from wfconsole.filtering import parse_duration

        try:
            return parse_duration(f"{text}s" if text.isdigit() else text)
        except ValueError as error:
            raise UsageError(f"--{name.replace('_', '-')}: {error}") from error

    def moment(self, name: str, *, future: bool = False) -> datetime | None:
        """The value of an option that takes a time; None when it was not given."""
        text = getattr(self.arguments, name)
        if text is None:
            return None
        from wfconsole.filtering import parse_moment

        try:
            return parse_moment(text, now=datetime.now(UTC), tz=self.settings.zone, future=future)
        except ValueError as error:
            raise UsageError(f"--{name.replace('_', '-')}: {error}") from error

    def filter(self, text: str | None) -> RunFilter:
        """A filter of the grammar; nothing given matches everything. Raises `FilterError`."""
        from wfconsole.filtering import parse_filter

        return parse_filter(text or "", now=datetime.now(UTC), tz=self.settings.zone)

    def confirm(self, question: str, *, word: str) -> None:
        """Ask before writing, where someone can answer; with `confirm = "typed"` the answer is `word`.

        Raises `NotAllowed` for any other answer. Where nobody can be asked it returns at once.
        """
        if self.arguments.yes or not can_ask():
            return
        typed = self.settings.confirm == "typed"
        print(
            f"{question} {f'Type {word} to go on:' if typed else '[y/N]'} ",
            end="",
            file=sys.stderr,
            flush=True,
        )
        answer = sys.stdin.readline().strip()
        if answer != word if typed else answer.lower() not in ("y", "yes"):
            raise NotAllowed("not confirmed: nothing was changed")

    def insist(self, what: str) -> None:
        """Refuse what is too wide to act on unasked, where nobody can be asked and --yes was not given."""
        if not self.arguments.yes and not can_ask():
            raise UsageError(f"{what} needs --yes where nobody can be asked")


def can_ask() -> bool:
    """Questions need a person at both ends."""
    return sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()
