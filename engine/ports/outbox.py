"""Events on their way to the sink."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from engine.model.records import EventRecord, SinkDeliveryRecord, SinkRecord


class Outbox(Protocol):
    """Every method acts inside the open transaction."""

    def append(self, events: Sequence[EventRecord]) -> None:
        """Add events; their sequences were given under the lock of their run, whose `last_sequence` is saved with
        them: that makes the run due for delivery."""

    def claim_runs(self, token: str, until: datetime, limit: int) -> list[str]:
        """Take up to `limit` runs with undelivered events that are due and that nobody delivers now; oldest first."""

    def undelivered(self, run_id: str, limit: int) -> list[EventRecord]:
        """By sequence."""

    def release_run(self, run_id: str, token: str, due_at: datetime | None) -> bool:
        """Let others deliver this run again: at `due_at`, or when it is None at once if events are left. False: the
        claim
        was lost."""

    def save(self, events: Sequence[EventRecord]) -> None:
        """Write what delivery did to these events."""

    def states(self, event_ids: Sequence[str]) -> list[SinkDeliveryRecord]:
        """What became of these events at each of several sinks."""

    def save_states(self, states: Sequence[SinkDeliveryRecord], done: Sequence[str]) -> None:
        """Write states, and forget those of the events that are `done`."""

    def forget_failures(self, event_ids: Sequence[str]) -> None:
        """The sinks that gave these events up get them again; those that took them don't."""

    def note_sinks(self, sinks: Sequence[SinkRecord]) -> None:
        """How sinks do."""

    def close(self, event_ids: Sequence[str], reason: str) -> int:
        """Discard dead letters; how many were dead."""

    def dead(self, limit: int, event_ids: Sequence[str] | None, run_id: str | None) -> list[EventRecord]:
        """Dead letters, oldest first, by run and sequence."""

    def wake(self, run_ids: Sequence[str]) -> None:
        """Their events are due now, whatever the backoff."""
