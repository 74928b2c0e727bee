"""Where a scrollbar stands."""

from __future__ import annotations

from textual.app import App, ComposeResult
from textual.geometry import Size
from textual.strip import Strip

from wfconsole.tui.widgets.scrolling import Scrolling


class Lines(Scrolling):
    DEFAULT_CSS = "Lines { overflow-y: auto; }"

    def render_line(self, y: int) -> Strip:
        return Strip.blank(self.size.width)


class Holder(App[None]):
    def compose(self) -> ComposeResult:
        yield Lines()


async def test_a_bar_that_comes_after_the_list_was_scrolled_stands_where_the_list_does() -> None:
    app = Holder()
    async with app.run_test(size=(40, 10)) as pilot:
        lines = app.query_one(Lines)
        assert not lines.show_vertical_scrollbar
        # As a list does that is filled and goes to its end in one breath, before anything was laid out again.
        lines.set_reactive(Lines.virtual_size, Size(40, 100))
        lines.scroll_to(y=90, animate=False, force=True, immediate=True)
        assert not lines.show_vertical_scrollbar
        lines.refresh(layout=True)
        await pilot.pause()
        assert lines.show_vertical_scrollbar
        assert lines.vertical_scrollbar.position == lines.scroll_y == 90
