"""The Events tab: a run's history, operators and notes included, and the way back into the past."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from textual import on
from textual.app import ComposeResult

from engine.inspector import AnnotationView, AuditView, EventView, PageRequest
from wfconsole.tui.files import json_text, save
from wfconsole.tui.layout.history import Entry, history_of
from wfconsole.tui.panes.pane import RunLook, RunPane
from wfconsole.tui.widgets.history_list import HistoryList
from wfconsole.tui.widgets.line_list import LineList

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from wfconsole.gateway import Gateway

MOST = 500
"""Operator actions and notes read, the newest first."""


class _Besides(NamedTuple):
    actions: Sequence[AuditView]
    notes: Sequence[AnnotationView]


class HistoryPane(RunPane):
    """`#events`. The cursor follows the event the run is shown as of."""

    WANTS_EVENTS = True
    MAIN: ClassVar[str] = "#events"

    def __init__(self, run_id: str, source: Callable[[], Gateway], *, ascii_only: bool) -> None:
        super().__init__(run_id, source, ascii_only=ascii_only)
        self._besides = _Besides((), ())
        self._entries: tuple[Entry, ...] = ()
        self._events: Sequence[EventView] = ()
        self._told: _Besides | None = None

    def compose(self) -> ComposeResult:
        yield HistoryList(id="events", ascii_only=self.ascii_only)

    @property
    def view(self) -> HistoryList:
        return self.query_one(HistoryList)

    async def read(self, gateway: Gateway, news: bool) -> object:
        inspector = gateway.inspector
        actions = await inspector.audit(self.run_id, page=PageRequest(limit=MOST))
        notes = await inspector.annotations(self.run_id, page=PageRequest(limit=MOST, sort="-created_at"))
        return _Besides(actions.items, notes.items)

    def take(self, found: object) -> None:
        if isinstance(found, _Besides):
            self._besides = found

    def paint(self, look: RunLook) -> None:
        if look.events is not self._events or self._besides != self._told:
            self._events, self._told = look.events, self._besides
            self._entries = tuple(history_of(look.events, *self._besides))
        self.view.set_look(look.zone, look.mode, look.run.created_at, look.past)
        self.view.follows_end = look.past is None
        self.view.tell(self._entries)
        if look.past is not None:
            self.view.cursor_key = f"e{look.past}"

    @property
    def sequence_under_cursor(self) -> int | None:
        """Of the event under the cursor, or the last one before what stands there."""
        entry = self.view.cursor_item
        if entry is None:
            return None
        place = self._entries.index(entry)
        return next((one.sequence for one in reversed(self._entries[: place + 1]) if one.sequence), None)

    def stage_under_cursor(self) -> str | None:
        entry = self.view.cursor_item
        stage_id = entry.detail.get("payload") if entry is not None else None
        found = stage_id.get("stage_id") if isinstance(stage_id, dict) else None
        return found if isinstance(found, str) else None

    def copied(self) -> str:
        entry = self.view.cursor_item
        return json_text(entry.detail) if entry is not None else ""

    async def export(self) -> str | None:
        if not self._entries:
            return None
        lines = [json.dumps(entry.detail, ensure_ascii=False, default=str) for entry in self._entries]
        content = "\n".join([*lines, ""]).encode("utf-8", "surrogatepass")
        return str(save(f"{self.run_id[:8]}-history.jsonl", content))

    @on(LineList.Opened, "#events")
    def _opened(self, event: LineList.Opened) -> None:
        event.stop()
        entry = self.view.cursor_item
        if entry is not None:
            self.post_message(self.Reads(entry.title, json_text(entry.detail), f"{self.run_id[:8]}-{entry.key}.json"))
