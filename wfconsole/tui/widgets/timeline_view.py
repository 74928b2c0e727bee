"""The timeline of a run: one bar an attempt, a cursor that moves from attempt to attempt."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from engine.inspector import EventView, RunDetail
from wfconsole.tui.layout.attempt_bars import Bar, bars_of
from wfconsole.tui.layout.timeline import TimelineLayout, layout
from wfconsole.tui.widgets.line_list import LineList, Span

Place = tuple[str, int]


class TimelineView(LineList[Place]):
    """Paints `timeline.layout`. Items are (stage id, attempt)."""

    def __init__(self, *, id: str, ascii_only: bool = False) -> None:
        super().__init__(id=id, ascii_only=ascii_only)
        self.empty_text = "Nothing was queued yet: the run waits for a worker.  a why"
        self.fold = False
        """Whether idle time is folded."""
        self._bars: Sequence[Bar] = ()
        self._drawn: TimelineLayout | None = None
        self._rows: dict[Place, list[Span]] = {}

    @property
    def drawn(self) -> TimelineLayout | None:
        """What is painted now; None before the first run."""
        return self._drawn

    def show(self, run: RunDetail, events: Sequence[EventView], now: datetime) -> None:
        self._bars = bars_of(run, events, now)
        self._draw()

    def toggle_fold(self) -> None:
        self.fold = not self.fold
        self._draw()

    def _draw(self) -> None:
        drawn = layout(self._bars, self.room, fold=self.fold, ascii_only=self.ascii_only)
        self._drawn = drawn
        self._rows = dict(zip(drawn.places, drawn.rows, strict=True))
        self.tell(drawn.places)

    def key_of(self, item: Place) -> str:
        return f"{item[0]}#{item[1]}"

    def spans_of(self, item: Place, width: int) -> list[Span]:
        return self._rows.get(item, [])

    def heading(self, width: int) -> list[Span]:
        return self._drawn.axis if self._drawn is not None else []

    def on_resize(self) -> None:
        self._draw()
        super().on_resize()
