"""Scrolling that follows the end of growing content until the reader scrolls up."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message

from wfconsole.tui.widgets.scrolling import Scrolling


class TailView(Scrolling, can_focus=True):
    """Follows its end. Any scroll up pauses; `follow`, or scrolling down to the end, goes on."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j,down", "move(1)", "Down", show=False, id="logs.down"),
        Binding("k,up", "move(-1)", "Up", show=False, id="logs.up"),
        Binding("ctrl+d", "half_page(1)", "Half a page down", show=False, id="logs.half_down"),
        Binding("ctrl+u", "half_page(-1)", "Half a page up", show=False, id="logs.half_up"),
        Binding("pagedown", "page(1)", "Page down", show=False, id="logs.page_down"),
        Binding("pageup", "page(-1)", "Page up", show=False, id="logs.page_up"),
        Binding("g,home", "first", "Oldest", show=False, id="logs.first"),
        Binding("G,end", "follow", "Newest", show=False, id="logs.last"),
        Binding("f", "toggle_follow", "Follow", show=False, id="logs.follow"),
    ]

    class FollowChanged(Message, namespace="log_view"):
        """Following began or ended, or the number of unseen lines below changed."""

        def __init__(self, following: bool, pending_below: int) -> None:
            self.following, self.pending_below = following, pending_below
            super().__init__()

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._following = True
        self._pending = 0
        self._told = (True, 0)
        self._moving_itself = False

    @property
    def following(self) -> bool:
        """The view stays at the end as lines come."""
        return self._following

    @following.setter
    def following(self, following: bool) -> None:
        if following:
            self.follow()
        else:
            self.pause()

    @property
    def pending_below(self) -> int:
        """Lines that came since the view was paused."""
        return self._pending

    def follow(self) -> None:
        """Go to the end and stay there."""
        self._following, self._pending = True, 0
        with self.own_scrolling():
            self.scroll_to_end()
        self._tell()

    def pause(self) -> None:
        """Stay here while lines come."""
        self._following = False
        self._tell()

    def count_unseen(self, lines: int) -> None:
        """`lines` more stand below, unseen unless the view follows."""
        self._pending = 0 if self._following else self._pending + lines
        self._tell()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        if self._moving_itself or round(old_value) == round(new_value):
            return
        at_end = round(new_value) >= self.max_scroll_y
        if new_value < old_value and not at_end and self._following:
            self.pause()
        elif new_value > old_value and at_end and not self._following:
            self.follow()

    def _tell(self) -> None:
        now = (self._following, self._pending)
        if now != self._told:
            self._told = now
            self.post_message(self.FollowChanged(*now))

    @contextmanager
    def own_scrolling(self) -> Iterator[None]:
        """Scrolling in here is not the reader's: it neither pauses nor follows."""
        before, self._moving_itself = self._moving_itself, True
        try:
            yield
        finally:
            self._moving_itself = before

    def scroll_to_row(self, row: int) -> None:
        """Put a row on top, at once; kept within the content."""
        if self.is_attached:
            self.scroll_to(y=max(0, row), animate=False, force=True)

    def scroll_to_end(self) -> None:
        """Put the last row at the bottom, at once."""
        self.scroll_to_row(self.max_scroll_y)

    def action_move(self, by: int) -> None:
        self.scroll_to_row(self.scroll_offset.y + by)

    def action_half_page(self, by: int) -> None:
        self.action_move(by * max(1, self.size.height // 2))

    def action_page(self, by: int) -> None:
        self.action_move(by * max(1, self.size.height - 1))

    def action_first(self) -> None:
        self.scroll_to_row(0)

    def action_follow(self) -> None:
        self.follow()

    def action_toggle_follow(self) -> None:
        self.following = not self.following
