"""The log of AI calls, as the helper behind `ctx.ai` sees it: what may be spent, what was answered, what came."""

from __future__ import annotations

from collections.abc import Collection
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

    async def close(self, *calls: AICallRecord) -> None:
        """Calls ended, well or not: each takes the place of the open one of its id; the same id twice is one row.

        Done when it is in the store, or at the latest kept to be written with the stage's outcome. Never raises.
        """

    async def recall(self, request_key: str, scope: ReuseScope) -> AICallRecord | None:
        """A call of the same request that was answered before, whole: in this run, or anywhere."""

    async def recorded(self, batch_id: str) -> Collection[str]:
        """Ids of the calls of that batch that were recorded already."""
