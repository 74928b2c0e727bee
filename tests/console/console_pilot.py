"""Opens the console on a fake gateway and waits on states, never on time."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from console_samples import NOON
from fake_gateway import FakeGateway
from textual.pilot import Pilot
from textual.widgets import Button

from wfconsole.settings import Settings
from wfconsole.tui.app import WorkflowConsole
from wfconsole.tui.feed import Link
from wfconsole.tui.screens.dialog import Dialog
from wfconsole.tui.widgets.run_table import RunTable

PATIENCE = 10.0


def console(gateway: FakeGateway, settings: Settings | None = None, **options: Any) -> WorkflowConsole:
    """The app on a frozen clock in UTC."""
    chosen = settings or Settings(db="sqlite:///demo.db", tz="utc", theme="dark")
    return WorkflowConsole(chosen, gateway=gateway, clock=lambda: NOON, **options)


async def until(pilot: Pilot[None], condition: Callable[[], object], what: str = "") -> None:
    """Let the app go on until the condition holds; fails when it never does."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"never came: {what or condition}"
        await pilot.pause(0.01)


@asynccontextmanager
async def opened(
    gateway: FakeGateway,
    size: tuple[int, int] = (120, 36),
    settings: Settings | None = None,
    **options: Any,
) -> AsyncIterator[tuple[WorkflowConsole, Pilot[None]]]:
    """The console, connected and painted once."""
    app = console(gateway, settings, **options)
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: app.feed.pulse.link is Link.LIVE and app.overview, "a live feed")
        await pilot.pause()
        yield app, pilot


async def rows_shown(app: WorkflowConsole, pilot: Pilot[None], number: int) -> RunTable:
    table = app.screen.query_one("#runs", RunTable)
    await until(pilot, lambda: table.row_count == number, f"{number} rows")
    return table


async def dialog_open(app: WorkflowConsole, pilot: Pilot[None]) -> Dialog[Any]:
    """The dialog on top, once it takes answers."""
    await until(pilot, lambda: isinstance(app.screen, Dialog), "a dialog")
    dialog = app.screen
    assert isinstance(dialog, Dialog)
    await until(pilot, lambda: dialog.accepts(time.monotonic()), "a dialog that takes answers")
    return dialog


def screen_text(app: WorkflowConsole) -> str:
    """What stands on the screen, line by line."""
    strips = app.screen._compositor.render_strips()
    return "\n".join(strip.text.rstrip() for strip in strips)


def toasts(app: WorkflowConsole) -> list[str]:
    return [notification.message for notification in app._notifications]


def label_of(dialog: Dialog[Any]) -> str:
    """The button that has the focus."""
    focused = dialog.focused
    assert isinstance(focused, Button)
    return str(focused.label)
