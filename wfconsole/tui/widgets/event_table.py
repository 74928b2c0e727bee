"""Events as a small, still table: a run's history, or the dead letters."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo

from rich.style import Style
from rich.text import Text
from textual.widgets import DataTable

from engine.inspector import EventView
from wfconsole import formatting
from wfconsole.safe_text import safe_text
from wfconsole.tui.widgets.theme_styles import ThemeStyles

COLUMNS = (("#", 4), ("TIME", 8), ("EVENT", 22), ("DELIVERY", 10), ("TRIES", 5), ("WHAT", 60))
_STYLES = {"dead": "status-failed", "pending": "status-retrying", "delivered": "status-ok"}


class EventTable(DataTable[Text]):
    """Rewritten only when an event is new or was delivered; the cursor stays on its event."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id, cursor_type="row", cell_padding=1, show_header=True)
        self._shown: tuple[EventView, ...] = ()
        self._colours = ThemeStyles()

    def on_mount(self) -> None:
        for title, width in COLUMNS:
            self.add_column(Text(title), width=width, key=title)

    @property
    def cursor_event(self) -> EventView | None:
        return self._shown[self.cursor_row] if 0 <= self.cursor_row < len(self._shown) else None

    def tell(self, events: Sequence[EventView], zone: tzinfo) -> None:
        if tuple(events) == self._shown:
            return
        kept = self.cursor_event
        self._shown = tuple(events)
        self.clear()
        for event in self._shown:
            style = self._colours.get(self.app, _STYLES.get(event.delivery, "quiet"))
            self.add_row(*_cells(event, zone, style), key=event.id)
        place = next((at for at, event in enumerate(self._shown) if kept and event.id == kept.id), 0)
        self.move_cursor(row=place)


def _cells(event: EventView, zone: tzinfo, delivery: Style) -> tuple[Text, ...]:
    what = event.last_error or ", ".join(f"{name}={value}" for name, value in event.payload.items())
    return (
        Text(str(event.sequence)),
        Text(formatting.clock(event.occurred_at, zone, "local")),
        Text(safe_text(event.type, limit=40)),
        Text(event.delivery, delivery),
        Text(str(event.retry_count)),
        Text(safe_text(what, limit=120), no_wrap=True),
    )
