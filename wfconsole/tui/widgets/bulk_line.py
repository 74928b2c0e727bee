"""The line of the bulk action under way, or of the last one: enter opens exactly its runs."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.widget import Widget

from wfconsole.safe_text import safe_text
from wfconsole.tui.bulk_work import BulkWork
from wfconsole.tui.widgets.line import line_of


class BulkLine(Widget, can_focus=True):
    """Hidden while there is none."""

    DEFAULT_CSS = """
    BulkLine { height: 1; width: 1fr; display: none; background: $bar; }
    BulkLine:focus { background: $cursor-row; text-style: bold; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "open", show=False)]

    class Opened(Message):
        """The runs of this bulk action are wanted."""

        def __init__(self, bulk: str) -> None:
            super().__init__()
            self.bulk = bulk

    def __init__(self) -> None:
        super().__init__(id="bulk-line")
        self._content = Content("")
        self._bulk = ""

    def tell(self, work: BulkWork | None) -> None:
        self.display = work is not None
        if work is not None:
            self._bulk = work.id
            report = work.report
            style = "$status-running" if report is None else "$status-failed" if report.failed else "$status-ok"
            content = line_of((f" {safe_text(work.line, limit=200)}", style))
            if content != self._content:
                self._content = content
                self.refresh()

    def render(self) -> Content:
        return self._content

    def action_open(self) -> None:
        self.post_message(self.Opened(self._bulk))

    def on_click(self, event: events.Click) -> None:
        event.stop()
        self.action_open()
