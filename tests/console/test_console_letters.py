"""Place 4: dead letters by cause; replayed and discarded one, marked, a group, all; what became of them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from console_pilot import dialog_open, opened, screen_text, toasts, until
from console_samples import NOON, dead_letter
from fake_gateway import FakeGateway
from textual.pilot import Pilot
from textual.widgets import Input

from engine.commands import DiscardDeadLetters, ReplayDeadLetters
from engine.inspector import Delivery
from wfconsole.settings import Settings
from wfconsole.tui.app import WorkflowConsole
from wfconsole.tui.screens.dead_letters import EMPTY
from wfconsole.tui.widgets.line_table import LineTable

OTHER = {"fingerprint": "fp2", "sink": "mail", "last_error": "ConnectionRefusedError"}


def gateway(*counts: int) -> FakeGateway:
    """So many letters of each of some causes, the largest first."""
    found = FakeGateway()
    number = 0
    for cause, count in enumerate(counts):
        for _ in range(count):
            number += 1
            fields = {"fingerprint": f"fp{cause}", "last_error": f"HTTP 50{cause}", "sink": "hook"}
            dead_at = NOON - timedelta(minutes=number)
            found.inspector.letters.append(dead_letter(number, dead_at=dead_at, **fields))
    return found


async def at_the_letters(app: WorkflowConsole, pilot: Pilot[None], number: int) -> LineTable:
    table = app.screen.query_one("#dead-letters", LineTable)
    await until(pilot, lambda: len(table.rows) == number, f"{number} rows")
    await pilot.pause()
    return table


def commands(found: FakeGateway, kind: type[Any] = ReplayDeadLetters) -> list[Any]:
    return [command for command in found.commands if isinstance(command, kind)]


async def test_r11_the_empty_state_says_what_belongs_here_and_where_the_rest_is() -> None:
    async with opened(FakeGateway(), place="dlq") as (app, pilot):
        await until(pilot, lambda: EMPTY in screen_text(app), "the empty state")
    assert EMPTY == "Events no sink would take. Failed runs are in 1 (v)."


async def test_r11_letters_stand_under_their_causes() -> None:
    async with opened(gateway(3, 1), place="dlq") as (app, pilot):
        table = await at_the_letters(app, pilot, 6)
        lines = [row.cells[0] for row in table.rows]
        assert [line[0] if isinstance(line, tuple) else line for line in lines] == [
            "− HTTP 500",
            *["    workflow:failed"] * 3,
            "− HTTP 501",
            "    workflow:failed",
        ]
        assert "4 with 2 causes" in screen_text(app)
        assert list(table.rows[0].cells[2:]) == ["3", "3", "3m", "1m"]


async def test_r11_many_letters_stay_closed_until_opened() -> None:
    async with opened(gateway(300, 2), place="dlq") as (app, pilot):
        table = await at_the_letters(app, pilot, 2)
        await pilot.press("enter")
        await at_the_letters(app, pilot, 302)
        assert table.rows[0].key == table.cursor_key
        await pilot.press("j", "h")
        await at_the_letters(app, pilot, 2)
        assert table.cursor_key == table.rows[0].key, "closing goes back to the cause"


async def test_r11_the_detail_shows_sink_payload_attempts_and_the_last_error() -> None:
    async with opened(gateway(2), place="dlq") as (app, pilot):
        await at_the_letters(app, pilot, 3)
        await pilot.press("enter")
        await until(pilot, lambda: "3, then given up" in screen_text(app), "the letter")
        shown = screen_text(app)
        assert all(text in shown for text in ("hook", "HTTP 500", '"error": "boom"', "wfconsole dlq show"))
        await pilot.press("escape")
        await at_the_letters(app, pilot, 3)


async def test_r11_a_replay_ends_as_delivered_and_never_merely_as_replayed() -> None:
    found = gateway(2)
    async with opened(found, place="dlq") as (app, pilot):
        table = await at_the_letters(app, pilot, 3)
        key = table.cursor_key
        await pilot.press("P")
        await dialog_open(app, pilot)
        await pilot.press("y")
        await until(pilot, lambda: toasts(app), "the outcome")
        assert toasts(app)[-1].splitlines() == ["1 delivered", f"wfconsole dlq replay {key} --yes"]
        assert commands(found)[0].event_ids == [key]


async def test_r11_one_that_dies_again_is_said_to() -> None:
    found = gateway(2)
    found.inspector.fate = Delivery.DEAD
    async with opened(found, place="dlq") as (app, pilot):
        await at_the_letters(app, pilot, 3)
        await pilot.press("P")
        await dialog_open(app, pilot)
        await pilot.press("y")
        await until(pilot, lambda: toasts(app), "the outcome")
        assert toasts(app)[-1].startswith("1 dead again")


async def test_r11_with_nobody_to_deliver_it_says_so_first_and_then_what_waits() -> None:
    found = gateway(2)
    found.inspector.fate = Delivery.PENDING

    async def none_alive() -> list[Any]:
        return []

    found.inspector.workers = none_alive  # type: ignore[method-assign]
    async with opened(found, place="dlq") as (app, pilot):
        await at_the_letters(app, pilot, 3)
        assert "no live worker delivers" in screen_text(app)
        await pilot.press("P")
        await dialog_open(app, pilot)
        assert "No live worker delivers now" in screen_text(app)
        await pilot.press("y")
        await until(pilot, lambda: toasts(app), "the outcome")
        assert toasts(app)[-1].startswith("1 still pending")


async def test_r12_a_group_of_many_is_typed_and_goes_carefully() -> None:
    found = gateway(60)
    async with opened(found, place="dlq") as (app, pilot):
        await at_the_letters(app, pilot, 1)
        await pilot.press("P")
        await dialog_open(app, pilot)
        shown = screen_text(app)
        assert "Replay 60 dead letters?" in shown
        assert "60 × workflow:failed at hook" in shown
        assert "canary 1, 20/min, stop 10%" in shown
        await pilot.press("y")
        await until(pilot, lambda: "Type 60 to go on" in screen_text(app), "the refusal")
        assert commands(found) == []
        app.screen.query_one("#pace", Input).value = ""
        await pilot.press("shift+tab", *"60", "tab", "y")
        await until(pilot, lambda: toasts(app), "the outcome")
        assert toasts(app)[-1].splitlines() == [
            "60 delivered",
            "wfconsole dlq replay --cause fp0 --sink hook --yes",
        ]
        (command,) = commands(found)
        assert len(command.event_ids) == 60, "no pace: all at once"


async def test_r12_marks_choose_a_frozen_set() -> None:
    found = gateway(2, 2)
    async with opened(found, place="dlq") as (app, pilot):
        table = await at_the_letters(app, pilot, 6)
        await pilot.press("space", "j", "space")
        assert len(table.marks) == 2
        await pilot.press("P")
        await dialog_open(app, pilot)
        found.inspector.letters.append(dead_letter(99, fingerprint="fp1", sink="hook"))
        found.change()
        await pilot.press("y")
        await until(pilot, lambda: toasts(app), "the outcome")
        (command,) = commands(found)
        # The first letter, and the whole second group: without what came since.
        assert command.event_ids == [dead_letter(number).id for number in (4, 3, 1)]


async def test_key_star_marks_all_and_escape_takes_the_marks_back() -> None:
    async with opened(gateway(2, 2), place="dlq") as (app, pilot):
        table = await at_the_letters(app, pilot, 6)
        await pilot.press("*")
        assert len(table.marks) == 2
        assert "2 ◆" in screen_text(app)
        await pilot.press("escape")
        assert not table.marks


async def test_r11_discarding_needs_a_reason_and_keeps_it() -> None:
    found = gateway(2)
    async with opened(found, place="dlq") as (app, pilot):
        await at_the_letters(app, pilot, 3)
        await pilot.press("k", "X")
        await dialog_open(app, pilot)
        await pilot.press("y")
        await until(pilot, lambda: "It needs a reason" in screen_text(app), "the refusal")
        await pilot.press("shift+tab", *"old", "tab", "y")
        await until(pilot, lambda: toasts(app), "the outcome")
        (command,) = commands(found, DiscardDeadLetters)
        assert (len(command.event_ids), command.reason) == (2, "old")
        assert toasts(app)[-1].startswith("2 discarded")


async def test_r16_read_only_refuses_with_a_word() -> None:
    settings = Settings(db="sqlite:///demo.db", tz="utc", theme="dark", read_only=True)
    async with opened(gateway(1), place="dlq", settings=settings) as (app, pilot):
        await at_the_letters(app, pilot, 2)
        await pilot.press("P")
        await until(pilot, lambda: toasts(app), "the refusal")
        assert "opened read-only" in toasts(app)[0]


async def test_r5_the_cursor_stays_on_its_letter_while_others_come() -> None:
    found = gateway(3)
    async with opened(found, place="dlq") as (app, pilot):
        table = await at_the_letters(app, pilot, 4)
        await pilot.press("j")
        key = table.cursor_key
        found.inspector.letters.insert(0, dead_letter(50, fingerprint="fp0", sink="hook", last_error="HTTP 500"))
        found.change()
        await at_the_letters(app, pilot, 5)
        assert table.cursor_key == key


async def test_r12_a_canary_that_is_not_delivered_stops_the_rest() -> None:
    found = gateway(60)
    found.inspector.fate = Delivery.DEAD
    async with opened(found, place="dlq") as (app, pilot):
        await at_the_letters(app, pilot, 1)
        await pilot.press("P")
        await dialog_open(app, pilot)
        await pilot.press("shift+tab", *"60", "tab", "y")
        await until(pilot, lambda: toasts(app), "the outcome")
        said, twin = toasts(app)[-1].splitlines()
        assert said.startswith("1 dead again, 59 skipped: stopped: the canary failed: dead again")
        assert twin.endswith("--canary 1 --rate 20/min --max-failures 10% --yes")
        assert [len(command.event_ids) for command in commands(found)] == [1]


async def replaying_slowly(app: WorkflowConsole, pilot: Pilot[None]) -> None:
    """One letter of thirty is replayed; the next would follow in an hour."""
    await at_the_letters(app, pilot, 1)
    await pilot.press("P")
    await dialog_open(app, pilot)
    app.screen.query_one("#pace", Input).value = "1/h"
    await pilot.press("y")
    await until(pilot, lambda: "replaying 1 of 30 (escape stops it)" in screen_text(app), "the first one")


async def test_key_escape_stops_a_replay_between_two_letters() -> None:
    found = gateway(30)
    async with opened(found, place="dlq") as (app, pilot):
        await replaying_slowly(app, pilot)
        await pilot.press("P")
        await until(pilot, lambda: any("under way" in text for text in toasts(app)), "one at a time")
        await pilot.press("escape")
        await until(pilot, lambda: "replaying" not in screen_text(app), "the end")
        assert any("stopped after 1 of 30" in text for text in toasts(app))


@pytest.mark.parametrize("place", ["4", "1"])
async def test_quitting_in_the_middle_of_a_replay_asks_wherever_one_is(place: str) -> None:
    found = gateway(30)
    async with opened(found, place="dlq") as (app, pilot):
        await replaying_slowly(app, pilot)
        await pilot.press(place, "ctrl+q")
        await until(pilot, lambda: "in the middle of a bulk action" in screen_text(app), "the question")
        await dialog_open(app, pilot)
        assert "  replaying 1 of 30  " in screen_text(app)
        await pilot.press("n")
        assert app.is_running
        assert app.under_way
        await pilot.press("ctrl+q")
        await dialog_open(app, pilot)
        await pilot.press("y")
        await until(pilot, lambda: not app.is_running, "the end")
        assert len(commands(found)) == 1


async def test_once_a_replay_is_over_or_stopped_quitting_asks_nothing() -> None:
    found = gateway(30)
    async with opened(found, place="dlq") as (app, pilot):
        await replaying_slowly(app, pilot)
        await pilot.press("escape")
        await until(pilot, lambda: not app.under_way, "the end of it")
        await pilot.press("q")
        await until(pilot, lambda: not app.is_running, "the end")


async def test_r12_where_confirmations_are_typed_one_is_typed_too() -> None:
    found = gateway(1)
    settings = Settings(db="sqlite:///demo.db", tz="utc", theme="dark", confirm="typed")
    async with opened(found, place="dlq", settings=settings) as (app, pilot):
        await at_the_letters(app, pilot, 2)
        await pilot.press("P")
        await dialog_open(app, pilot)
        await pilot.press("y")
        await until(pilot, lambda: "Type 1 to go on" in screen_text(app), "the refusal")
        assert found.commands == []
