"""`--ascii`: nothing beyond ASCII on any screen, but what the data has."""

from __future__ import annotations

import pytest
from console_pilot import opened, screen_text, until
from console_samples import dead_letter, log_line, mixed_runs, run_id_of
from fake_gateway import FakeGateway
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from run_samples import RUN, told_run

from wfconsole.ascii_text import ascii_text
from wfconsole.formatting import STATUS
from wfconsole.settings import Settings
from wfconsole.tui.app import WorkflowConsole

ASCII = Settings(db="sqlite:///demo.db", tz="utc", theme="dark", ascii=True)
LONG = "no such file, so the rows are made up " * 9
SIZES = ((120, 36), (80, 24))


def crowded() -> FakeGateway:
    """More of everything than a screen takes, so that there are scrollbars and cut texts."""
    gateway = FakeGateway(mixed_runs(300))
    gateway.log(*(log_line(number, run_id_of(0), LONG) for number in range(300)))
    gateway.inspector.letters = [dead_letter(number, last_error=LONG) for number in range(60)]
    return gateway


def foreign(app: WorkflowConsole) -> str:
    """What stands on the screen and is not ASCII."""
    return "".join(sorted({sign for sign in screen_text(app) if not sign.isascii() and sign != "\n"}))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("place", "123456")
async def test_r17_every_place_is_ascii(size: tuple[int, int], place: str) -> None:
    async with opened(crowded(), settings=ASCII, size=size) as (app, pilot):
        await pilot.press(place)
        for keys in ("G", "space", "?", "escape", "ctrl+p", "escape", "o", "escape", "*", "P", "n", "c", "n", "R", "n"):
            await pilot.press(keys)
            await pilot.pause()
            assert not foreign(app), (keys, screen_text(app))


@pytest.mark.parametrize("size", SIZES)
async def test_r17_a_run_is_ascii_in_every_tab(size: tuple[int, int]) -> None:
    gateway = told_run()
    gateway.log(*(log_line(number, RUN, LONG) for number in range(99)))
    async with opened(gateway, settings=ASCII, run=RUN, size=size) as (app, pilot):
        await until(pilot, lambda: "why: " in screen_text(app), "the run")
        for keys in ("a", "escape", "R", "e", "escape", "escape", "Y", "escape", *["tab", "j", "enter", "escape"] * 6):
            await pilot.press(keys)
            await pilot.pause()
            assert not foreign(app), (keys, screen_text(app))


async def test_r17_a_scrollbar_is_ascii_and_there() -> None:
    async with opened(crowded(), settings=ASCII, size=(80, 24)) as (app, pilot):
        for _ in range(30):
            await pilot.press("j")
        await pilot.pause()
        table = app.screen.query_one("#runs")
        assert table.show_vertical_scrollbar
        assert not foreign(app)


def test_letters_stay_what_they_are() -> None:
    assert ascii_text("Grüße, 東京: 3 × 4 → 12 …") == "Grüße, 東京: 3 x 4 > 12 ~"
    assert all(ascii_text(mark.glyph).isascii() for mark in STATUS.values())


@given(st.text(alphabet=st.characters(min_codepoint=0x2190, max_codepoint=0x27BF)))
def test_the_width_of_a_line_stays(text: str) -> None:
    assert cell_len(ascii_text(text)) == cell_len(text)
