"""A log of AI calls in memory: one row for each call, whatever happens to it."""

from __future__ import annotations

from collections.abc import Collection

from engine.errors import BudgetExceeded
from engine.model.records import AICallRecord
from engine.ports.ai_calls import ReuseScope


class MemoryLog:
    """`engine.ports.ai_calls.AICallLog` for tests; `rows` are in the order they were opened."""

    def __init__(self) -> None:
        self.by_id: dict[str, AICallRecord] = {}
        self.closed: list[str] = []
        self.refusal: BudgetExceeded | None = None
        self.asked: list[tuple[str, str]] = []

    @property
    def rows(self) -> list[AICallRecord]:
        return list(self.by_id.values())

    @property
    def row(self) -> AICallRecord:
        """The only one."""
        (only,) = self.rows
        return only

    async def open(self, call: AICallRecord) -> None:
        if self.refusal is not None:
            raise self.refusal
        assert call.status == "open"
        assert call.id not in self.by_id
        self.by_id[call.id] = call

    async def close(self, *calls: AICallRecord) -> None:
        for call in calls:
            assert call.status in ("ok", "error")
            self.by_id[call.id] = call
            self.closed.append(call.id)

    async def recall(self, request_key: str, scope: ReuseScope) -> AICallRecord | None:
        self.asked.append((request_key, scope))
        return next(
            (row for row in self.rows if row.request_key == request_key and row.answer and not row.reused), None
        )

    async def recorded(self, batch_id: str) -> Collection[str]:
        return [row.id for row in self.rows if row.batch_id == batch_id]
