"""Place 2, Logs: the lines of all runs as they come."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message

from engine.errors import EngineError
from engine.inspector import LogLine
from wfconsole.filtering import FilterError
from wfconsole.safe_text import safe_text
from wfconsole.tui.exporting import write_new
from wfconsole.tui.layout.log_query import LogQuery, parse_log_query
from wfconsole.tui.screens.live import bindings_of
from wfconsole.tui.screens.log_keys import LogKeys
from wfconsole.tui.widgets.filter_bar import FilterBar
from wfconsole.tui.widgets.line import line_of
from wfconsole.tui.widgets.log_pane import LogBatch, LogPane

if TYPE_CHECKING:
    from wfconsole.gateway import Gateway

MOST_PAGES = 20
"""Older pages read at once when a filter leaves the screen half empty."""


class LogsScreen(LogKeys):
    """One log over everything: search and level as in a run, and & keeps only matching lines."""

    PLACE = "logs"
    TITLE_TEXT = "Logs"
    BINDINGS = bindings_of("logs")
    AUTO_FOCUS = "#logs"

    class Snapshot(Message):
        """What came since the last one."""

        def __init__(self, batch: LogBatch) -> None:
            super().__init__()
            self.batch = batch

    def body(self) -> ComposeResult:
        yield self.pane()
        with Vertical(id="only"):
            yield FilterBar(self._wrong_with, "only")

    def pane(self) -> LogPane:
        """The log; of all runs unless a subclass says otherwise."""
        return LogPane(None, ascii_only=self.console.settings.ascii)

    @property
    def _only_bar(self) -> FilterBar:
        return self.query_one("#only", Vertical).query_one(FilterBar)

    async def ask(self, gateway: Gateway, news: bool) -> Message:
        return self.Snapshot(await self.query_one(LogPane).read(gateway))

    @on(Snapshot)
    def _paint(self, message: Snapshot) -> None:
        if not self.alive:
            return
        self.query_one(LogPane).take(message.batch)
        if message.batch.first or message.batch.full:
            self.console.feed.poke()
        self.refresh_frame()

    # -- keys ------------------------------------------------------------------------------------

    def action_list_filter(self) -> None:
        self.query_one(LogPane).edit_search()

    def action_log_follow(self) -> None:
        self.query_one(LogPane).toggle_follow()

    def action_log_only(self) -> None:
        self.query_one("#only", Vertical).display = True
        self._only_bar.edit()

    def _query(self, text: str) -> LogQuery | None:
        return parse_log_query(text, now=self.console.now(), tz=self.console.zone)

    def _wrong_with(self, text: str) -> str | None:
        try:
            self._query(text)
        except FilterError as error:
            return str(error)
        return None

    @on(FilterBar.Changed)
    def _keep_only(self, event: FilterBar.Changed) -> None:
        event.stop()
        self.query_one(LogPane).log_view.focus()
        self._use(event.text)

    def _use(self, text: str) -> None:
        """Keep only what this filter text wants, and look for more of it further back."""
        self._only_bar.show(text)
        self.query_one("#only", Vertical).display = bool(text)
        self._only_bar.note(line_of(("escape clears", "$quiet"), " "))
        self.query_one(LogPane).keep_only(self._query(text))
        if text:
            self.run_worker(self._fill(), group="older", exclusive=True)

    async def _fill(self) -> None:
        """Read older pages until the screen is full of matching lines, or enough were looked at."""
        pane = self.query_one(LogPane)
        for _ in range(MOST_PAGES):
            cursor = pane.take_older() if pane.log_view.line_count < pane.log_view.size.height else None
            if cursor is None:
                return
            try:
                await pane.read_older(self.console.source(), cursor)
            except EngineError as error:
                self.console.tell(str(error), severity="error")
                return

    def step_back(self) -> bool:
        if super().step_back():
            return True
        if not self._only_bar.text:
            return False
        self._use("")
        return True

    def action_go_export(self) -> None:
        lines = self.query_one(LogPane).log_view.shown_lines()
        try:
            path = write_new(Path.cwd(), "wfconsole-logs", ".log", "".join(map(_exported, lines)))
        except OSError as error:
            self.console.tell(f"can't export: {error}", severity="error")
        else:
            self.console.tell(f"{len(lines)} lines written to {path}")

    def copied(self) -> str:
        line = self.query_one(LogPane).log_view.current_line
        return _exported(line).rstrip("\n") if line is not None else ""


def _exported(line: LogLine) -> str:
    """A line of a file: times whole and with their offset, nothing in it a terminal would obey."""
    source = f"{line.stage_id or '-'}#{line.attempt}" if line.attempt is not None else line.stage_id or "-"
    fields = _fields(line.fields.items())
    words = (line.created_at.isoformat(), line.level.value, line.run_id, source, line.message, *fields)
    return safe_text(" ".join(words)) + "\n"


def _fields(items: Iterable[tuple[str, object]]) -> list[str]:
    return [f"{name}={json.dumps(value, ensure_ascii=False, default=str)}" for name, value in items]
