"""Events as lines of a log."""

from __future__ import annotations

import json
import logging

from engine.events import Event


class LogSink:
    """`engine.ports.sink.EventSink` that writes one JSON line an event to a logger."""

    def __init__(self, id: str = "log", logger: logging.Logger | None = None, level: int = logging.INFO) -> None:
        self.id = id
        self._logger = logger or logging.getLogger("wfconsole.events")
        self._level = level

    @property
    def target(self) -> str:
        return f"logger {self._logger.name}"

    async def emit(self, event: Event) -> None:
        plain = event.model_dump(mode="json", exclude_defaults=False, exclude={"extra"} if not event.extra else set())
        self._logger.log(self._level, "%s", json.dumps(plain, ensure_ascii=False))
