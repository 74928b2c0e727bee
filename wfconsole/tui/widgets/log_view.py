"""The log tail: a bounded ring of lines, painted one by one; only rows lately on screen are kept rendered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import tzinfo
from typing import TYPE_CHECKING, ClassVar

from rich.cells import cell_len
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.selection import Selection
from textual.strip import Strip

from engine.model.status import LogLevel
from wfconsole.formatting import TimeMode
from wfconsole.safe_text import safe_lines
from wfconsole.tui.layout.cells import clip
from wfconsole.tui.layout.log_filter import LogFilter
from wfconsole.tui.layout.log_lines import LogLook, length, source
from wfconsole.tui.layout.log_query import LogQuery
from wfconsole.tui.layout.log_ring import MAX_BYTES, MAX_LINES, LogRing
from wfconsole.tui.widgets.log_painter import LogPainter
from wfconsole.tui.widgets.tail_view import TailView

if TYPE_CHECKING:
    from engine.inspector.views import LogLine

SIDE_STEP = 16
WIDEST = 4_096
_GOES_ON = [("…", "time")]


class LogView(TailView):
    """A log that follows its end until it is scrolled up; `G` follows again.

    Lines come in order of time. What `min_level`, `stage` or `only_matching` exclude is kept but not shown.
    """

    DEFAULT_CSS = """
    LogView { overflow: auto auto; scrollbar-size-vertical: 1; scrollbar-size-horizontal: 0; }
    LogView > .log-view--dim { color: $text-muted; }
    LogView > .log-view--source { color: $accent; }
    LogView > .log-view--match { background: $warning 40%; }
    LogView > .log-view--current { background: $warning; color: $background; text-style: bold; }
    """
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "log-view--dim",
        "log-view--source",
        "log-view--match",
        "log-view--current",
    }
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("h,left", "aside(-1)", "Left", show=False, id="logs.left"),
        Binding("l,right", "aside(1)", "Right", show=False, id="logs.right"),
        Binding("w", "toggle_wrap", "Wrap", show=False, id="logs.wrap"),
        Binding("n", "next_match", "Next match", show=False, id="logs.next"),
        Binding("N", "previous_match", "Previous match", show=False, id="logs.previous"),
    ]

    def __init__(
        self,
        *,
        id: str | None = None,
        classes: str | None = None,
        max_lines: int = MAX_LINES,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        super().__init__(id=id, classes=classes)
        self.empty_text = ""
        """Shown when there are no lines: why, and the next key."""
        self._look = LogLook()
        self._filter = LogFilter()
        self._match_id: str | None = None
        self._ring = LogRing(
            self._filter.wanted,
            lambda line: self._look.height(line),
            max_lines=max_lines,
            max_bytes=max_bytes,
        )
        self._widest = 0
        self._painter = LogPainter(self)

    # -- lines in ----------------------------------------------------------------------------------

    def append(self, lines: Sequence[LogLine]) -> None:
        """Add newer lines, best in batches. The view stays at the end while it follows, else where it is."""
        if not lines:
            return
        rows, top = self._ring.rows, self.scroll_offset.y
        with self.own_scrolling():
            self._grow_columns(lines)
            added, left = self._ring.extend(lines)
            self._resize_content()
            if self.following:
                self.scroll_to_end()
            elif left:
                self.scroll_to_row(top - left)
        self.count_unseen(added)
        if left:
            self.refresh()
        elif self.scroll_offset.y == top and added:
            self._refresh_from(rows)

    def prepend(self, lines: Sequence[LogLine]) -> None:
        """Add an older page; the lines on the screen stay where they are."""
        top = self.scroll_offset.y
        with self.own_scrolling():
            self._grow_columns(lines)
            came = self._ring.prepend(lines)
            self._after_change(top + came)

    def clear(self) -> None:
        """Forget all lines and follow what comes."""
        self._ring.clear()
        self._widest = 0
        self._match_id = None
        self.follow()
        self._after_change(0)

    # -- what is shown -----------------------------------------------------------------------------

    @property
    def line_count(self) -> int:
        """Lines that pass the filters."""
        return self._ring.shown

    @property
    def kept(self) -> int:
        """Lines in the ring, shown or not."""
        return len(self._ring)

    def shown_lines(self) -> list[LogLine]:
        """The lines that pass the filters, oldest first: what an export writes."""
        return list(self._ring.lines())

    @property
    def current_line(self) -> LogLine | None:
        """The found line, else the last one on the screen: what a copy takes."""
        if not self._ring.rows:
            return None
        found = None if self._match_id is None else self._ring.index_of(self._match_id)
        if found is not None:
            return self._ring.line(found)
        row = min(self.scroll_offset.y + max(self.size.height, 1), self._ring.rows) - 1
        return self._ring.line(self._ring.at(row)[0])

    @property
    def min_level(self) -> LogLevel:
        return self._filter.min_level

    @min_level.setter
    def min_level(self, level: LogLevel) -> None:
        self._filter.min_level = level
        self._refilter()

    @property
    def stage(self) -> str | None:
        """Only lines of this stage, or of all for None."""
        return self._filter.stage

    @stage.setter
    def stage(self, stage_id: str | None) -> None:
        self._filter.stage = stage_id
        self._refilter()

    @property
    def only(self) -> LogQuery | None:
        """Only lines it wants; None for all."""
        return self._filter.query

    @only.setter
    def only(self, query: LogQuery | None) -> None:
        self._filter.query = query
        self._refilter()

    @property
    def search(self) -> str:
        """Text to find, literally and in any case; empty for none."""
        return self._filter.search

    @search.setter
    def search(self, text: str) -> None:
        self._filter.search, self._match_id = text, None
        if self._filter.only_matching:
            self._refilter()
        self._painter.forget()
        self.refresh()

    @property
    def only_matching(self) -> bool:
        """Show only lines that hold the searched text."""
        return self._filter.only_matching

    @only_matching.setter
    def only_matching(self, only: bool) -> None:
        self._filter.only_matching = only
        self._refilter()

    @property
    def wrap(self) -> bool:
        """Break long rows at the width of the view."""
        return self._look.wrap_at is not None

    @wrap.setter
    def wrap(self, wrap: bool) -> None:
        self._relook(replace(self._look, wrap_at=max(1, self.size.width) if wrap else None))
        self.scroll_to(x=0, animate=False, force=True)

    def set_time(self, mode: TimeMode, zone: tzinfo | None) -> None:
        """Times of day in `zone` (None: the machine's) or UTC; a log has no relative times."""
        self._relook(replace(self._look, mode=mode, zone=zone))

    def show_runs(self, with_run: bool) -> None:
        """Begin every line with its run's short id: for logs of several runs."""
        self._relook(replace(self._look, with_run=with_run))

    # -- searching ---------------------------------------------------------------------------------

    def next_match(self) -> bool:
        """Go to the next newer line holding the searched text, after the last to the first; False: none."""
        return self._find(1)

    def previous_match(self) -> bool:
        """Go to the next older line holding the searched text, before the first to the last; False: none."""
        return self._find(-1)

    def _find(self, step: int) -> bool:
        total = self._ring.shown
        if not self._filter.search or not total:
            return False
        start = None if self._match_id is None else self._ring.index_of(self._match_id)
        if start is None:
            # The first look begins with what is on the screen.
            last = self._ring.rows - 1
            row = self.scroll_offset.y + (0 if step > 0 else self.size.height - 1)
            start = self._ring.at(max(0, min(row, last)))[0] - step
        found = ((start + step * far) % total for far in range(1, total + 1))
        index = next((at for at in found if self._filter.holds(self._ring.line(at))), None)
        if index is None:
            return False
        self._match_id = self._ring.line(index).id
        self.pause()
        self._painter.forget()
        with self.own_scrolling():
            row = self._ring.top(index)
            if not self.scroll_offset.y <= row < self.scroll_offset.y + self.size.height:
                self.scroll_to_row(row - self.size.height // 2)
        self.refresh()
        return True

    # -- keys --------------------------------------------------------------------------------------

    def action_aside(self, by: int) -> None:
        self.scroll_to(x=self.scroll_offset.x + by * SIDE_STEP, animate=False, force=True)

    def action_toggle_wrap(self) -> None:
        self.wrap = not self.wrap

    def action_next_match(self) -> None:
        self.next_match()

    def action_previous_match(self) -> None:
        self.previous_match()

    # -- keeping the screen in step ----------------------------------------------------------------

    def _resize_content(self) -> None:
        width = self.size.width if self.wrap else max(self.size.width, self._widest)
        self.virtual_size = Size(width, self._ring.rows)

    def _grow_columns(self, lines: Sequence[LogLine]) -> None:
        """Widen the source column and the content to what `lines` need; neither ever gets narrower."""
        sources = {(line.stage_id, line.attempt): line for line in lines}
        cells = max((cell_len(source(line)) for line in sources.values()), default=0)
        if cells > self._look.source_cells:
            self._look = replace(self._look, source_cells=cells)
            self._painter.forget()
            if self.wrap:
                self._ring.rebuild()
            self.refresh()
        text = max(map(length, lines), default=0)
        self._widest = max(self._widest, min(self._look.indent + text + 2, WIDEST))

    def _relook(self, look: LogLook) -> None:
        measured = look.wrap_at is not None or self._look.wrap_at is not None
        self._look = look
        if measured:
            self._refilter()
        else:
            self._painter.forget()
            self.refresh()

    def _refilter(self) -> None:
        """Filter and measure again; paused, the line on top of the screen keeps its place."""
        rows, row = self._ring.rows, self.scroll_offset.y
        top = None if self.following or not rows else self._ring.line(self._ring.at(min(row, rows - 1))[0])
        self._ring.rebuild()
        self._painter.forget()
        index = None if top is None else self._ring.index_of(top.id)
        self._after_change(self.scroll_offset.y if index is None else self._ring.top(index))

    def _after_change(self, row: int) -> None:
        with self.own_scrolling():
            self._resize_content()
            if self.following:
                self.scroll_to_end()
            else:
                self.scroll_to_row(row)
        self.refresh()

    def _refresh_from(self, row: int) -> None:
        first = max(0, row - self.scroll_offset.y)
        if first < self.size.height:
            self.refresh(Region(0, first, self.size.width, self.size.height - first))

    def on_resize(self) -> None:
        if self.wrap and self._look.wrap_at != self.size.width:
            self._look = replace(self._look, wrap_at=max(1, self.size.width))
            self._refilter()
        else:
            self._after_change(self.scroll_offset.y)

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._painter.forget_theme()

    # -- painting ----------------------------------------------------------------------------------

    def render_line(self, y: int) -> Strip:
        x, top = self.scroll_offset
        row, width = y + top, self.scrollable_content_region.width
        strip = self._row(row) if row < self._ring.rows else self._blank(y)
        selection = self.text_selection
        if selection is not None:
            strip = self._painter.selected(strip, selection, row)
        goes_on = strip.cell_length > x + width > 1
        strip = strip.crop_extend(x, x + width, self._painter.plain).apply_offsets(x, row)
        return Strip.join([strip.crop(0, width - 1), self._painter.strip(_GOES_ON)]) if goes_on else strip

    def _row(self, row: int) -> Strip:
        index, part = self._ring.at(row)
        line = self._ring.line(index)
        strip = self._painter.remembered(line.id, part)
        if strip is None:
            rows = self._look.rows(line)
            self._painter.paint(line.id, rows, self._filter.search, current=line.id == self._match_id)
            strip = self._painter.remembered(line.id, part) or self._painter.strip(rows[part])
        return strip

    def _blank(self, y: int) -> Strip:
        lines = safe_lines(self.empty_text) if self.empty_text and not self._ring.rows else []
        text = f" {lines[y]}" if y < len(lines) else ""
        return self._painter.strip([(clip(text, max(0, self.size.width)), "time")])

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        rows = (row for line in self._ring.lines() for row in self._look.rows(line))
        return selection.extract("\n".join("".join(text for text, _ in row) for row in rows)), "\n"

    def selection_updated(self, selection: Selection | None) -> None:
        self.refresh()
