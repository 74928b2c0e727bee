"""Pictures of a run's tabs, on a frozen clock; `--snapshot-update` renews them, after a look."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from console_pilot import console, until
from run_samples import RUN, told_run
from test_console_snapshots import SIZES, Compare
from textual.pilot import Pilot

from wfconsole.tui.panes.calls import CallsPane
from wfconsole.tui.screens.dialog import Dialog
from wfconsole.tui.widgets.line_list import LineList

SEEN: dict[str, str] = {
    "timeline": "#timeline",
    "data": "#data",
    "ai": "#ai-calls",
    "events": "#events",
}


def painted(tab: str) -> Callable[[Any], bool]:
    def look(app: Any) -> bool:
        pane = app.screen.pane
        if pane is None or not pane.is_mounted or app.screen.subject() is None:
            return False
        if isinstance(pane, CallsPane):
            return bool(pane.detail.text)
        widget = pane.query_one(SEEN[tab])
        if isinstance(widget, LineList):
            # The history opens at its end.
            there = bool(widget.items) and (tab != "events" or widget.scroll_offset.y == widget.max_scroll_y)
        else:
            there = pane.stage_under_cursor() == "embed"
        return there and bool(widget.has_focus)

    return look


async def quiet(pilot: Pilot[None]) -> None:
    await until(pilot, lambda: pilot.app.feed.asking_since is None, "a quiet feed")  # type: ignore[attr-defined]
    await pilot.pause()


PICTURES = [(tab, size) for tab in SEEN for size in SIZES]


@pytest.mark.parametrize(("tab", "size"), PICTURES, ids=[f"{tab}-{size[0]}x{size[1]}" for tab, size in PICTURES])
def test_run_tab(snap_compare: Compare, tab: str, size: tuple[int, int]) -> None:
    async def before(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: painted(tab)(pilot.app), "the painted tab")
        await quiet(pilot)

    app = console(told_run(), run=RUN, tab=tab, stage="embed")
    assert snap_compare(app, terminal_size=size, run_before=before)


def test_rerun_dialog(snap_compare: Compare) -> None:
    async def before(pilot: Pilot[None]) -> None:
        screen: Any = pilot.app.screen
        await until(pilot, lambda: screen.subject() is not None, "the run")
        await quiet(pilot)
        await pilot.press("R")
        await until(pilot, lambda: isinstance(pilot.app.screen, Dialog), "the dialog")
        await until(
            pilot, lambda: "Expected cost: ?" in str(pilot.app.screen.query_one("#dialog-lines").render()), "cost"
        )
        await quiet(pilot)

    assert snap_compare(console(told_run(), run=RUN), terminal_size=(120, 36), run_before=before)
