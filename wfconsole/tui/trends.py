"""The course of the last day: asked for beside the feed, seldom, and shown by header and counts."""

from __future__ import annotations

import time
from datetime import tzinfo
from typing import TYPE_CHECKING

from engine.errors import EngineError
from engine.inspector import TrendView
from wfconsole.tui.widgets.header_bar import Hot

if TYPE_CHECKING:
    from wfconsole.gateway import Gateway

EVERY = 5.0
"""Seconds between two questions at least: the last day is more to read than the present."""


class Trends:
    """What was answered last; None until then."""

    def __init__(self) -> None:
        self.view: TrendView | None = None
        self._asked_at = float("-inf")

    @property
    def due(self) -> bool:
        return time.monotonic() - self._asked_at >= EVERY

    async def ask(self, gateway: Gateway) -> bool:
        """Ask again; whether the answer differs. A failure is the feed's to tell."""
        self._asked_at = time.monotonic()
        try:
            view = await gateway.inspector.trends()
        except (EngineError, OSError):
            return False
        before, self.view = self.view, view
        return before is None or (before.ended, before.hot) != (view.ended, view.hot)

    def hot(self, zone: tzinfo) -> Hot | None:
        """The cause that strikes again and again, for the header."""
        cause = None if self.view is None else self.view.hot
        if cause is None:
            return None
        return Hot(cause.runs, cause.code, cause.stage_id, f"{cause.first_at.astimezone(zone):%H:%M}")
