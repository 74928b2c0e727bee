"""What every place of the console is: a header, a body that paints snapshots, a footer, the shared keys."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, cast

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.message import Message
from textual.screen import Screen
from textual.widgets import Input, TextArea

from wfconsole.actions import Action, actions_of
from wfconsole.formatting import STATUS, TimeMode
from wfconsole.keymap import key_of
from wfconsole.tui.command_line import complete_line
from wfconsole.tui.feed import Link
from wfconsole.tui.screens.choose import Choose
from wfconsole.tui.screens.copying import choices, copy_choice
from wfconsole.tui.screens.reading import Reading, help_content
from wfconsole.tui.widgets.command_bar import CommandBar
from wfconsole.tui.widgets.footer_line import FooterLine
from wfconsole.tui.widgets.header_bar import HeaderBar
from wfconsole.tui.widgets.line import Line, line_of
from wfconsole.tui.widgets.status_counts import state_counts

if TYPE_CHECKING:
    from wfconsole.gateway import Gateway
    from wfconsole.tui.app import WorkflowConsole

MOVES = (("j k ↓ ↑", "move"), ("g G", "first, last"), ("ctrl+d ctrl+u", "half a page"), ("ctrl+q", "quit"))


def bindings_of(place: str) -> list[BindingType]:
    """One binding an action of the place; ids are the actions', so that they can be remapped."""
    return [
        Binding(action.key, action.method, action.label, id=action.id, show=False)
        for action in actions_of(place)
        if action.key != "enter"
    ]


