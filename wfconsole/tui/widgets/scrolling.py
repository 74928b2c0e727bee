"""A scroll view whose bar tells the truth from its first moment on."""

from __future__ import annotations

from textual.scroll_view import ScrollView


class Scrolling(ScrollView):
    """Textual moves a bar that is shown. One that comes only after its list was scrolled would stand at the top."""

    def watch_show_vertical_scrollbar(self, shown: bool) -> None:
        if shown:
            self.vertical_scrollbar.position = self.scroll_y
