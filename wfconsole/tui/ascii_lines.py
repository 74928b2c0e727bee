"""`--ascii` for all that is painted: scrollbars, ellipses and rules of Textual's own included."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.segment import Segment
from textual.app import App
from textual.color import Color
from textual.filter import LineFilter

from wfconsole.ascii_text import ascii_text

if TYPE_CHECKING:
    from wfconsole.settings import Settings


class AsciiLines(LineFilter):
    """The last look at a line before it is written; its width stays."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        return [Segment(ascii_text(text), style, control) for text, style, control in segments]


class Drawing(App[None]):
    """The part of the console about how its lines are drawn."""

    settings: Settings
    _ascii_lines = AsciiLines()

    def get_line_filters(self) -> Sequence[LineFilter]:
        found = super().get_line_filters()
        return [*found, self._ascii_lines] if self.settings.ascii else found
