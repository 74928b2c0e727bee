"""Deferred commands."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from engine.model.json import Json


class Scheduler(Protocol):
    async def schedule(self, command: dict[str, Json], at: datetime) -> str:
        """Dispatch a command (in wire form) at that time; an id to cancel it by."""

    async def cancel(self, schedule_id: str) -> bool: ...
