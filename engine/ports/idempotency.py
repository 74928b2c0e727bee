"""Idempotency keys: key, effect and result are one transaction."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from engine.model.records import KeyRecord


class IdempotencyStore(Protocol):
    def begin(self, record: KeyRecord) -> KeyRecord | None:
        """Take the key, or give the row that has it. Waits for a transaction that is taking it right now."""

    def complete(self, key: str, command_type: str, result: str, run_id: str | None) -> None: ...

    def reclaim(self, record: KeyRecord, before: datetime) -> bool:
        """Take over a key under way whose lease ended before; False if somebody else did."""

    def release(self, key: str, command_type: str) -> None: ...
