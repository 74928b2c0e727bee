"""Two runs, or two attempts of a stage, side by side."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen

from wfconsole.run_diff import Diff, diff_lines
from wfconsole.safe_text import safe_text
from wfconsole.tui.files import save
from wfconsole.tui.screens.pager import PagerScreen
from wfconsole.tui.widgets.diff_list import DiffList, lines_of
from wfconsole.tui.widgets.line import Line, keys_of, line_of
from wfconsole.tui.widgets.line_list import LineList


class DiffScreen(ModalScreen[None]):
    """`enter` shows both sides of a line whole, `=` the lines that are equal too, `e` keeps the differences."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,d", "dismiss", show=False),
        Binding("equals_sign", "equal", show=False),
        Binding("e", "save", show=False),
    ]

    def __init__(self, diff: Diff, *, ascii_only: bool = False) -> None:
        super().__init__()
        self.diff, self._ascii_only = diff, ascii_only
        self._all = False

    def compose(self) -> ComposeResult:
        with Vertical(id="pager"):
            yield Line(id="pager-title")
            yield DiffList(id="diff", ascii_only=self._ascii_only)
            yield Line(id="pager-note")

    def on_mount(self) -> None:
        number = self.diff.differences
        told = "nothing differs" if not number else f"{number} difference{'' if number == 1 else 's'}"
        names = f"{self.diff.left}  /  {self.diff.right}"
        title = line_of((safe_text(names, limit=200), "bold"), (f"   {told}", "$quiet"))
        self.query_one("#pager-title", Line).show(title)
        lines = self.query_one(DiffList)
        lines.name_sides(self.diff.left, self.diff.right)
        lines.focus()
        self._show()

    def _show(self) -> None:
        self.query_one(DiffList).tell(lines_of(self.diff, all_rows=self._all))
        self._note()

    def _note(self, said: str = "", style: str = "$quiet") -> None:
        if said:
            self.query_one("#pager-note", Line).show(line_of((safe_text(said, limit=300), style)))
            return
        what = "hides" if self._all else "shows"
        keys = (("escape", "close"), ("enter", "read both"), ("=", f"{what} what is equal"), ("e", "save"))
        line = self.query_one("#pager-note", Line)
        parts = keys_of(keys, line.size.width)
        marks = (("*", "mark", "other"), ("+", "status-ok", "better"), ("!", "status-failed", "worse"))
        legend = [part for sign, name, word in marks for part in ((f"  {sign}", f"${name}"), (f" {word}", "$quiet"))]
        whole = line_of(*parts, *legend)
        line.show(whole if whole.cell_length <= line.size.width else line_of(*parts))

    def on_resize(self) -> None:
        self.call_after_refresh(self._note)

    @on(LineList.Opened, "#diff")
    def _opened(self, event: LineList.Opened) -> None:
        event.stop()
        line = self.query_one(DiffList).cursor_item
        if line is None or line.row is None:
            return
        row, rule = line.row, "-" if self._ascii_only else "─"
        left, right = (whole or shown for whole, shown in zip(row.whole, (row.left, row.right), strict=True))
        sides = ((self.diff.left, left), (self.diff.right, right))
        text = "\n".join(f"{rule * 3} {name} {rule * 30}\n{value}\n" for name, value in sides)
        self.app.push_screen(PagerScreen(f"{line.title} {row.label}".rstrip(), text))

    def action_equal(self) -> None:
        self._all = not self._all
        self._show()

    def action_save(self) -> None:
        name = f"diff {self.diff.left} {self.diff.right}.txt"
        try:
            path = save(name, "\n".join(diff_lines(self.diff)).encode("utf-8", "surrogatepass"))
        except OSError as error:
            self._note(f"not saved: {error.strerror or error}", "$status-failed")
        else:
            self._note(f"saved: {path}", "$status-ok")
