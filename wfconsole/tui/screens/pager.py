"""A long text over the place it was opened in: with search, and a way to keep it as a file."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input

from wfconsole import formatting
from wfconsole.safe_text import safe_text
from wfconsole.tui.files import save
from wfconsole.tui.widgets.filter_bar import PRINTABLE
from wfconsole.tui.widgets.line import Line, keys_of, line_of
from wfconsole.tui.widgets.text_pager import TextPager

_KEYS = (("escape", "close"), ("/", "search"), ("n N", "next, previous"), ("e", "save"))


class PagerScreen(ModalScreen[None]):
    """Shows `text`; `e` writes it to a new file named after the title, `content` instead where there is one."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "close", show=False),
        Binding("slash", "search", show=False),
        Binding("e", "save", show=False),
        Binding("y", "copy", show=False),
    ]

    def __init__(self, title: str, text: str, *, content: bytes | None = None, file_name: str | None = None) -> None:
        super().__init__()
        self._title, self._text = title, text
        self._content, self._file_name = content, file_name
        self._shown_size = formatting.size(len(text.encode("utf-8", "replace")))

    def compose(self) -> ComposeResult:
        with Vertical(id="pager"):
            yield Line(id="pager-title")
            yield TextPager(id="pager-text")
            yield Input(id="pager-search", placeholder="search", restrict=PRINTABLE, compact=True, max_length=200)
            yield Line(id="pager-note")

    def on_mount(self) -> None:
        self.query_one(TextPager).show(self._text)
        self.query_one("#pager-search").display = False
        self.watch(self.query_one(TextPager), "scroll_y", self._say, init=False)
        self.query_one(TextPager).focus()
        self._note("")

    @on(TextPager.Wrapped)
    def _more(self, event: TextPager.Wrapped) -> None:
        event.stop()
        self._say()

    def _say(self, *_: object) -> None:
        first, lines = self.query_one(TextPager).place
        shown = f"  {self._shown_size}, line {formatting.count(first)} of {formatting.count(lines)}"
        self.query_one("#pager-title", Line).show(
            line_of((safe_text(self._title, limit=100), "bold"), (shown, "$quiet"))
        )

    def _note(self, text: str, style: str = "$quiet") -> None:
        if text:
            self.query_one("#pager-note", Line).show(line_of((safe_text(text, limit=300), style)))
            return
        line = self.query_one("#pager-note", Line)
        line.show(line_of(*keys_of(_KEYS, line.size.width)))

    def on_resize(self) -> None:
        self.call_after_refresh(self._note, "")

    def action_search(self) -> None:
        field = self.query_one("#pager-search", Input)
        field.display = True
        field.focus()

    @on(Input.Submitted, "#pager-search")
    def _searched(self, event: Input.Submitted) -> None:
        event.stop()
        event.input.display = False
        pager = self.query_one(TextPager)
        pager.focus()
        if not pager.find(event.value):
            self._note(f"nothing holds {event.value!r}", "$status-retrying")

    def action_close(self) -> None:
        field, pager = self.query_one("#pager-search", Input), self.query_one(TextPager)
        if field.display and field.has_focus:
            field.display = False
            pager.focus()
        elif pager.search:
            pager.find("")
            self._note("")
        else:
            self.dismiss()

    def action_save(self) -> None:
        content = self._content if self._content is not None else self._text.encode("utf-8", "surrogatepass")
        try:
            path = save(self._file_name or f"{self._title}.txt", content)
        except OSError as error:
            self._note(f"not saved: {error.strerror or error}", "$status-failed")
        else:
            self._note(f"saved: {path}", "$status-ok")

    def action_copy(self) -> None:
        self.app.copy_to_clipboard(self._text)
        self._note("sent to the terminal's clipboard")
