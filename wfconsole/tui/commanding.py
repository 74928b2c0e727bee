"""What the application does with a line typed behind `:`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import tzinfo
from pathlib import Path

from engine.errors import EngineError
from wfconsole.formatting import TimeMode
from wfconsole.settings import Settings, SettingsError
from wfconsole.tui.carrying_out import CarryingOut
from wfconsole.tui.command_line import PLACE_WORDS, CommandError, Line, Output, carry_out_line, read_line
from wfconsole.tui.exporting import write_new
from wfconsole.tui.piping import pipe_and_wait
from wfconsole.tui.screens.command_dialog import CommandDialog
from wfconsole.tui.screens.live import LiveScreen
from wfconsole.tui.screens.output import OutputScreen
from wfconsole.tui.screens.run_views import RunViews
from wfconsole.tui.screens.theme_choice import ThemeChoice
from wfconsole.tui.state import ConsoleState
from wfconsole.tui.themes import Themes

SHORT = 3
"""Lines of output that need no pager."""


class Commanding(CarryingOut):
    """The part of the console about typed commands."""

    settings: Settings
    state: ConsoleState
    themes_found: Themes
    zone: tzinfo
    time_mode: TimeMode
    next_settings: Settings | None = None
    """Where to go on after this console was left: the settings of another profile."""

    def enter_line(self, text: str) -> None:
        """Carry out what was typed; what is wrong with it is said."""
        self.state.remember("command", text)
        try:
            line = read_line(text)
            if line is None:
                return
            if line.own:
                self._own(line.words)
            elif line.writes and (why := self.why_no_writing()) is not None:
                self.tell(f"{line.verb}: {why}", severity="warning")
            elif line.writes and "--dry-run" not in line.words:
                self._ask_about(line)
            else:
                self.run_worker(self._run_line(line.words, line.words), group="command", exclusive=True)
        except (CommandError, SettingsError, OSError, ValueError) as error:
            self.tell(str(error), severity="error")

    def _own(self, words: Sequence[str]) -> None:
        verb, rest = words[0], list(words[1:])
        if verb in PLACE_WORDS:
            self.go_to(verb)
        elif verb in ("q", "quit"):
            self.run_worker(self.run_action("quit"), group="quit")
        elif verb == "help":
            self.call_later(self.run_action, "screen.go_help")
        elif verb in ("filter", "since"):
            self._filter(verb, rest)
        else:
            known: dict[str, Callable[[str], None]] = {
                "run": self._open, "theme": self.use_theme, "tz": self.use_zone, "profile": self.use_profile,
                "w": self._write, "save": self._save, "view": self._view,
            }  # fmt: skip
            if verb == "theme" and not rest:
                self.choose_theme()
                return
            if len(rest) != 1:
                raise CommandError(f":{verb} takes one word")
            known[verb](rest[0])

    # -- asked of the application ----------------------------------------------------------------

    @property
    def place(self) -> LiveScreen | None:
        """The place on top, below any dialog."""
        return next((screen for screen in reversed(self.screen_stack) if isinstance(screen, LiveScreen)), None)

    def why_no_writing(self) -> str | None:
        """Why nothing can be changed now; None when it can."""

    def open_run(self, run_id: str, *, tab: str = "graph", stage: str | None = None) -> None:
        """Show a run."""

    async def leave_console(self) -> None:
        """Leave; asks first when something would be cut short."""

    def go_to(self, place: str) -> None:
        self.switch_mode(place)

    def on_runs(self, do: Callable[[RunViews], None]) -> None:
        self.switch_mode("runs")
        while len(self.screen_stack) > 1:
            self.pop_screen()
        root = self.screen_stack[0]
        if isinstance(root, RunViews):
            self.call_after_refresh(do, root)

    def use_theme(self, name: str) -> None:
        if name not in self.available_themes:
            raise ValueError(f"no theme {name!r}; there are: {', '.join(sorted(self.themes_found.found))}")
        self.theme = name

    def choose_theme(self) -> None:
        """Show them all; the one under the cursor is painted at once."""
        self.push_screen(ThemeChoice(self.themes_found.found, self.theme))

    def use_zone(self, name: str) -> None:
        self.settings = self.settings.model_validate({**self.settings.model_dump(), "tz": name})
        self.zone = self.settings.zone
        if self.place is not None:
            self.place.show_times(self.time_mode)
        self.refresh_frame()

    def use_profile(self, name: str) -> None:
        self.next_settings = with_profile(self.settings, name)
        self.run_worker(self.leave_console(), group="quit", exclusive=True)

    def exported(self) -> tuple[str, str]:
        return self.place.exported() if self.place is not None else ("", ".txt")

    def known_words(self) -> dict[str, list[str]]:
        """Values of filter fields that are known here, for completion."""
        gateway = self.feed.gateway
        workflows = list(gateway.workflows.values()) if gateway is not None else []
        stages = {stage.id for workflow in workflows for stage in workflow.stages}
        return {"wf": [workflow.id for workflow in workflows], "stage": sorted(stages)}

    def command_words(self) -> dict[str, list[str]]:
        """What words behind a verb can be, by verb; the rest are workflows."""
        known = self.known_words()
        views = self.state.get("views")
        return {
            **known,
            "theme": sorted(self.themes_found.found),
            "profile": sorted(self.settings.profiles),
            "view": ["all", "attention", "causes", *(views if isinstance(views, dict) else ())],
            "tz": ["local", "utc"],
            "ids": known["wf"],
        }

    # -- the console's own words -----------------------------------------------------------------

    def _save(self, name: str) -> None:
        self.on_runs(lambda runs: runs.save_view(name))

    def _view(self, name: str) -> None:
        choice = name if name in ("all", "attention", "causes") else f"={name}"
        self.on_runs(lambda runs: runs.open_view(choice))

    def _filter(self, verb: str, rest: Sequence[str]) -> None:
        text = " ".join(rest)

        def narrow(runs: RunViews) -> None:
            kept = [term for term in runs.view.filter.split(" ") if term and not term.startswith("since:")]
            runs.try_filter(" ".join([*kept, f"since:{text}"] if text else kept))

        self.on_runs(narrow if verb == "since" else lambda runs: runs.try_filter(text))

    def _open(self, given: str) -> None:
        self.run_worker(self._resolve(given), group="command", exclusive=True)

    async def _resolve(self, given: str) -> None:
        try:
            found = await self.source().inspector.resolve(given)
        except EngineError as error:
            self.tell(str(error), severity="error")
            return
        if len(found) == 1:
            self.open_run(found[0])
        elif found:
            self.tell(f"{given} is the beginning of several runs: {', '.join(found)}", severity="warning")
        else:
            self.tell(f"no run {given!r}", severity="warning")

    def _write(self, name: str) -> None:
        path = Path(name).expanduser()
        text, suffix = self.exported()
        if not text:
            raise CommandError("there is nothing to write here")
        path = path if path.suffix else path.with_suffix(suffix)
        if path.exists():
            raise CommandError(f"{path} is there already")
        self.tell(f"written: {write_new(path.parent, path.stem, path.suffix, text)}")

    def why_no_suspending(self) -> str | None:
        """Why no other program can have the terminal; None when it can."""
        if self.is_web:
            return "not in a browser"
        if self._driver is None or not self._driver.can_suspend:
            return "this terminal can't be handed over"
        return None

    def pipe(self, command: str, text: str) -> None:
        """Hand the text to a command; the screen is the command's until enter is pressed."""
        if command:
            with self.suspend():
                code = pipe_and_wait(command, text)
            self.tell(f"{command}: exit code {code}", severity="information" if code == 0 else "warning")

    def export(self, stem: str, suffix: str, text: str) -> None:
        """Write to a new file in the working directory, and say which."""
        try:
            self.tell(f"written: {write_new(Path.cwd(), stem, suffix, text)}")
        except OSError as error:
            self.tell(f"export: {error.strerror or error}", severity="error")

    # -- the command line's words ----------------------------------------------------------------

    def _ask_about(self, line: Line) -> None:
        dry = line.dry

        async def consequences() -> Output:
            return await carry_out_line(dry or (), self.settings, read_only=False)

        def answered(confirmed: Line | None) -> None:
            if confirmed is not None:
                self.run_worker(self._run_line(line.unasked, line.words), group="command", exclusive=True)

        self.push_screen(CommandDialog(line, consequences if dry is not None else None), answered)

    async def _run_line(self, words: Sequence[str], shown: Sequence[str]) -> None:
        read_only = self.settings.read_only
        output = await carry_out_line(words, self.settings, read_only=read_only)
        text = output.text.rstrip()
        self.feed.poke()
        said = f"{text or 'done'}" if output.code == 0 else f"{text}\nexit code {output.code}".strip()
        if len(said.splitlines()) <= SHORT:
            self.tell(said, severity="information" if output.code == 0 else "error")
        else:
            self.push_screen(OutputScreen(f":{' '.join(shown)}", said))


def with_profile(settings: Settings, name: str) -> Settings:
    """The settings as they would be with another profile; raises `SettingsError`. Rights are never widened."""
    fresh = Settings.load({"profile": name})
    kept = {"theme": settings.theme, "ascii": settings.ascii, "no_color": settings.no_color}
    return fresh.model_copy(update={**kept, "read_only": fresh.read_only or settings.read_only})
