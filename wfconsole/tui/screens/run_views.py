"""The views of place 1: filter, order and folding; the one before; those kept under a name."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace

from textual import on

from engine.inspector import RunFilter
from wfconsole.filtering import FilterError, parse_filter
from wfconsole.tui.completion import Completed, complete_filter
from wfconsole.tui.run_window import RunWindow
from wfconsole.tui.runs_view import TITLES, Kind, RunsView, Visited
from wfconsole.tui.screens.choose import Choice, Choose
from wfconsole.tui.screens.live import LiveScreen
from wfconsole.tui.widgets.cause_table import CauseTable
from wfconsole.tui.widgets.filter_bar import FilterBar
from wfconsole.tui.widgets.run_table import RunTable

SAVED = "views"
_NOTES: dict[Kind, str] = {
    "all": "every run, the newest first",
    "attention": "failed, stuck, overdue, dead letters",
    "causes": "failures folded by fingerprint",
}


class RunViews(LiveScreen):
    """A place with a run table, a cause table and a filter bar, of which it shows one view."""

    view = RunsView()
    _before: Visited | None = None
    window: RunWindow

    @abstractmethod
    def asked_anew(self) -> None:
        """What is shown is the answer to another question from now on."""

    # -- showing a view --------------------------------------------------------------------------

    def filter_of(self, view: RunsView) -> RunFilter:
        """Raises `FilterError`."""
        criteria = parse_filter(view.filter, now=self.console.now(), tz=self.console.zone)
        return criteria.model_copy(update={"attention": True}) if view.kind == "attention" else criteria

    def show_view(self, view: RunsView) -> None:
        """Show it, and keep the one before with its cursor and marks. Raises `FilterError`."""
        window = RunWindow(self.filter_of(view), view.sort)
        if view != self.view:
            table = self.query_one(RunTable)
            self._before = Visited(self.view, table.cursor_id, frozenset(table.marks))
        self._show(view, window)

    def _show(self, view: RunsView, window: RunWindow) -> None:
        self.view, self.window = view, window
        self.console.state.put("view", view.plain())
        self.query_one(FilterBar).show(view.filter, view.title)
        table, causes = self.query_one(RunTable), self.query_one(CauseTable)
        folded = view.kind == "causes"
        table.display, causes.display = not folded, folded
        self.set_class(folded, "-causes")
        table.set_sorted_by(view.sorted_by)
        if not self.query_one(FilterBar).editing:
            (causes if folded else table).focus()
        self.asked_anew()
        self.console.feed.poke()

    def try_filter(self, text: str) -> None:
        """Show the runs of this filter in the view there is; says what is wrong with it."""
        try:
            self.show_view(replace(self.view, filter=text))
        except FilterError as error:
            self.console.tell(str(error), severity="error")

    def action_list_before(self) -> None:
        if self._before is None:
            self.console.tell("there is no view before this one", severity="warning")
            return
        table, before = self.query_one(RunTable), self._before
        self._before = Visited(self.view, table.cursor_id, frozenset(table.marks))
        self._show(before.view, RunWindow(self.filter_of(before.view), before.view.sort))
        table.marks = set(before.marks)
        table.want_cursor(before.cursor_id)

    def action_list_sort(self) -> None:
        if self.view.kind != "causes":
            self.show_view(self.view.next_sort())

    def action_list_reverse(self) -> None:
        if self.view.kind != "causes":
            self.show_view(self.view.reversed())

    # -- choosing and saving ---------------------------------------------------------------------

    def saved_views(self) -> dict[str, RunsView]:
        """By name, in alphabetical order."""
        known = self.console.state.get(SAVED)
        found = {name: RunsView.read(value) for name, value in known.items()} if isinstance(known, dict) else {}
        return {name: view for name, view in sorted(found.items()) if view is not None}

    def save_view(self, name: str) -> None:
        """Keep the view under this name; under `v` it is found again."""
        kept = {known: view.plain() for known, view in self.saved_views().items()}
        self.console.state.put(SAVED, {**kept, name: replace(self.view, name=name).plain()})
        self.console.tell(f"view {name!r} is kept: v shows it")

    def action_list_views(self) -> None:
        fixed = [Choice(key, kind, TITLES[kind], _NOTES[kind]) for key, kind in zip("anf", TITLES, strict=True)]
        saved = [Choice("", f"={name}", name, view.filter) for name, view in self.saved_views().items()]
        here = f"={self.view.name}" if self.view.name else self.view.kind
        self.app.push_screen(Choose("Views", [*fixed, *saved], here), self._chosen)

    def _chosen(self, choice: str | None) -> None:
        if choice is not None:
            self.open_view(choice)

    def open_view(self, choice: str) -> None:
        """`all`, `attention`, `causes`, or `=NAME` of a saved one."""
        if choice.startswith("="):
            view = self.saved_views().get(choice[1:])
            if view is None:
                self.console.tell(f"no view {choice[1:]!r} was saved", severity="warning")
                return
        else:
            kind = next(kind for kind in TITLES if kind == choice)
            view = RunsView(kind, "" if kind == "all" else self.view.filter)
        try:
            self.show_view(view)
        except FilterError as error:
            self.console.tell(str(error), severity="error")

    # -- the filter ------------------------------------------------------------------------------

    def prepare_filter(self) -> None:
        """Give the field its history and what it completes."""
        field = self.query_one(FilterBar).field
        field.history = lambda: self.console.state.history("filter")
        field.completer = self._complete

    def _complete(self, text: str, cursor: int) -> Completed:
        return complete_filter(text, cursor, self.console.known_words())

    def wrong_with(self, text: str) -> str | None:
        """What is wrong with a filter text; None when it can be used."""
        try:
            self.filter_of(replace(self.view, filter=text))
        except FilterError as error:
            return str(error)
        return None

    @on(FilterBar.Changed)
    def _filter_changed(self, event: FilterBar.Changed) -> None:
        event.stop()
        self.query_one(CauseTable if self.view.kind == "causes" else RunTable).focus()
        if event.text != self.view.filter:
            self.console.state.remember("filter", event.text)
            self.show_view(replace(self.view, filter=event.text, name=""))

    @on(CauseTable.Opened, "#causes")
    def _open_cause(self, event: CauseTable.Opened) -> None:
        event.stop()
        cause = self.query_one(CauseTable).cursor_cause
        if cause is None:
            return
        terms = ["status:failed", f'wf:"{cause.workflow_id}"']
        terms += [f"fp:{cause.fingerprint}"] if cause.fingerprint else []
        self.show_view(RunsView("all", " ".join(terms)))
