"""Place 1, Runs: the live table, counts by status, a filter, and the run under the cursor beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from textual import events, on
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.message import Message

from engine.errors import RunNotFound
from engine.inspector import FailureView, RunFilter, RunSummary
from engine.model.status import TERMINAL_RUN
from wfconsole import formatting
from wfconsole.actions import FOLLOW, Action
from wfconsole.formatting import TimeMode
from wfconsole.tui.feed import Link
from wfconsole.tui.layout.attention import reasons
from wfconsole.tui.run_window import RunRows, RunWindow
from wfconsole.tui.runs_view import RunsView
from wfconsole.tui.screens.live import bindings_of
from wfconsole.tui.screens.run_marks import RunMarks
from wfconsole.tui.screens.run_views import RunViews
from wfconsole.tui.teaching import among_runs
from wfconsole.tui.widgets.bulk_line import BulkLine
from wfconsole.tui.widgets.cause_table import MOST as MOST_CAUSES
from wfconsole.tui.widgets.cause_table import CauseTable
from wfconsole.tui.widgets.filter_bar import FilterBar
from wfconsole.tui.widgets.line import Part, line_of
from wfconsole.tui.widgets.run_preview import TAIL, Preview, RunPreview
from wfconsole.tui.widgets.run_table import RunTable
from wfconsole.tui.widgets.status_counts import StatusCounts

if TYPE_CHECKING:
    from wfconsole.gateway import Gateway

NO_RUNS = "No runs yet.  Press o to start one, or: wfconsole run WORKFLOW --input JSON"
ALL_WELL = "Nothing needs attention: no failed or stuck run, no overdue poll, no dead letter.\nv chooses another view."
NO_MATCH = "No run matches this filter.  Press escape to clear it."
ASKING = "Asking the database …"


class RunsScreen(RunViews, RunMarks):
    """The root of the console."""

    PLACE = "runs"
    TITLE_TEXT = "Runs"
    BINDINGS = bindings_of("runs")
    AUTO_FOCUS = "#runs"

    class Snapshot(Message):
        """What was asked: the rows of the filter then in force, and the run then under the cursor."""

        def __init__(
            self,
            window: RunWindow,
            rows: RunRows | None,
            preview: Preview | None,
            causes: Sequence[FailureView] | None = None,
            reasons: Mapping[str, str] | None = None,
        ) -> None:
            super().__init__()
            self.reasons = reasons
            self.window, self.rows, self.preview, self.causes = window, rows, preview, causes

    def __init__(self) -> None:
        super().__init__()
        self.window = RunWindow(RunFilter())
        self._painted_window: RunWindow | None = None
        self._preview: Preview | None = None
        self._rows: RunRows | None = None
        self._reasons: Mapping[str, str] | None = None

    def body(self) -> ComposeResult:
        ascii_only = self.console.settings.ascii
        yield StatusCounts(ascii_only)
        yield FilterBar(self.wrong_with)
        yield BulkLine()
        with Horizontal(id="runs-and-preview"):
            yield RunTable(id="runs", ascii_only=ascii_only)
            yield CauseTable(id="causes", ascii_only=ascii_only)
            yield RunPreview(ascii_only)

    def on_mount(self) -> None:
        self._say_instead(ASKING)
        self.query_one(CauseTable).display = False
        self.prepare_filter()
        self.show_view(self._opening_view())

    def _opening_view(self) -> RunsView:
        """The one that was asked for, else the one that was left."""
        if self.console.opening_filter is not None:
            return RunsView("all", self.console.opening_filter)
        kept = RunsView.read(self.console.state.get("view"))
        return kept if kept is not None and self.wrong_with(kept.filter) is None else RunsView()

    def asked_anew(self) -> None:
        self._rows = None

    def on_resize(self, _: events.Resize) -> None:
        # The panel may be there again, and nothing was asked for it meanwhile.
        self.console.feed.poke(news=False)

    # -- asking ----------------------------------------------------------------------------------

    async def ask(self, gateway: Gateway, news: bool) -> Snapshot:
        window, table, preview = self.window, self.query_one(RunTable), self.query_one(RunPreview)
        if self.view.kind == "causes":
            found = await gateway.inspector.failures(window.filter)
            return self.Snapshot(window, None, None, found.items)
        rows = self._rows
        why = self._reasons
        if news or rows is None or window is not self._painted_window or window.want_more:
            rows = await window.refresh(gateway.inspector, table.cursor_id)
            why = await self._why(gateway, window, rows)
        cursor = table.cursor_id or (rows.rows[0].id if rows.rows else None)
        shown = cursor if preview.display else None
        return self.Snapshot(window, rows, await self._look_at(gateway, shown), reasons=why)

    async def _why(self, gateway: Gateway, window: RunWindow, rows: RunRows) -> Mapping[str, str] | None:
        """Why each run is listed, where runs are for different reasons."""
        if not window.filter.attention:
            return None
        dead = await gateway.inspector.dead_letters_of([row.id for row in rows.rows])
        return reasons(rows.rows, dead)

    async def _look_at(self, gateway: Gateway, run_id: str | None) -> Preview | None:
        if run_id is None:
            return None
        try:
            run = await gateway.inspector.run(run_id)
            explanation = await gateway.inspector.explain(run_id)
        except RunNotFound:
            return None
        return Preview(run, explanation, await self.console.last_lines(run_id, TAIL))

    @on(Snapshot)
    def _paint(self, message: Snapshot) -> None:
        if message.window is not self.window or not self.alive:
            return
        table, now = self.query_one(RunTable), self.console.now()
        if message.rows is None:
            self.query_one(CauseTable).tell_causes(message.causes or (), now)
            self._paint_causes_note(len(message.causes or ()))
            self.refresh_frame()
            return
        fresh = self._painted_window is not self.window
        shown, self._painted_window, self._rows = self._rows, self.window, message.rows
        self._reasons = message.reasons
        empty = NO_RUNS if self.view == RunsView() else ALL_WELL if self.view.kind == "attention" else NO_MATCH
        self._say_instead(empty)
        if fresh or message.rows is not shown:
            table.set_reasons(message.reasons)
            table.set_rows(message.rows.rows, now=now, has_more=message.rows.has_more, fresh=fresh)
        self._preview = message.preview
        self._paint_preview()
        self._paint_note()
        self.refresh_frame()

    def _say_instead(self, text: str) -> None:
        """What stands in the table while it has no rows."""
        table = self.query_one(RunTable)
        if table.empty_text != text:
            table.empty_text = text
            table.refresh()

    def _paint_preview(self) -> None:
        if self.query_one(RunTable).cursor_id is None:
            self._preview = None
            self.query_one(RunPreview).tell(None, self.console.now(), self.console.zone)
        if self._preview is not None and self._preview.run.id == self.query_one(RunTable).cursor_id:
            self.query_one(RunPreview).tell(self._preview, self.console.now(), self.console.zone)

    def _paint_note(self) -> None:
        table, overview, ascii_only = self.query_one(RunTable), self.console.overview, self.console.settings.ascii
        shown = table.row_count
        more = "+" if self._rows is not None and self._rows.has_more else ""
        parts: list[Part | str] = [(hint, "$status-retrying")] if (hint := self._hint()) else []
        if table.held:
            sign = "^" if self.console.settings.ascii else "▲"
            parts.append((f"{sign} {table.held} new (.)   ", "$accent"))
        if self.view.sorted_by is not None:
            column, down = self.view.sorted_by
            parts.append((f"{column} {('v' if down else '^') if ascii_only else '▼' if down else '▲'}   ", "$quiet"))
        total = sum(overview.counts.values()) if overview is not None else shown
        parts.append((f"{formatting.count(shown)}{more} of {formatting.count(max(total, shown))}", "$quiet"))
        if table.marks:
            sign = "*" if self.console.settings.ascii else "◆"
            elsewhere = f" ({len(table.marks_elsewhere)} not shown)" if table.marks_elsewhere else ""
            parts.append((f"   {len(table.marks)} {sign}{elsewhere}", "$mark"))
        self.query_one(FilterBar).note(line_of(*parts, " "))

    def _hint(self) -> str:
        """What somebody new may try next: the demonstration says it."""
        overview = self.console.overview
        hint = among_runs(self.view, overview) if self.console.settings.demo and overview is not None else ""
        return f"{hint}   " if hint else ""

    def _paint_causes_note(self, number: int) -> None:
        words = "no failed run" if not number else f"{formatting.count(number)} cause{'' if number == 1 else 's'}"
        if number > MOST_CAUSES:
            words = f"{MOST_CAUSES} of {words}"
        self.query_one(FilterBar).note(line_of((self._hint(), "$status-retrying"), (words, "$quiet"), " "))

    def refresh_frame(self) -> None:
        super().refresh_frame()
        if not self.alive:
            return
        if self.console.overview is not None:
            self.query_one(StatusCounts).tell(self.console.overview, self.console.trends)
        self.query_one(BulkLine).tell(self.console.bulk)
        pulse = self.console.feed.pulse
        if self._rows is None and pulse.link is Link.LOST:
            self._say_instead(f"The database can't be read: {pulse.cause}")

    def show_times(self, mode: TimeMode) -> None:
        self.query_one(RunTable).set_time(mode, self.console.zone)

    def tick(self) -> None:
        self.query_one(RunTable).tick(self.console.now())
        if self._preview is not None and self._preview.run.status not in TERMINAL_RUN:
            self._paint_preview()

    # -- the run under the cursor ----------------------------------------------------------------

    def subject(self) -> RunSummary | None:
        return None if self.view.kind == "causes" else self.query_one(RunTable).cursor_run

    def offers(self) -> Sequence[Action]:
        return [action for action in super().offers() if action is not FOLLOW]

    @on(RunTable.CursorMoved)
    @on(RunTable.HeldChanged)
    @on(RunTable.MarksChanged)
    def _moved(self, event: Message) -> None:
        event.stop()
        if isinstance(event, RunTable.CursorMoved):
            self.console.feed.poke(news=False)
        self._paint_note()
        self.refresh_frame()

    @on(RunTable.NearEnd)
    def _load_more(self, event: RunTable.NearEnd) -> None:
        event.stop()
        self.window.want_more = True
        self.console.feed.poke()

    @on(RunTable.Opened)
    def _open(self, event: RunTable.Opened) -> None:
        event.stop()
        self.console.open_run(event.run_id)

    def action_log_follow(self) -> None:
        run = self.subject()
        if run is not None:
            self.console.open_run(run.id, tab="logs")

    def action_list_take(self) -> None:
        self.query_one(RunTable).take_held()

    def action_list_mark(self) -> None:
        if self.view.kind == "causes":
            self.query_one(CauseTable).toggle_mark()
        else:
            self.query_one(RunTable).action_mark()

    def action_list_filter(self) -> None:
        self.query_one(FilterBar).edit()

    def chosen_causes(self) -> Sequence[FailureView]:
        return self.query_one(CauseTable).chosen if self.view.kind == "causes" else ()

    @on(BulkLine.Opened)
    def _open_bulk(self, event: BulkLine.Opened) -> None:
        event.stop()
        self.show_view(RunsView("all", f"bulk:{event.bulk}"))

    # -- leaving things ---------------------------------------------------------------------------

    def step_back(self) -> bool:
        table = self.query_one(RunTable)
        if self.console.close_bulk():
            return True
        if self.view.filter:
            self.show_view(replace(self.view, filter="", name=""))
        elif self.query_one(CauseTable).clear_marks():
            return True
        elif table.marks:
            table.marks = set()
        elif self.view.kind != "all":
            self.show_view(RunsView())
        else:
            return False
        return True
