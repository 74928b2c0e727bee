"""Where events go."""

from __future__ import annotations

from typing import Protocol

from engine.events import Event


class EventSink(Protocol):
    """At least once, in order within a run. May carry `max_retries` (default 3): deliveries before an event is a
    dead letter."""

    async def emit(self, event: Event) -> None:
        """Take the event; raising means it was not taken and comes again."""