class LiveScreen(Screen[None]):
    """A place. Subclasses build `body`, `ask` for a snapshot, and paint its message."""

    PLACE: ClassVar[str] = ""
    TITLE_TEXT: ClassVar[str] = ""

    def compose(self) -> ComposeResult:
        yield HeaderBar()
        with Container(id="place"):
            yield from self.body()
        yield Line(id="too-small")
        yield CommandBar()
        yield FooterLine()

    def body(self) -> ComposeResult:
        """The widgets of the place."""
        yield from ()

    @abstractmethod
    async def ask(self, gateway: Gateway, news: bool) -> Message:
        """Put this place's question; the answer comes back as the message to paint."""

    @property
    def console(self) -> WorkflowConsole:
        return cast("WorkflowConsole", self.app)

    @property
    def alive(self) -> bool:
        """Whether its widgets are there to be painted: not before they came, not while they are taken away."""
        return self.is_mounted and self.app.is_running and self in self.app.screen_stack

    def on_mount(self) -> None:
        self._attend()

    def on_screen_resume(self) -> None:
        self._attend()

    def _attend(self) -> None:
        if self.alive and self.console.place is self:
            self.show_times(self.console.time_mode)
            self.console.feed.watch(self)
            self.refresh_frame()

    def refresh_frame(self) -> None:
        """Header, footer and the few words shown when the window is too small."""
        if not self.alive:
            return
        console = self.console
        self.refresh_header()
        self.query_one(FooterLine).offer(self.offers())
        self.set_class(console.feed.pulse.link is Link.LOST, "-lost")
        overview = console.overview
        if overview is not None:
            counts = state_counts(overview)
            shown = ", ".join(f"{counts.get(key, 0)} {STATUS[key].word}" for key in ("RUNNING", "FAILED", "PENDING"))
            words = f" The window is too small (60x15).\n {shown}"
            self.query_one("#too-small", Line).show(line_of(words))

    def refresh_header(self) -> None:
        self.query_one(HeaderBar).tell(self.console.header_facts())

    def offers(self) -> Sequence[Action]:
        """The actions valid here and now, in footer order."""
        return [action for action in actions_of(self.PLACE) if action.footer and self.why_not(action) is None]

    def why_not(self, action: Action) -> str | None:
        """Why this action can't be done now; None when it can."""
        return self.console.why_no_writing() if action.writes else None

    def refuse(self, action: Action, why: str) -> None:
        """A disabled key was pressed: say why nothing happens."""
        self.console.tell(f"{action.label}: {why}", severity="warning")

    def allowed(self, action: Action) -> bool:
        """Whether the action may go on; says why not otherwise."""
        why = self.why_not(action)
        if why is not None:
            self.refuse(action, why)
        return why is None

    @property
    def typing(self) -> bool:
        return isinstance(self.focused, Input | TextArea)

    def show_times(self, mode: TimeMode) -> None:
        """Show times in this mode from now on."""

    def action_live_times(self) -> None:
        self.console.next_time_mode()
        self.show_times(self.console.time_mode)

    def action_go_command(self) -> None:
        bar = self.query_one(CommandBar)
        bar.field.history = lambda: self.console.state.history("command")
        bar.field.completer = lambda text, cursor: complete_line(text, cursor, self.console.command_words())
        bar.edit()

    def on_command_bar_entered(self, event: CommandBar.Entered) -> None:
        event.stop()
        if event.prompt == "|":
            self.console.pipe(event.text, self.exported()[0])
        else:
            self.console.enter_line(event.text)

    def exported(self) -> tuple[str, str]:
        """What is shown as a text, and the suffix of a file that holds it; empty where there is nothing."""
        return "", ".txt"

    def tick(self) -> None:
        """Once a second: repaint what only time changes."""

    def action_go_help(self) -> None:
        title = f"Keys in {self.TITLE_TEXT}"
        keys = self.console.settings.keys
        shown = [replace(action, key=key_of(action, keys)) for action in actions_of(self.PLACE)]
        self.app.push_screen(Reading(title, help_content(shown, MOVES)))

    async def action_go_back(self) -> None:
        """Escape: the place's own steps first (`step_back`), then the screen below."""
        if not self.step_back():
            await self.leave()

    def step_back(self) -> bool:
        """Undo one thing of this place, such as its filter; False when nothing is left to undo."""
        return False

    async def leave(self) -> None:
        """To the screen below, if there is one."""
        if len(self.app.screen_stack) > 1 and self.app.screen is self:
            self.app.pop_screen()

    async def action_go_quit(self) -> None:
        if len(self.app.screen_stack) > 1:
            await self.leave()
        else:
            await self.app.run_action("quit")

    def action_live_pause(self) -> None:
        self.console.pause(not self.console.feed.paused)

    def action_go_copy(self) -> None:
        text = self.copied()
        if text:
            self.run_worker(self.console.copy(text), group="copy")
        else:
            self.console.tell("nothing to copy here", severity="warning")

    def action_go_copy_menu(self) -> None:
        run_ids, line = self.copied_runs(), self.copied()

        def chosen(choice: str | None) -> None:
            if choice is not None:
                self.run_worker(copy_choice(self.console, choice, run_ids, line), group="copy")

        self.app.push_screen(Choose("Copy", choices(run_ids, line, self.console.last_twin)), chosen)

    def copied_runs(self) -> Sequence[str]:
        """The ids of the runs that the copy menu is about; none where it is about a line."""
        return ()

    def action_list_pipe(self) -> None:
        if not self.exported()[0]:
            self.console.tell("there is nothing to pipe here", severity="warning")
        elif (why := self.console.why_no_suspending()) is not None:
            self.console.tell(f"pipe: {why}", severity="warning")
        else:
            self.query_one(CommandBar).edit("|")

    def copied(self) -> str:
        """What `y` copies; empty when there is nothing under the cursor."""
        return ""

    def action_place_runs(self) -> None:
        self.app.switch_mode("runs")

    def action_place_logs(self) -> None:
        self.app.switch_mode("logs")

    def action_place_costs(self) -> None:
        self.app.switch_mode("costs")

    def action_place_dlq(self) -> None:
        self.app.switch_mode("dlq")

    def action_place_workers(self) -> None:
        self.app.switch_mode("workers")

    def action_place_workflows(self) -> None:
        self.app.switch_mode("workflows")
