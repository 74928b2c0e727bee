"""AI calls as JSON, for the pipe between a worker and a body in a process of its own."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from engine.model.json import Json
from engine.model.records import AICallRecord


def to_wire(call: AICallRecord) -> dict[str, Json]:
    cost = None if call.cost is None else str(call.cost)
    return {**call._asdict(), "cost": cost, "created_at": call.created_at.isoformat()}


def from_wire(wire: dict[str, Json]) -> AICallRecord:
    cost = None if wire["cost"] is None else Decimal(wire["cost"])
    return AICallRecord(**{**wire, "cost": cost, "created_at": datetime.fromisoformat(wire["created_at"])})
