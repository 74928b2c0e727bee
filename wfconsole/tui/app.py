"""The console application: it opens the gateway, runs the one feed and owns screens and embedded worker."""

from __future__ import annotations

import contextlib
import gc
import os
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, ClassVar, TypeVar

from textual import events
from textual.app import AutopilotCallbackType
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.theme import Theme
from textual.widgets import Input, TextArea

from engine.inspector import EventView, LogLine, Overview, PageRequest, RunSummary, TrendView
from wfconsole.formatting import TimeMode
from wfconsole.keymap import problems_of, usable
from wfconsole.safe_text import safe_text
from wfconsole.tui import themes
from wfconsole.tui.commanding import Commanding
from wfconsole.tui.feed import Feed, Link, Pulse
from wfconsole.tui.hanging_up import leaving_when_told
from wfconsole.tui.own_worker import OwnWorker
from wfconsole.tui.palette import ActionCommands
from wfconsole.tui.places import OTHER_PLACES
from wfconsole.tui.screens.dialog import Dialog
from wfconsole.tui.screens.live import LiveScreen
from wfconsole.tui.screens.quit import Leave, QuitDialog, StopBulkDialog, quit_question
from wfconsole.tui.screens.runs import RunsScreen
from wfconsole.tui.state import ConsoleState
from wfconsole.tui.trends import Trends
from wfconsole.tui.widgets.header_bar import HeaderFacts

if TYPE_CHECKING:
    from wfconsole.gateway import Gateway
    from wfconsole.settings import Settings

TWICE = 1.5
"""Seconds within which a second ctrl+c asks to quit."""

SETTLED_AFTER = 3.0
"""Seconds after which all that stays is loaded, and garbage is collected again."""

STOPPABLE = ("marking", "gather", "command")
"""Groups of workers that ctrl+c interrupts."""

TIME_MODES: tuple[TimeMode, ...] = ("relative", "local", "utc")

S = TypeVar("S", bound=RunSummary | EventView)


