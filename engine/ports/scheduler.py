"""Deferred and recurring commands."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol

from engine.commands import Command
from engine.model.json import Json
from engine.model.records import ScheduleRecord


class Scheduler(Protocol):
    async def schedule(self, command: Command[Any] | Mapping[str, Json], at: datetime) -> str:
        """Dispatch a command (or its wire form) at that time, at once if it is past; an id to cancel it by."""

    async def cancel(self, schedule_id: str) -> bool:
        """Whether it was still to fire, and won't now."""


class ScheduleStore(Protocol):
    """Every method acts inside the open transaction."""

    def put(self, schedule: ScheduleRecord) -> None:
        """Add a schedule, or replace the one of that id."""

    def lock(self, schedule_id: str) -> ScheduleRecord | None:
        """The schedule, locked until the transaction ends."""

    def take_due(self, schedule_id: str) -> ScheduleRecord | None:
        """The schedule, locked, if it is due and nobody else has it."""

    def due(self, limit: int) -> list[str]:
        """Ids of due schedules, the longest due first."""
