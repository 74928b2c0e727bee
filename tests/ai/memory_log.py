"""A log of AI calls in memory that insists on one row for each call, whatever happens to it."""

from __future__ import annotations

from engine.model.records import AICallRecord
from engine.ports.ai_calls import ReuseScope
from engine.testing import CollectingAICallLog


class MemoryLog(CollectingAICallLog):
    """`closed` and `asked` tell what was done with it, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.closed: list[str] = []
        self.asked: list[tuple[str, str]] = []

    @property
    def row(self) -> AICallRecord:
        """The only one."""
        (only,) = self.rows
        return only

    async def open(self, call: AICallRecord) -> None:
        assert call.status == "open"
        assert call.id not in self.by_id
        await super().open(call)

    async def close(self, *calls: AICallRecord) -> None:
        assert {call.status for call in calls} <= {"ok", "error"}
        self.closed += [call.id for call in calls]
        await super().close(*calls)

    async def recall(self, request_key: str, scope: ReuseScope) -> AICallRecord | None:
        self.asked.append((request_key, scope))
        return await super().recall(request_key, scope)