class WorkflowConsole(Commanding):
    """The Textual app. `run`, `tab`, `stage`, `place` and `filter` open it there.

    `gateway` is an opened one to use: it is not closed, and no worker is started beside it. `clock` gives the
    aware time now. `state` is what it remembers; beside a given gateway nothing, unless it is given too.
    After `run()`, `return_code` is the exit code of the process.
    """

    TITLE = "wfconsole"
    CSS_PATH: ClassVar = ["styles/places.tcss", "styles/dialogs.tcss"]
    COMMANDS: ClassVar = {ActionCommands}
    MODES: ClassVar = {"runs": RunsScreen, **OTHER_PLACES}
    DEFAULT_MODE = "runs"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+l", "redraw", show=False),
        Binding("ctrl+z", "suspend_process", show=False),
    ]
    ENABLE_SELECT_AUTO_SCROLL = False

    def __init__(
        self,
        settings: Settings,
        *,
        run: str | None = None,
        tab: str | None = None,
        stage: str | None = None,
        place: str | None = None,
        filter: str | None = None,  # noqa: A002
        gateway: Gateway | None = None,
        clock: Callable[[], datetime] | None = None,
        state: ConsoleState | None = None,
    ) -> None:
        if settings.no_color:
            os.environ["NO_COLOR"] = "1"
        super().__init__()
        self.HORIZONTAL_BREAKPOINTS = [(0, "-tiny-width"), (60, "-slim"), (110, "-wide")]
        self.VERTICAL_BREAKPOINTS = [(0, "-tiny-height"), (15, "-low"), (30, "-high")]
        self.settings, self.zone = settings, settings.zone
        self.opening_filter = filter
        self.overview: Overview | None = None
        self.now: Callable[[], datetime] = clock or (lambda: datetime.now(UTC))
        self.time_mode: TimeMode = "relative"
        self._opening_run = (run, tab or "graph", stage)
        self._opening_place = place
        self._given = gateway
        self._worker = OwnWorker(settings)
        self._leave = Leave.NOW
        self._interrupted_at = float("-inf")
        self.feed = Feed(self._connect, self._pulse_changed, self._overview_came)
        self.themes_found = themes.load_themes()
        self._theme_stamp = themes.stamp()
        self._trends = Trends()
        self.state = state or (ConsoleState() if gateway is not None or settings.demo else ConsoleState.of(settings))
        self._colour = themes.usable_colour(settings.colour)

    # -- start -----------------------------------------------------------------------------------

    def get_theme(self, theme_name: str) -> Theme | None:
        # Textual asks for each line it paints, and copies the table of all themes twice to answer.
        return self._registered_themes.get(theme_name) or super().get_theme(theme_name)

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return dict(themes.VARIABLES)

    async def on_mount(self) -> None:
        self._use_theme()
        self.set_class(self.settings.ascii, "-ascii")
        self.set_timer(SETTLED_AFTER, _collect_again)
        self._use_keys()
        self.set_interval(1.0, self._tick)
        self.run_worker(self.feed.run(), group="feed", exclusive=True)
        run_id, tab, stage = self._opening_run
        place = self._opening_place
        if place is None and run_id is None and self.opening_filter is None:
            place = self.state.get("place")
        if place in self.MODES:
            self.switch_mode(str(place))
        if run_id is not None:
            self.open_run(run_id, tab=tab, stage=stage)

    def _use_keys(self) -> None:
        """Remap as the settings say; what is wrong is said once."""
        self.set_keymap(usable(self.settings.keys))
        for problem in problems_of(self.settings.keys):
            self.tell(problem, severity="warning")

    def _reload_themes(self) -> None:
        """A theme of the operator's was written: paint with it, or say what is wrong with it."""
        self._theme_stamp, current = themes.stamp(), self.theme
        self.themes_found = themes.load_themes()
        for theme in self.themes_found.found.values():
            self.register_theme(theme)
        for warning in self.themes_found.warnings:
            self.tell(warning, severity="warning")
        if current in self.themes_found.found:
            self.theme = "textual-dark" if current != "textual-dark" else "textual-light"
            self.theme = current

    def _use_theme(self) -> None:
        for theme in self.themes_found.found.values():
            self.register_theme(theme)
        wanted = self.settings.theme or themes.DEFAULT
        if wanted in self.available_themes:
            self.theme = wanted
        else:
            known = ", ".join(sorted(self.themes_found.found))
            self.tell(f"no theme {wanted!r}; there are: {known}", severity="warning")
            self.theme = themes.DEFAULT if themes.DEFAULT in self.available_themes else "textual-dark"
        if self.settings.colour and not self._colour:
            self.tell(f"colour = {self.settings.colour!r} is no colour", severity="warning")
        for warning in self.themes_found.warnings:
            self.tell(warning, severity="warning")

    @contextlib.asynccontextmanager
    async def _connect(self) -> AsyncIterator[Gateway]:
        if self._given is not None:
            yield self._given
            return
        # The engine is loaded after the first paint.
        from wfconsole.gateway import Gateway

        async with Gateway(self.settings) as gateway:
            await self._worker.start_if_needed(gateway)
            yield gateway

    # -- the feed's answers ----------------------------------------------------------------------

    async def last_lines(self, run_id: str, number: int) -> list[LogLine]:
        """The newest log lines of a run, oldest first."""
        page = await self.source().inspector.logs(run_id, page=PageRequest(limit=number))
        return list(reversed(page.items))

    def _pulse_changed(self, pulse: Pulse) -> None:
        if pulse.link is Link.BROKEN:
            self.exit(return_code=2, message=safe_text(pulse.cause))
            return
        if pulse.link is Link.LOST and pulse.cause:
            self.tell(f"the database can't be read: {pulse.cause}", severity="error")
        self.refresh_frame()

    def _overview_came(self, overview: Overview) -> None:
        self.overview = overview
        self.refresh_frame()
        if self._trends.due:
            self.run_worker(self._ask_trends(), group="trends", exclusive=True)

    async def _ask_trends(self) -> None:
        if self.feed.gateway is not None and await self._trends.ask(self.feed.gateway):
            self.refresh_frame()

    @property
    def trends(self) -> TrendView | None:
        """The last day, once it was asked for."""
        return self._trends.view

    def refresh_frame(self) -> None:
        place = self.place
        if place is not None:
            place.refresh_frame()

    def _tick(self) -> None:
        if themes.stamp() != self._theme_stamp:
            self._reload_themes()
        place = self.place
        if place is not None and place.alive:
            place.tick()
            place.refresh_header()

    def header_facts(self) -> HeaderFacts:
        """What the header says now."""
        monotonic, asked = time.monotonic(), self.feed.asking_since
        local = self.now().astimezone(self.zone)
        gateway = self.feed.gateway
        return HeaderFacts(
            database=_database_name(gateway.database if gateway is not None else self.settings.db or ""),
            clock=f"{local:%H:%M} {local.tzname()}",
            read_only=self.settings.read_only,
            demo=self.settings.demo,
            paused=self.feed.paused,
            pulse=self.feed.pulse,
            monotonic=monotonic,
            waited=0.0 if asked is None else monotonic - asked,
            worker=self._worker.word,
            overview=self.overview,
            ascii=self.settings.ascii,
            profile=self.settings.profile or "",
            colour=self._colour,
            hot=self._trends.hot(self.zone),
            plain=self.settings.no_color,
        )

    # -- what the places ask of it ---------------------------------------------------------------

    def why_no_writing(self) -> str | None:
        """Why nothing can be changed now; None when it can."""
        if self.settings.read_only:
            return "opened read-only"
        if self.feed.pulse.link is not Link.LIVE:
            return "not connected to the database"
        return None

    def open_run(self, run_id: str, *, tab: str = "graph", stage: str | None = None) -> None:
        from wfconsole.tui.screens.run import RunScreen

        self.push_screen(RunScreen(run_id, tab, stage))

    def run_started(self, run_id: str | None) -> None:
        """The new-run form closed; a run it created is opened."""
        if run_id is not None:
            self.open_run(run_id)

    def pause(self, paused: bool) -> None:
        self.feed.pause(paused)
        self.refresh_frame()

    def next_time_mode(self) -> None:
        """Ages, then times of day here, then in UTC, and round again."""
        self.time_mode = TIME_MODES[(TIME_MODES.index(self.time_mode) + 1) % len(TIME_MODES)]
        self.tell(f"times: {self.time_mode}")

    # -- keys ------------------------------------------------------------------------------------

    async def on_event(self, event: events.Event) -> None:
        typed = isinstance(event, events.InputEvent | events.Paste)
        if typed and isinstance(dialog := self._top_screen(), Dialog) and not dialog.accepts(event.time):
            event.stop()
            return
        await super().on_event(event)

    def _top_screen(self) -> Screen[object] | None:
        return self.screen_stack[-1] if self.screen_stack else None

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "command_palette":
            return isinstance(self.screen, LiveScreen) and not isinstance(self.focused, Input | TextArea)
        if action == "quit":
            return not isinstance(self.screen, Dialog)
        return super().check_action(action, parameters)

    def action_choose_theme(self) -> None:
        self.choose_theme()

    def action_redraw(self) -> None:
        self.refresh(layout=True)

    def action_help_quit(self) -> None:
        """ctrl+c: copies what is selected, else stops what goes on; twice asks to quit."""
        if isinstance(self.screen, Dialog):
            self.screen.action_no()
            return
        if selected := self.screen.get_selected_text():
            self.screen.clear_selection()
            self.run_worker(self.copy(selected), group="copy")
            return
        now, before = time.monotonic(), self._interrupted_at
        self._interrupted_at = now
        if now - before <= TWICE:
            self.run_worker(self.leave_console(), group="quit", exclusive=True)
        elif self.stop_bulk():
            self.tell("the bulk action stops after the run it is at")
        elif any(
            self.workers.cancel_group(node, group) for node in self.screen_stack for group in ("marking", "gather")
        ):
            self.tell("stopped")
        else:
            self.tell("ctrl+c again, or q, quits")

    # -- leaving ---------------------------------------------------------------------------------

    async def action_quit(self) -> None:
        """Leave; asks first when this console's worker executes something."""
        if isinstance(self.screen, Dialog):
            return
        self.run_worker(self.leave_console(), group="quit", exclusive=True)

    async def leave_console(self) -> None:
        self._leaving()
        if self.under_way:
            self.push_screen(StopBulkDialog(self.under_way), self._leave_bulk)
            return
        running = await self._worker.executing(self.feed.gateway)
        if not running:
            self.exit()
            return

        def answered(leave: Leave | None) -> None:
            if leave is not None:
                self._leave = leave
                self.exit()
            else:
                self.next_settings = None

        self.push_screen(QuitDialog(quit_question(running)), answered)

    def _leave_bulk(self, stop: bool | None) -> None:
        if stop:
            self.stop_bulk()
            self.exit()
        else:
            self.next_settings = None

    def _told_to_leave(self, number: int) -> None:
        self._leave = Leave.NOW
        self.exit(return_code=128 + number)

    async def run_async(
        self,
        *,
        headless: bool = False,
        inline: bool = False,
        inline_no_clear: bool = False,
        mouse: bool = True,
        size: tuple[int, int] | None = None,
        auto_pilot: AutopilotCallbackType | None = None,
    ) -> None:
        """As in Textual; the worker is ended once the terminal is given back."""
        try:
            with leaving_when_told(self._told_to_leave):
                return await super().run_async(
                    headless=headless,
                    inline=inline,
                    inline_no_clear=inline_no_clear,
                    mouse=mouse,
                    size=size,
                    auto_pilot=auto_pilot,
                )
        finally:
            await self._worker.stop(self._leave)

    def _leaving(self) -> None:
        """What is shown now is shown again next time."""
        self.state.put("place", self.current_mode)


def _collect_again() -> None:
    gc.freeze()
    gc.enable()


def _database_name(shown: str) -> str:
    """A file's own name, or the address without its scheme."""
    scheme, _, rest = shown.partition("://")
    return rest.rsplit("/", 1)[-1] or "memory" if scheme == "sqlite" else rest or shown
