"""What all widgets share that paint their own lines and scroll them."""

from __future__ import annotations

from textual.geometry import Size
from textual.reactive import Reactive

from wfconsole.tui.widgets.scrolling import Scrolling


class LinesView(Scrolling, can_focus=True):
    """A `ScrollView` whose number of lines may change with every frame.

    Textual lays out the whole screen anew when a `virtual_size` changes; only the scrollbar depends on it.
    """

    virtual_size = Reactive(Size(0, 0))

    def watch_virtual_size(self, size: Size) -> None:
        if self.styles.is_auto_height:
            self.refresh(layout=True)
        elif self.is_attached:
            self._scroll_update(size)
