"""Place 2, Logs: the lines of all runs as they come."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.message import Message

from wfconsole.tui.screens.live import bindings_of
from wfconsole.tui.screens.log_keys import LogKeys
from wfconsole.tui.widgets.log_pane import LogBatch, LogPane

if TYPE_CHECKING:
    from wfconsole.gateway import Gateway


class LogsScreen(LogKeys):
    """One log over everything; search and level as in a run."""

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
        yield LogPane(None, ascii_only=self.console.settings.ascii)

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

    def action_list_filter(self) -> None:
        self.query_one(LogPane).edit_search()

    def action_log_follow(self) -> None:
        self.query_one(LogPane).toggle_follow()

    def copied(self) -> str:
        line = self.query_one(LogPane).log_view.current_line
        return line.message if line is not None else ""
