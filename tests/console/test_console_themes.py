"""Themes are files: all complete, a broken one is a line and no crash, the operator's own win."""

from __future__ import annotations

from pathlib import Path

import pytest
from console_pilot import opened, toasts, until
from fake_gateway import FakeGateway
from textual.color import Color

from wfconsole.settings import Settings
from wfconsole.tui import themes
from wfconsole.tui.screens.theme_choice import ThemeChoice
from wfconsole.tui.themes import ThemeError, load_themes, parse_theme


def test_the_shipped_themes_are_complete(tmp_path: Path) -> None:
    found = load_themes(tmp_path / "none")
    assert found.warnings == ()
    assert set(found.found) == {"dark", "light", "contrast", "colour-blind", "sixteen"}
    for theme in found.found.values():
        assert set(theme.variables) >= set(themes.VARIABLES), theme.name
    assert not found.found["light"].dark


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name = ", "mine.toml"),
        ("primary = '#fff'", "needs a name"),
        ("name = 'x'", "needs a primary colour"),
        ("name = 'x'\nprimary = 'mauve-ish'", "primary = 'mauve-ish' is no colour"),
        ("name = 'x'\nprimary = 3", "must be a colour in quotes"),
        ("name = 'x'\nprimary = '#fff'\nsecundary = '#fff'", "unknown field 'secundary'"),
        ("name = 'x'\nprimary = '#fff'\n[variables]\nstatus-fine = '#fff'", "unknown variable 'status-fine'"),
        ("name = 'x'\nprimary = '#fff'\ndark = 'yes'", "true or false"),
    ],
)
def test_what_is_wrong_is_one_line_naming_the_file(text: str, words: str) -> None:
    with pytest.raises(ThemeError) as caught:
        parse_theme(text, "mine.toml")
    assert words in str(caught.value)
    assert "mine.toml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_operator_s_file_wins_and_a_bad_one_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / "dark.toml").write_text('name = "dark"\nprimary = "#123456"\n')
    (tmp_path / "bad.toml").write_text("name = [")
    found = load_themes(tmp_path)
    assert found.found["dark"].primary == "#123456"
    assert len(found.warnings) == 1
    assert found.warnings[0].startswith("theme bad.toml: ")


@pytest.mark.parametrize("name", ["dark", "light", "contrast", "colour-blind", "sixteen", "textual-light"])
async def test_every_theme_paints(name: str) -> None:
    settings = Settings(db="sqlite:///demo.db", tz="utc", theme=name)
    async with opened(FakeGateway(), settings=settings) as (app, _):
        assert app.theme == name
        assert app.theme_variables["status-failed"]


async def test_an_unknown_theme_is_said_and_the_default_taken() -> None:
    settings = Settings(db="sqlite:///demo.db", tz="utc", theme="neon")
    async with opened(FakeGateway(), settings=settings) as (app, pilot):
        await until(pilot, lambda: toasts(app), "the warning")
        assert "no theme 'neon'" in toasts(app)[0]
        assert app.theme == "dark"


async def test_r18_a_theme_file_is_taken_in_as_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(themes, "user_folder", lambda: tmp_path)
    settings = Settings(db="sqlite:///demo.db", tz="utc", theme="light")
    async with opened(FakeGateway(), settings=settings) as (app, pilot):
        (tmp_path / "mine.toml").write_text('name = "light"\nprimary = "#123456"\n')
        await until(pilot, lambda: app.theme_variables["primary"] == "#123456", "the new colour")
        (tmp_path / "mine.toml").write_text("name = [")
        await until(pilot, lambda: any("mine.toml" in text for text in toasts(app)), "what is wrong with it")
        assert app.theme == "light"


async def test_r18_the_sixteen_colours_stay_the_terminal_s() -> None:
    settings = Settings(db="sqlite:///demo.db", tz="utc", theme="sixteen")
    async with opened(FakeGateway(), settings=settings) as (app, _):
        assert app.native_ansi_color


async def test_r18_a_theme_is_previewed_and_taken_back_or_kept() -> None:
    settings = Settings(db="sqlite:///demo.db", tz="utc", theme="dark")
    async with opened(FakeGateway(), settings=settings) as (app, pilot):
        app.choose_theme()
        await until(pilot, lambda: isinstance(app.screen, ThemeChoice), "the list")
        await pilot.press("j")
        await until(pilot, lambda: app.theme == "light", "the preview")
        await pilot.press("escape")
        await until(pilot, lambda: app.theme == "dark", "the way back")
        app.choose_theme()
        await until(pilot, lambda: isinstance(app.screen, ThemeChoice), "the list")
        await pilot.press("j", "enter")
        await until(pilot, lambda: not isinstance(app.screen, ThemeChoice), "the choice")
        assert app.theme == "light"


def contrast(text: Color, ground: Color) -> float:
    """The ratio of WCAG 2: 1 (the same) to 21 (black on white)."""

    def luminance(colour: Color) -> float:
        parts = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour.normalized]
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]

    darker, lighter = sorted((luminance(text), luminance(ground)))
    return (lighter + 0.05) / (darker + 0.05)


GROUNDS = ("background", "surface", "panel", "bar", "cursor-row")
DIM = {"quiet", "level-debug", "status-skipped"}
NO_TEXT = {"rule", "bar", "cursor-row"}


@pytest.mark.parametrize("name", ["dark", "light", "contrast", "colour-blind"])
def test_r18_every_text_can_be_read_on_every_ground(name: str, tmp_path: Path) -> None:
    theme = load_themes(tmp_path / "none").found[name]
    named = ("primary", "secondary", "warning", "error", "success", "accent", "foreground")
    plain = {field: getattr(theme, field) for field in (*named, "background", "surface", "panel")}
    colours = {field: Color.parse(value) for field, value in {**plain, **theme.variables}.items()}
    assert colours.keys() >= set(themes.VARIABLES)
    too_weak = [
        f"{text} on {ground}: {found:.2f}"
        for text in (*named, *(set(themes.VARIABLES) - NO_TEXT))
        for ground in GROUNDS
        if (found := contrast(colours[text], colours[ground]))
        < (3.5 if text in DIM and ground != "background" else 4.5)
    ]
    assert not too_weak
    assert contrast(colours["background"], colours["primary"]) >= 4.5, "the chosen button"
    assert contrast(colours["cursor-row"], colours["background"]) >= 1.3, "the cursor's row"


@pytest.mark.parametrize("name", ["dark", "light", "contrast", "colour-blind", "sixteen"])
def test_r18_no_two_statuses_that_need_somebody_look_alike(name: str, tmp_path: Path) -> None:
    variables = load_themes(tmp_path / "none").found[name].variables
    states = ("running", "retrying", "waiting", "ok", "failed", "queued")
    assert len({variables[f"status-{state}"] for state in states}) == len(states)
