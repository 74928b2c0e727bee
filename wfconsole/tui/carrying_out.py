"""What the application does once something was confirmed: one command or many, and what is said of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeVar

from textual.notifications import SeverityLevel

from engine.errors import EngineError, StoreUnavailable
from engine.inspector import EventView, RunSummary
from wfconsole import formatting
from wfconsole.actions import Answer, Operation, shortfall
from wfconsole.safe_text import safe_text
from wfconsole.tui import clipboard
from wfconsole.tui.ascii_lines import Drawing
from wfconsole.tui.bulk_work import BulkPlan, BulkWork
from wfconsole.tui.feed import Feed

if TYPE_CHECKING:
    from wfconsole.gateway import Gateway

TOAST = 6.0
S = TypeVar("S", bound=RunSummary | EventView)


class CarryingOut(Drawing):
    """The part of the console about actions."""

    feed: Feed
    bulk: BulkWork | None = None
    """The bulk action under way, or the last one."""
    letters_under_way = ""
    """How far a bulk action on dead letters is; empty without one."""
    last_twin = ""
    """The command line that does what was done last."""
    _told: Mapping[str, float] = {}
    """Until when a toast stands there (monotonic seconds), by its text."""

    def source(self) -> Gateway:
        """The gateway as it is connected now; raises `StoreUnavailable` when it is not."""
        if self.feed.gateway is None:
            raise StoreUnavailable("not connected to the database")
        return self.feed.gateway

    def refresh_frame(self) -> None:
        """Paint header, footer and what else tells of the whole again."""

    async def carry_out(self, operation: Operation[S], subject: S, answer: Answer) -> None:
        """Send what was confirmed, then say what came of it."""
        run_id = subject.run_id if isinstance(subject, EventView) else subject.id
        try:
            result = await self.source().send(operation.command(subject, answer))
        except EngineError as error:
            self.tell(f"{operation.label}: {error}", severity="error")
        else:
            short = shortfall(result)
            if short is not None:
                self.tell(short, severity="warning")
            else:
                self.tell_done(f"{formatting.short_id(run_id)} {operation.done}", operation.twin(subject, answer))
        self.feed.poke()

    # -- bulk actions ----------------------------------------------------------------------------

    def start_bulk(self, plan: BulkPlan) -> None:
        """Do it in the background; one at a time."""
        self.bulk = BulkWork(plan, self.refresh_frame)
        self.run_worker(self._do_bulk(self.bulk), group="bulk", exclusive=True)

    @property
    def under_way(self) -> str:
        """The bulk action, on runs or dead letters, that quitting would stop, in words; empty without one."""
        if self.bulk is not None and self.bulk.report is None:
            return self.bulk.line
        return self.letters_under_way

    async def _do_bulk(self, work: BulkWork) -> None:
        report = await work.run()
        self.last_twin = work.twin
        said = f"{work.told}\n{safe_text(work.twin, limit=160)}"
        self.tell(said, severity="warning" if report.failed or work.problem else "information")
        self.feed.poke()

    def stop_bulk(self) -> bool:
        """Stop the bulk action between two runs; False when none is under way."""
        if self.bulk is None or self.bulk.report is not None:
            return False
        self.workers.cancel_group(self, "bulk")
        return True

    def close_bulk(self) -> bool:
        """Take the line of a bulk action that is over away; False when there is none."""
        if self.bulk is None or self.bulk.report is None:
            return False
        self.bulk = None
        self.refresh_frame()
        return True

    async def copy(self, text: str) -> None:
        """To the clipboard; says how."""
        tool = clipboard.native_tool()
        if tool is not None and await asyncio.to_thread(clipboard.copy_natively, text, tool):
            self.tell(f"copied: {clipboard.shown(text)}")
            return
        copied = clipboard.send(text, self.copy_to_clipboard)
        self.tell(copied.said, severity="information" if copied.done else "warning")

    def tell(self, text: str, *, severity: SeverityLevel = "information") -> None:
        """A toast, unless it stands there already; nothing in the text is read as markup."""
        said, now = safe_text(text, multiline=True, limit=600), time.monotonic()
        if self._told.get(said, 0.0) <= now:
            self._told = {text: until for text, until in self._told.items() if until > now} | {said: now + TOAST}
            self.notify(said, severity=severity, timeout=TOAST, markup=False)

    def tell_done(self, text: str, twin: str) -> None:
        """What was done, and the command line that does the same."""
        self.last_twin = twin
        self.tell(f"{text}\n{twin}")
