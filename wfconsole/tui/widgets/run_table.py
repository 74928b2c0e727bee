"""The run table: one line at a time, so that a changed cell costs one line and 100,000 rows cost nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING, ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.strip import Strip

from wfconsole.formatting import TimeMode, state_of
from wfconsole.safe_text import safe_lines
from wfconsole.tui.layout import run_columns
from wfconsole.tui.layout.run_list import RunList
from wfconsole.tui.widgets.run_painter import RowLook, RunPainter
from wfconsole.tui.widgets.scrolling import Scrolling

if TYPE_CHECKING:
    from engine.inspector.views import RunSummary

HEADER = 1
NEAR_END = 50


class RunTable(Scrolling, can_focus=True):
    """Runs as rows under a fixed heading; the cursor and the marks belong to run ids.

    While the cursor is at the top new rows come in above it and push it down; once it was moved, or would
    leave the screen, they are held back until `take_held`.
    """

    DEFAULT_CSS = """
    RunTable { overflow-x: hidden; overflow-y: auto; scrollbar-size-vertical: 1; }
    RunTable > .run-table--header { color: $text-muted; text-style: bold; }
    RunTable > .run-table--cursor { background: $boost; }
    RunTable:focus > .run-table--cursor { background: $block-cursor-blurred-background; text-style: bold; }
    RunTable > .run-table--mark { color: $accent; text-style: bold; }
    RunTable > .run-table--dim { color: $text-muted; }
    """
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "run-table--header",
        "run-table--cursor",
        "run-table--mark",
        "run-table--dim",
    }
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j,down", "move(1)", "Down", show=False, id="runs.down"),
        Binding("k,up", "move(-1)", "Up", show=False, id="runs.up"),
        Binding("ctrl+d", "half_page(1)", "Half a page down", show=False, id="runs.half_down"),
        Binding("ctrl+u", "half_page(-1)", "Half a page up", show=False, id="runs.half_up"),
        Binding("pagedown", "page(1)", "Page down", show=False, id="runs.page_down"),
        Binding("pageup", "page(-1)", "Page up", show=False, id="runs.page_up"),
        Binding("g,home", "first", "First", show=False, id="runs.first"),
        Binding("G,end", "last", "Last", show=False, id="runs.last"),
        Binding("enter", "open", "Open", show=False, id="runs.open"),
        Binding("space", "mark", "Mark", show=False, id="runs.mark"),
    ]

    class Opened(Message):
        """The run of the cursor line was opened."""

        def __init__(self, run_id: str) -> None:
            self.run_id = run_id
            super().__init__()

    class CursorMoved(Message):
        """The cursor stands on another run; None when there is none."""

        def __init__(self, run_id: str | None) -> None:
            self.run_id = run_id
            super().__init__()

    class MarksChanged(Message):
        """The marks, all of them."""

        def __init__(self, marks: frozenset[str]) -> None:
            self.marks = marks
            super().__init__()

    class HeldChanged(Message):
        """How many new rows are held back."""

        def __init__(self, held: int) -> None:
            self.held = held
            super().__init__()

    class NearEnd(Message):
        """The cursor is within 50 rows of the end of what is loaded, and there is more to load."""

    def __init__(
        self,
        *,
        id: str | None = None,
        classes: str | None = None,
        ascii_only: bool = False,
    ) -> None:
        super().__init__(id=id, classes=classes)
        self.ascii_only = ascii_only
        self.empty_text = ""
        """Shown in place of rows when there are none: why, and the next key."""
        self._list = RunList()
        self._now = datetime.now(UTC)
        self._zone: tzinfo | None = None
        self._mode: TimeMode = "relative"
        self._has_more = False
        self._reasons: Mapping[str, str] | None = None
        self._live_top = True
        self._touched = False
        self._ticked_at = self._now
        self._last_marked: str | None = None
        self._wanted: str | None = None
        self._columns: tuple[run_columns.Column, ...] = ()
        self._painter = RunPainter(self)
        self._painted: dict[int, RowLook | None] = {}
        self._announced: tuple[str | None, int] = (None, 0)
        self._asked_at = -1

    # -- what it shows ---------------------------------------------------------------------------

    @property
    def cursor_id(self) -> str | None:
        """The run the cursor stands on."""
        return self._list.cursor_id

    @cursor_id.setter
    def cursor_id(self, run_id: str | None) -> None:
        place = self._list.place_of(run_id)
        if place is not None:
            self.move_cursor(place)

    def want_cursor(self, run_id: str | None) -> None:
        """Put the cursor on this run as soon as it is among the rows."""
        self._wanted = run_id
        self.cursor_id = run_id

    @property
    def cursor_run(self) -> RunSummary | None:
        """The run of the cursor line as last set."""
        place = self._list.cursor
        return None if place is None else self._list[place]

    @property
    def held(self) -> int:
        """New rows held back."""
        return self._list.held

    @property
    def row_count(self) -> int:
        """Rows loaded and shown."""
        return len(self._list)

    @property
    def marks(self) -> set[str]:
        """Ids of the marked runs, those not loaded now included. Assign to change them."""
        return set(self._list.marks)

    @marks.setter
    def marks(self, run_ids: Iterable[str]) -> None:
        self._list.marks = set(run_ids)
        self._marked()

    @property
    def marks_elsewhere(self) -> list[str]:
        """Marked runs that are not among the rows."""
        return sorted(run_id for run_id in self._list.marks if self._list.place_of(run_id) is None)

    def mark_to_cursor(self) -> None:
        """Mark from the run marked last to the cursor's; only that one where none was marked."""
        if self.cursor_id is not None:
            self._list.mark(self._list.between(self._last_marked or self.cursor_id, self.cursor_id) or [self.cursor_id])
            self._last_marked = self.cursor_id
            self._marked()

    def invert_marks(self) -> None:
        """Mark the loaded runs that are not marked, unmark those that are."""
        self._list.invert()
        self._marked()

    @property
    def rows(self) -> list[RunSummary]:
        """What is loaded and shown, in its order."""
        return [self._list[place] for place in range(len(self._list))]

    def row(self, run_id: str) -> RunSummary | None:
        """A loaded run as last set."""
        place = self._list.place_of(run_id)
        return None if place is None else self._list[place]

    def set_rows(self, rows: Sequence[RunSummary], *, now: datetime, has_more: bool, fresh: bool = False) -> None:
        """Show `rows`, in their order, as of `now`. Only lines that look different are painted again.

        `fresh`: the answer to another question (filter or sort), so that nothing in it counts as newly come.
        """
        self._now, self._has_more = now, has_more
        at_top = fresh or (self._live_top and self.scroll_offset.y == 0)
        anchor, line = self._anchor()
        hold = bool(self.row_count) and not (at_top and (fresh or self._room_for(rows)))
        self._list.replace(rows, hold=hold)
        if at_top and not hold:
            if not self._touched and (self._list.cursor or 0) >= self._visible > 0:
                self._list.move_to(0)
            self._settle(0)
        else:
            place = self._list.place_of(anchor)
            self._settle(self.scroll_offset.y if place is None else place - line)
        if self._wanted is not None and self._list.place_of(self._wanted) is not None:
            self.cursor_id, self._wanted = self._wanted, None
        if fresh:
            self._live_top = (self._list.cursor or 0) == 0
            self._show_cursor()

    def take_held(self) -> None:
        """Show the rows held back, from the top; the cursor stays on its run if that is still in sight."""
        self._list.take_held()
        self._live_top = True
        if (self._list.cursor or 0) >= self._visible > 0:
            self._list.move_to(0)
        self._settle(0)

    def tick(self, now: datetime) -> None:
        """Time went on: paint again the lines whose age or duration reads differently."""
        top = self.scroll_offset.y
        shown = self.rows[top : top + self._visible]
        if now - self._ticked_at < run_columns.SLOW and not run_columns.ages_fast(shown, now, self._mode):
            return
        self._now = self._ticked_at = now
        self._repaint_changed()

    def set_time(self, mode: TimeMode, zone: tzinfo | None) -> None:
        """Show times as ages, or as times of day in `zone` (None: the machine's) or UTC."""
        self._mode, self._zone = mode, zone
        self._lay_out()

    def set_sorted_by(self, column: tuple[str, bool] | None) -> None:
        """Show an arrow at this column's title: (key, descending); None for the usual order."""
        if self._painter.sorted_by != column:
            self._painter.sorted_by = column
            self.refresh(Region(0, 0, self.size.width, HEADER))

    def set_reasons(self, reasons: Mapping[str, str] | None) -> None:
        """Say why each run is listed, by its id, with the next `set_rows`; None takes that column away."""
        other, self._reasons = (reasons is None) != (self._reasons is None), reasons
        if other:
            self._lay_out()

    # -- moving ----------------------------------------------------------------------------------

    def move_cursor(self, place: int) -> None:
        """Put the cursor on the row at `place` (from 0), kept within the list, and scroll to it."""
        self._touched, self._wanted = True, None
        self._list.move_to(place)
        self._live_top = self._list.cursor in (0, None)
        self._show_cursor()
        self._repaint_changed()
        self._announce(moved=True)

    def action_move(self, by: int) -> None:
        self.move_cursor((self._list.cursor or 0) + by)

    def action_half_page(self, by: int) -> None:
        self.action_move(by * max(1, self._visible // 2))

    def action_page(self, by: int) -> None:
        self.action_move(by * max(1, self._visible - 1))

    def action_first(self) -> None:
        self.move_cursor(0)

    def action_last(self) -> None:
        self.move_cursor(self.row_count - 1)

    def action_open(self) -> None:
        if self.cursor_id is not None:
            self.post_message(self.Opened(self.cursor_id))

    def action_mark(self) -> None:
        """Mark or unmark the cursor's run and go on to the next."""
        if self.cursor_id is not None:
            self._list.toggle(self.cursor_id)
            self._last_marked = self.cursor_id
            self._marked()
            self.action_move(1)

    def on_click(self, event: events.Click) -> None:
        place = event.y - HEADER + self.scroll_offset.y
        if event.y >= HEADER and place < self.row_count:
            self.move_cursor(place)
            if event.chain == 2:
                self.action_open()

    # -- keeping the screen in step --------------------------------------------------------------

    @property
    def _visible(self) -> int:
        return max(0, self.size.height - HEADER)

    def _room_for(self, rows: Sequence[RunSummary]) -> bool:
        """Whether the cursor stays on the screen when the new ones among `rows` come in above it."""
        if not self._touched or self.cursor_id is None:
            return True
        place = next((at for at, row in enumerate(rows) if row.id == self.cursor_id), 0)
        return place < self._visible

    def _anchor(self) -> tuple[str | None, int]:
        """The row that must not move on the screen, and its line: the cursor's, else the first in sight."""
        top, place = self.scroll_offset.y, self._list.cursor
        if place is not None and top <= place < top + max(self._visible, 1):
            return self.cursor_id, place - top
        return (self._list[top].id, 0) if top < self.row_count else (None, 0)

    def _settle(self, top: int) -> None:
        self.virtual_size = Size(self.size.width, self.row_count + HEADER)
        if self.is_attached:
            self.scroll_to(y=max(0, top), animate=False, force=True)
        self._repaint_changed()
        self._announce(moved=False)

    def _show_cursor(self) -> None:
        place, top = self._list.cursor, self.scroll_offset.y
        if place is None or not self._visible:
            return
        if place < top:
            self.scroll_to(y=place, animate=False, force=True)
        elif place >= top + self._visible:
            self.scroll_to(y=place - self._visible + 1, animate=False, force=True)

    def _marked(self) -> None:
        self._repaint_changed()
        self.post_message(self.MarksChanged(frozenset(self._list.marks)))

    def _announce(self, *, moved: bool) -> None:
        cursor, held = self._announced
        self._announced = (self.cursor_id, self.held)
        if self.cursor_id != cursor:
            self.post_message(self.CursorMoved(self.cursor_id))
        if self.held != held:
            self.post_message(self.HeldChanged(self.held))
        near = (self._list.cursor or 0) >= self.row_count - NEAR_END
        if self._has_more and near and (moved or self.row_count != self._asked_at):
            self._asked_at = self.row_count
            self.post_message(self.NearEnd())

    def _repaint_changed(self) -> None:
        for line in range(HEADER, self.size.height):
            if line in self._painted and self._painted[line] != self._look(line):
                self.refresh(Region(0, line, self.size.width, 1))

    def _lay_out(self) -> None:
        self._columns = run_columns.fitting(self.size.width, self._mode, why=self._reasons is not None)
        self._painter.lay_out(self._columns, self.size.width, ascii_only=self.ascii_only)
        self._painted.clear()
        self.refresh()

    def on_resize(self) -> None:
        self._lay_out()
        self.virtual_size = Size(self.size.width, self.row_count + HEADER)
        self._show_cursor()

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._painter.forget_theme()

    # -- painting --------------------------------------------------------------------------------

    def _look(self, line: int) -> RowLook | None:
        """What a screen line has to look like; None where there is no row."""
        place = line - HEADER + self.scroll_offset.y
        if place >= self.row_count:
            return None
        row = self._list[place]
        why = (self._reasons or {}).get(row.id, "")
        cells = run_columns.cells(row, self._now, self._zone, self._mode, ascii_only=self.ascii_only, why=why)
        return RowLook(
            run_id=row.id,
            cells=tuple(cells[column.key] for column in self._columns),
            state=state_of(row),
            is_cursor=row.id == self.cursor_id,
            is_marked=row.id in self._list.marks,
            focused=self.has_focus,
        )

    def render_line(self, y: int) -> Strip:
        if y < HEADER:
            return self._painter.heading()
        look = self._painted[y] = self._look(y)
        return self._note(y) if look is None else self._painter.row(look)

    def _note(self, y: int) -> Strip:
        lines = safe_lines(self.empty_text) if self.empty_text and not self.row_count else []
        # One line is left free below the heading.
        at = y - HEADER - 1
        return self._painter.note(lines[at] if 0 <= at < len(lines) else "")
