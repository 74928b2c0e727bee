"""The Timeline tab: when each attempt waited, ran, and backed off."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.message import Message

from wfconsole import formatting
from wfconsole.tui.files import save
from wfconsole.tui.layout.timeline import legend
from wfconsole.tui.panes.pane import RunLook, RunPane
from wfconsole.tui.widgets.line import Line, Part, Text, line_of
from wfconsole.tui.widgets.line_list import LineList
from wfconsole.tui.widgets.stage_facts import attempt_content
from wfconsole.tui.widgets.timeline_view import TimelineView

if TYPE_CHECKING:
    from collections.abc import Callable

    from wfconsole.gateway import Gateway


class TimelinePane(RunPane):
    """`#timeline`, the facts of the attempt under its cursor, and what the signs mean."""

    WANTS_EVENTS = True
    MAIN: ClassVar[str] = "#timeline"

    class Opened(Message):
        """An attempt was opened."""

        def __init__(self, stage_id: str, attempt: int) -> None:
            super().__init__()
            self.stage_id, self.attempt = stage_id, attempt

    def __init__(self, run_id: str, source: Callable[[], Gateway], *, ascii_only: bool) -> None:
        super().__init__(run_id, source, ascii_only=ascii_only)
        self._look: RunLook | None = None
        self._wanted: str | None = None

    def compose(self) -> ComposeResult:
        yield TimelineView(id="timeline", ascii_only=self.ascii_only)
        yield Text(id="timeline-facts")
        yield Line(id="timeline-legend")

    @property
    def view(self) -> TimelineView:
        return self.query_one(TimelineView)

    def paint(self, look: RunLook) -> None:
        self._look = look
        self.view.show(look.run, look.events, look.now)
        self._settle()
        self._say()

    def _say(self) -> None:
        view, drawn = self.view, self.view.drawn
        parts: list[Part | str] = [" "]
        parts += [(text, style if style.startswith("$") else f"${style}") for text, style in legend(self.ascii_only)]
        parts.append(("   z ", "bold $primary"))
        parts.append(("draws idle time out" if view.fold else "folds idle time", "$quiet"))
        if drawn is not None and drawn.folded:
            parts.append((f"   {formatting.duration(drawn.folded.total_seconds() * 1000)} folded", "$quiet"))
        self.query_one("#timeline-legend", Line).show(line_of(*parts))
        place = view.cursor_item
        if self._look is not None and place is not None:
            facts = attempt_content(self._look.run, *place, self._look.now, self.ascii_only)
            self.query_one("#timeline-facts", Text).show(facts)

    @on(LineList.Moved, "#timeline")
    def _moved(self, event: LineList.Moved) -> None:
        event.stop()
        if event.key is not None:
            # The first rows come when there is room to draw them.
            self._settle()
            self._wanted = None
        self._say()

    @on(LineList.Opened, "#timeline")
    def _opened(self, event: LineList.Opened) -> None:
        event.stop()
        place = self.view.cursor_item
        if place is not None:
            self.post_message(self.Opened(*place))

    def toggle_fold(self) -> None:
        self.view.toggle_fold()
        self._say()

    def focus_stage(self, stage_id: str) -> None:
        self._wanted = stage_id
        self._settle()

    def _settle(self) -> None:
        """Go to the stage the reader comes from, once it has a row, unless the reader went elsewhere by then."""
        wanted = self._wanted
        places = [place for place in self.view.items if place[0] == wanted]
        if not places:
            return
        self._wanted = None
        if self.stage_under_cursor() != wanted:
            self.view.cursor_key = self.view.key_of(places[-1])

    def stage_under_cursor(self) -> str | None:
        place = self.view.cursor_item
        return place[0] if place is not None else None

    def attempt_under_cursor(self) -> tuple[str, int] | None:
        return self.view.cursor_item

    async def export(self) -> str | None:
        drawn = self.view.drawn
        if drawn is None or not drawn.rows:
            return None
        lines = ["".join(text for text, _ in spans).rstrip() for spans in (drawn.axis, *drawn.rows)]
        return str(save(f"{self.run_id[:8]}-timeline.txt", "\n".join([*lines, ""]).encode()))
