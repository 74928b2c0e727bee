"""The log of AI calls, as the helper behind `ctx.ai` sees it: what may be spent, what was answered, what came."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Literal, Protocol

from engine.model.records import AICallRecord

ReuseScope = Literal["run", "global"]


class AICallLog(Protocol):
    """One for each helper: it knows the run, stage and attempt its calls belong to, if any."""

    async def open(self, call: AICallRecord) -> None:
        """A call is about to be made: note it as open.

        Raises `BudgetExceeded` when a budget refuses it; nothing is noted then. A store that can't be reached
        refuses nothing.
        """

    async def afford(self) -> None:
        """What is noted only later, such as a batch, is about to be asked for. Raises as `open` does."""

    async def close(self, *calls: AICallRecord) -> None:
        """Calls ended, well or not: each takes the place of the open one of its id; the same id twice is one row.

        Done when it is in the store, or at the latest kept to be written with the stage's outcome. Never raises.
        """

    async def recall(self, request_key: str, scope: ReuseScope) -> AICallRecord | None:
        """A call of the same request that was answered before, whole: in this run, or anywhere."""

    async def recorded(self, batch_id: str) -> Collection[str]:
        """Ids of the calls of that batch that were recorded already."""


class CallStore(Protocol):
    """Every method acts inside the open transaction; the caller holds the locks of the runs it writes to."""

    def open(self, calls: Sequence[AICallRecord]) -> None:
        """Note calls as open; one that is there already stays as it is."""

    def close(self, calls: Sequence[AICallRecord]) -> None:
        """Each takes the place of the open or interrupted one of its id, or is added; one that ended before stays as it
        is, so that of one id the first counts.

        Its tokens and what it cost, if that is known, are added to its run, and to the stage's row and the archived one
        of its attempt.
        """

    def interrupt(self, ids: Sequence[str]) -> None:
        """These, where they are still open, never ended."""

    def interrupt_attempts(self, attempts: Sequence[tuple[str, str, int]]) -> None:
        """So did all open ones of these (run id, stage id, attempt)."""

    def interrupt_runs(self, run_ids: Sequence[str]) -> None:
        """And all open ones of these runs."""

    def interrupt_orphans(self, before: datetime) -> int:
        """And those of no run, opened before; how many."""

    def limits(self, run_ids: Sequence[str]) -> dict[tuple[str, str], Decimal | None]:
        """What operators allowed last, by (run id, stage id; empty for the whole run); None: without limit."""

    def allow(self, run_id: str, scope: str, max_cost: Decimal | None) -> None:
        """An operator's word on what a run (`scope` is empty) or one of its stages may spend."""

    def spent_by_stage(self, run_id: str, stage_id: str) -> Decimal:
        """By all attempts of a stage, over the life of the run."""

    def spent_since(self, since: datetime, workflow_id: str | None) -> Decimal:
        """By the calls made since then, that moment included, of the runs of a workflow or of everybody; an unknown
        price counts nothing."""

    def forget_texts(self, before: datetime, limit: int) -> int:
        """Drop the words of up to `limit` calls made before, the oldest first; how many had any."""
