"""Several sinks as one. Each has a delivery state of its own: one that fails holds back nothing of the others."""

from __future__ import annotations

from collections.abc import Iterable

from engine.errors import EngineError
from engine.events import Event
from engine.ports.sink import EventSink


class FanOut:
    """`engine.ports.sink.EventSink` over `sinks`, which need different ids. The engine delivers to each by itself."""

    id = "fan-out"

    def __init__(self, sinks: Iterable[EventSink]) -> None:
        self.sinks = tuple(sinks)
        ids = [str(getattr(sink, "id", type(sink).__name__)) for sink in self.sinks]
        if not ids or len(set(ids)) < len(ids):
            raise EngineError(f"a fan-out needs sinks with different ids, not {', '.join(ids) or 'none'}")

    async def emit(self, event: Event) -> None:
        """To each in turn, for whoever has no delivery states; the first that fails ends it."""
        for sink in self.sinks:
            await sink.emit(event)
