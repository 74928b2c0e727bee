"""Text from outside, in any field of any screen: shown escaped, never executed, never a crash."""

from __future__ import annotations

import re
from typing import Any

import pytest
from console_pilot import dialog_open, opened, rows_shown, screen_text, until
from console_samples import dead_letter, log_line, run_id_of, summary
from fake_gateway import FakeGateway

from engine.errors import StoreUnavailable
from engine.model.status import RunStatus
from wfconsole.tui.app import WorkflowConsole

PAYLOADS = (
    "\x1b]52;c;aGk=\x07\x1b[2J\x1b[6n",
    "\x9b31m\x90q\x9c",
    "[/b] [red] [@click=app.quit]x[/] [PR-6]",
    "\u202egnp.exe\u2066\u200b\u2028",
    "nul\x00 bell\x07 back\x08\r\n\ttab",
    "x" * 100_000,
)
FORBIDDEN = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")


def poisoned(text: str) -> FakeGateway:
    """A gateway whose every free text is the payload."""
    fields: dict[str, Any] = {
        "workflow_id": text,
        "workflow_name": text,
        "current_stages": [text],
        "idempotency_key": text,
        "worker_id": text,
        "error": text,
        "error_code": text,
    }
    gateway = FakeGateway([summary(number, RunStatus.FAILED, **fields) for number in range(3)])
    gateway.database = f"sqlite:///{text}"
    gateway.log(log_line(1, run_id_of(0), text, stage_id=text, fields={text: text}))
    gateway.inspector.letters = [dead_letter(0, type=text, last_error=text, sink=text, payload={text: text})]
    return gateway


def assert_clean(app: WorkflowConsole) -> None:
    found = FORBIDDEN.search(screen_text(app))
    assert found is None, f"{found[0]!r} reached the screen"


@pytest.mark.parametrize("payload", PAYLOADS, ids=["osc", "c1", "markup", "bidi", "controls", "long"])
async def test_every_screen_shows_it_and_lives(payload: str) -> None:
    gateway = poisoned(payload)
    async with opened(gateway) as (app, pilot):
        await rows_shown(app, pilot, 3)
        await pilot.press("j")
        await pilot.pause()
        assert_clean(app)
        for keys in (
            ("a",),
            ("escape", "R"),
            ("escape", "enter"),
            ("tab",),
            ("tab",),
            ("tab",),
            ("2",),
            ("4",),
            ("X",),
        ):
            await pilot.press(*keys)
            if keys[-1] in "RX":
                await dialog_open(app, pilot)
            await pilot.pause(0.05)
            assert_clean(app)
        await pilot.press("escape")
        gateway.inspector.failing = StoreUnavailable(payload)
        gateway.change()
        await until(pilot, lambda: app.screen.has_class("-lost"), "the lost database")
        await pilot.pause()
        assert_clean(app)
        assert app.is_running


async def test_markup_is_shown_as_it_is() -> None:
    gateway = poisoned("[/b] [red]hot[/] [PR-6]")
    async with opened(gateway, run=run_id_of(0)) as (app, pilot):
        await until(pilot, lambda: "[/b] [red]hot[/] [PR-6]" in screen_text(app), "the brackets")


async def test_a_pasted_escape_does_not_enter_the_filter() -> None:
    from textual import events

    async with opened(FakeGateway()) as (app, pilot):
        await rows_shown(app, pilot, 12)
        await pilot.press("/")
        app.post_message(events.Paste("\x1b[2Jx"))
        await pilot.pause()
        await pilot.press(*"ok")
        assert app.screen.query_one("#filter-input").value == "ok"
