"""What the keys of a log do, on every screen that shows one."""

from __future__ import annotations

from textual import on

from engine.errors import EngineError
from wfconsole.formatting import TimeMode
from wfconsole.tui.screens.live import LiveScreen
from wfconsole.tui.widgets.log_pane import LogPane


class LogKeys(LiveScreen):
    """A live screen with one log pane."""

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
