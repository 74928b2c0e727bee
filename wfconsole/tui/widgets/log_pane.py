"""A log with its search line: reads the tail of one run or of all, older pages on demand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message

from engine.inspector import LogLevel, LogLine, PageRequest
from wfconsole import formatting
from wfconsole.tui.layout.log_query import LogQuery
from wfconsole.tui.widgets.filter_bar import FilterBar
from wfconsole.tui.widgets.line import Part, line_of
from wfconsole.tui.widgets.log_view import LogView

if TYPE_CHECKING:
    from wfconsole.gateway import Gateway

FIRST = 500
"""Lines read when the log is opened."""

BATCH = 2_000
"""Lines read at once while it follows."""

LEVELS = tuple(LogLevel)


@dataclass(frozen=True, slots=True)
class LogBatch:
    """Lines in order of time. `full`: more wait already. `older`: the cursor of the page before the first."""

    lines: tuple[LogLine, ...]
    full: bool = False
    first: bool = False
    older: str | None = None
    after: str | None = None
    """Up to where was read, where that is not the last of the lines."""


class LogPane(Vertical):
    """`read` in the feed, `take` on the screen; it remembers up to where it has read."""

    class WantsOlder(Message):
        """The top was reached and older lines exist; answer with `read_older`."""

        def __init__(self, cursor: str) -> None:
            super().__init__()
            self.cursor = cursor

    def __init__(self, run_id: str | None, *, ascii_only: bool) -> None:
        super().__init__(id="log-pane")
        self._run_id, self._ascii_only = run_id, ascii_only
        self._after: str | None = None
        self._older: str | None = None
        self._opened = False

    def compose(self) -> ComposeResult:
        log = LogView(id="logs")
        log.empty_text = "No log lines yet."
        log.show_runs(self._run_id is None)
        yield log
        yield FilterBar(lambda _: None, "search")

    @property
    def log_view(self) -> LogView:
        return self.query_one(LogView)

    def on_mount(self) -> None:
        self.watch(self.log_view, "scroll_y", self._at_the_top, init=False)
        self._say()

    # -- reading ---------------------------------------------------------------------------------

    async def read(self, gateway: Gateway) -> LogBatch:
        """What came since the last `take`; the first time the newest page."""
        inspector = gateway.inspector
        if not self._opened:
            page = await inspector.logs(self._run_id, page=PageRequest(limit=FIRST))
            return LogBatch(tuple(reversed(page.items)), first=True, older=page.next_cursor)
        page = await inspector.tail_logs(self._run_id, after=self._after, limit=BATCH)
        return LogBatch(tuple(page.items), full=len(page.items) >= BATCH)

    def take(self, batch: LogBatch) -> None:
        """Show a batch that `read` gave."""
        if batch.first:
            self._opened, self._older = True, batch.older
        if batch.lines or batch.after:
            self._after = batch.after or batch.lines[-1].id
        if batch.lines:
            self.log_view.append(batch.lines)
        self._say()

    def _at_the_top(self, scroll_y: float) -> None:
        if scroll_y <= 0 and self._older is not None and not self.log_view.following:
            cursor, self._older = self._older, None
            self.post_message(self.WantsOlder(cursor))

    def keep_only(self, query: LogQuery | None) -> None:
        """Show only lines that this wants; None for all."""
        self.log_view.only = query
        self._say()

    def take_older(self) -> str | None:
        """The cursor of the page before the first, for who means to read it now; None where there is none."""
        cursor, self._older = self._older, None
        return cursor

    async def read_older(self, gateway: Gateway, cursor: str) -> None:
        """Put the page before in front of what is shown."""
        page = await gateway.inspector.logs(self._run_id, page=PageRequest(limit=FIRST, cursor=cursor))
        self._older = page.next_cursor
        self.log_view.prepend(tuple(reversed(page.items)))
        self._say()

    # -- what is said about it -------------------------------------------------------------------

    @on(LogView.FollowChanged)
    def _follow_changed(self, event: LogView.FollowChanged) -> None:
        event.stop()
        self._say()

    def _say(self) -> None:
        log = self.log_view
        if log.following:
            state: Part = ("* follow" if self._ascii_only else "● follow", "$status-ok")
        else:
            waiting = f" +{formatting.count(log.pending_below)}" if log.pending_below else ""
            state = (f"PAUSED{waiting} (G)", "$status-retrying")
        plural = "" if log.line_count == 1 else "s"
        lines = f"   level>={log.min_level.lower()}   {formatting.count(log.line_count)} line{plural}"
        self.query_one(FilterBar).note(line_of(state, (lines, "$quiet"), " "))

    # -- keys ------------------------------------------------------------------------------------

    def next_level(self) -> None:
        """The next higher least level, and round again."""
        log = self.log_view
        log.min_level = LEVELS[(LEVELS.index(log.min_level) + 1) % len(LEVELS)]
        self._say()

    def toggle_follow(self) -> None:
        log = self.log_view
        if log.following:
            log.pause()
        else:
            log.follow()

    def edit_search(self) -> None:
        self.query_one(FilterBar).edit()

    @on(FilterBar.Changed)
    def _search(self, event: FilterBar.Changed) -> None:
        event.stop()
        self.log_view.focus()
        if self.log_view.search != event.text:
            self.log_view.search = event.text
        self._say()

    def clear_search(self) -> bool:
        """Forget the search; False when there was none."""
        if not self.log_view.search:
            return False
        self.log_view.search = ""
        self.query_one(FilterBar).show("")
        self._say()
        return True
