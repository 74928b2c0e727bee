"""A bulk action under way: its frozen set, how far it is, and what came of each run."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from engine.model.ids import new_id
from wfconsole.action_kinds import cli
from wfconsole.bulk import Act, EndedWell, FailedLater, Item, Pace, Report, run_bulk

CAUSES_SHOWN = 3
FRAME = 0.1
"""Seconds between two paints of its progress at least."""


@dataclass(frozen=True, slots=True)
class BulkPlan:
    """What is to be done: `words` is the command line's verb with its options, `act` does it to one run."""

    label: str
    words: tuple[str, ...]
    ids: tuple[str, ...]
    pace: Pace
    pace_words: tuple[str, ...]
    act: Act
    ended_well: EndedWell | None = None
    failed_later: FailedLater | None = None


class BulkWork:
    """`run` does it once; `on_change` is called as it goes on. Cancelling the task stops it between two runs."""

    def __init__(self, plan: BulkPlan, on_change: Callable[[], None]) -> None:
        self.plan, self.id = plan, new_id()
        self._on_change = on_change
        self._items: list[Item] = []
        self._told_at = float("-inf")
        self.report: Report | None = None
        self.problem = ""

    async def run(self) -> Report:
        """Errors of the database itself end it too: the report says so for what was not come to."""
        try:
            self.report = await run_bulk(
                self.id,
                self.plan.ids,
                self.plan.act,
                self.plan.pace,
                ended_well=self.plan.ended_well,
                failed_later=self.plan.failed_later,
                on_item=self._count,
            )
        except asyncio.CancelledError:
            self.report = self._rest("stopped by you")
        except Exception as error:
            self.problem = str(error)
            self.report = self._rest(f"not come to: {error}")
        self._on_change()
        return self.report

    def _rest(self, reason: str) -> Report:
        come_to = {item.id for item in self._items}
        rest = [Item(id=one, result="skipped", reason=reason) for one in self.plan.ids if one not in come_to]
        return Report.of(self.id, [*self._items, *rest])

    def _count(self, item: Item, _: int) -> None:
        self._items.append(item)
        now = time.monotonic()
        if now - self._told_at >= FRAME or self._waits_for_canary:
            self._told_at = now
            self._on_change()

    @property
    def line(self) -> str:
        """How far it is, in one line."""
        now = self.report or Report.of(self.id, self._items)
        counts = f"{now.done} done, {now.skipped} skipped, {now.failed} failed"
        if self.report is not None:
            return f"{self.plan.label}: {counts}   bulk:{self.id[-8:]}   enter shows these runs, escape closes"
        canary = "   waiting for the canary" if self._waits_for_canary else ""
        return f"{self.plan.label}: {len(self._items)} of {len(self.plan.ids)}   {counts}{canary}   ctrl+c stops"

    @property
    def _waits_for_canary(self) -> bool:
        return bool(self._items) and len(self._items) == self.plan.pace.canary < len(self.plan.ids)

    @property
    def told(self) -> str:
        """What to say at the end: the counts, and the first reasons."""
        report = self.report or Report.of(self.id, self._items)
        # Without the run's own id equal reasons are one.
        said = (item.reason.replace(f"run {item.id}", "run …") for item in report.items if item.reason)
        reasons = list(dict.fromkeys(said))[:CAUSES_SHOWN]
        head = f"{self.plan.label}: {report.done} done, {report.skipped} skipped, {report.failed} failed"
        return "\n".join([head, *reasons])

    @property
    def twin(self) -> str:
        """The same thing as a command line; under its key nothing is done twice."""
        return cli(*self.plan.words, *self.plan.ids, "--key", self.id, *self.plan.pace_words)
