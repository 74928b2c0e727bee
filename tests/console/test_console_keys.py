"""Remapped keys: what a map may say, what is wrong with one, and that it holds on the screen."""

from __future__ import annotations

import json

import pytest
from console_pilot import dialog_open, opened, rows_shown, screen_text, toasts, until
from fake_gateway import FakeGateway
from textual.command import CommandPalette
from textual.widgets import Input, OptionList

from wfconsole.actions import ACTIONS
from wfconsole.cli.main import run
from wfconsole.keymap import problems_of, usable
from wfconsole.settings import Settings
from wfconsole.tui.widgets.footer_line import FooterLine


def test_the_keys_we_ship_do_not_clash() -> None:
    assert problems_of({}) == []


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"run.cancle": "x"}, "nearest is run.cancel"),
        ({"run.cancel": "F"}, "F means run.cancel and run.retry in run, runs"),
        ({"run.cancel": "no key"}, "is no key"),
        ({"run.cancel": ""}, "is no key"),
    ],
)
def test_what_is_wrong_with_a_map_is_said(keys: dict[str, str], said: str) -> None:
    assert any(said in problem for problem in problems_of(keys))


def test_wrong_entries_are_left_out() -> None:
    assert usable({"run.cancel": "x", "run.cancle": "y", "run.retry": "a b"}) == {"run.cancel": "x"}


async def test_a_remapped_key_works_and_is_shown() -> None:
    gateway = FakeGateway()
    settings = Settings(db="sqlite:///demo.db", tz="utc", theme="dark", keys={"run.cancel": "ctrl+k"})
    async with opened(gateway, settings=settings) as (app, pilot):
        await rows_shown(app, pilot, 12)
        await until(pilot, lambda: "ctrl+k cancel" in app.screen.query_one(FooterLine).plain, "the footer")
        await pilot.press("c")
        assert len(app.screen_stack) == 1
        await pilot.press("ctrl+k")
        await dialog_open(app, pilot)
        await pilot.press("n", "?")
        await until(pilot, lambda: " ctrl+k " in screen_text(app), "the help")


async def test_a_clash_is_said_once_at_the_start() -> None:
    settings = Settings(db="sqlite:///demo.db", tz="utc", theme="dark", keys={"run.cancel": "F"})
    async with opened(FakeGateway(), settings=settings) as (app, pilot):
        await rows_shown(app, pilot, 12)
        await pilot.press("j", "k")
        assert len([text for text in toasts(app) if "F means" in text]) == 1


async def test_key_ctrl_p_offers_what_the_place_can_do_and_does_it() -> None:
    async with opened(FakeGateway()) as (app, pilot):
        await rows_shown(app, pilot, 12)
        await pilot.press("ctrl+p")
        await until(pilot, lambda: isinstance(app.screen, CommandPalette), "the palette")
        await pilot.press(*"pause live")
        offered = app.screen.query_one(OptionList)
        await until(pilot, lambda: offered.option_count == 1, "the one action of that name")
        await pilot.press("down", "enter", "enter")
        await until(pilot, lambda: app.feed.paused, "a paused console")
        assert app.place is app.screen


async def test_key_ctrl_p_in_an_input_or_a_dialog_is_no_palette() -> None:
    async with opened(FakeGateway()) as (app, pilot):
        await rows_shown(app, pilot, 12)
        await pilot.press("slash", "ctrl+p")
        assert isinstance(app.focused, Input)
        assert len(app.screen_stack) == 1
        await pilot.press("escape", "c")
        await dialog_open(app, pilot)
        await pilot.press("ctrl+p")
        assert not any(isinstance(screen, CommandPalette) for screen in app.screen_stack)


def test_the_command_line_lists_and_checks(
    capsys: pytest.CaptureFixture[str], tmp_path: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(str(tmp_path))

    def nobody(*_: object) -> int:
        raise AssertionError("no screen")

    assert run(["keys", "--check"], screen=nobody) == 0
    assert "no clash" in capsys.readouterr().out
    assert run(["keys", "--json"], screen=nobody) == 0
    listed = json.loads(capsys.readouterr().out)["items"]
    assert {one["id"] for one in listed} == {action.id for action in ACTIONS}
    (tmp_path / "wfconsole.toml").write_text('[keys]\n"run.cancel" = "F"\n')
    assert run(["keys", "--check"], screen=nobody) == 2
    assert "F means run.cancel and run.retry" in capsys.readouterr().err
