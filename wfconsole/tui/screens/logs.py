"""Place 2, Logs: the lines of all runs as they come."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.message import Message

from engine.errors import EngineError
from wfconsole.formatting import TimeMode
from wfconsole.tui.screens.live import LiveScreen, bindings_of
from wfconsole.tui.widgets.log_pane import LogBatch, LogPane

if TYPE_CHECKING:
    from wfconsole.gateway import Gateway


class LogsScreen(LiveScreen):
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

    def action_log_wrap(self) -> None:
        self.query_one(LogPane).log_view.action_toggle_wrap()

    def action_log_level(self) -> None:
        self.query_one(LogPane).next_level()

    @on(LogPane.WantsOlder)
    async def _read_older(self, event: LogPane.WantsOlder) -> None:
        try:
            await self.query_one(LogPane).read_older(self.console.source(), event.cursor)
        except EngineError as error:
            self.console.tell(str(error), severity="error")

    def step_back(self) -> bool:
        return self.query_one(LogPane).clear_search()

    def show_times(self, mode: TimeMode) -> None:
        """A line keeps its time of day: ages would change while they are read."""
        self.query_one(LogPane).log_view.set_time("utc" if mode == "utc" else "local", self.console.zone)

    def copied(self) -> str:
        line = self.query_one(LogPane).log_view.current_line
        return line.message if line is not None else ""
