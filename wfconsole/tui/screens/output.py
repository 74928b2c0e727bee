"""Text to read in full: what a command printed, a report."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

from rich.segment import Segment
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.geometry import Size
from textual.screen import ModalScreen
from textual.strip import Strip

from wfconsole.safe_text import safe_lines, safe_text
from wfconsole.tui.widgets.line import Line, line_of
from wfconsole.tui.widgets.scrolling import Scrolling

if TYPE_CHECKING:
    from wfconsole.tui.app import WorkflowConsole

LONGEST = 4_000
"""Characters of a line that are shown."""


class OutputView(Scrolling, can_focus=True):
    """Lines of safe text, painted as they come into sight."""

    DEFAULT_CSS = "OutputView { height: 1fr; background: $background; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j,down", "scroll_down", show=False),
        Binding("k,up", "scroll_up", show=False),
        Binding("h,left", "scroll_left", show=False),
        Binding("l,right", "scroll_right", show=False),
        Binding("ctrl+d,pagedown,space", "page_down", show=False),
        Binding("ctrl+u,pageup", "page_up", show=False),
        Binding("g,home", "scroll_home", show=False),
        Binding("G,end", "scroll_end", show=False),
    ]

    def __init__(self, text: str) -> None:
        super().__init__(id="output")
        self._lines = [line[:LONGEST] for line in safe_lines(text)]

    def on_mount(self) -> None:
        self.virtual_size = Size(max(map(len, self._lines), default=0) + 1, len(self._lines))

    def render_line(self, y: int) -> Strip:
        left, top = self.scroll_offset
        text = self._lines[top + y] if top + y < len(self._lines) else ""
        strip = Strip([Segment(text, self.rich_style)])
        return strip.crop_extend(left, left + self.size.width, self.rich_style)


class OutputScreen(ModalScreen[None]):
    """Closes on escape or q; y copies all of it, e writes it to a file."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,enter", "dismiss", show=False),
        Binding("y", "copy", show=False),
        Binding("e", "export", show=False),
    ]

    def __init__(self, title: str, text: str) -> None:
        super().__init__()
        self._title, self._text = title, text

    def compose(self) -> ComposeResult:
        with Vertical(id="output-box"):
            yield Line(id="output-title")
            yield OutputView(self._text)
            yield Line(id="output-keys")

    def on_mount(self) -> None:
        self.query_one("#output-title", Line).show(line_of((f" {safe_text(self._title, limit=300)}", "bold")))
        keys = (("escape", "close"), ("y", "copy"), ("e", "export"))
        parts = [part for key, word in keys for part in ((f" {key}", "bold $primary"), (f" {word}  ", "$quiet"))]
        self.query_one("#output-keys", Line).show(line_of(*parts))

    @property
    def console(self) -> WorkflowConsole:
        return cast("WorkflowConsole", self.app)

    def action_copy(self) -> None:
        self.run_worker(self.console.copy(self._text), group="copy")

    def action_export(self) -> None:
        self.console.export("wfconsole-output", ".txt", self._text)
