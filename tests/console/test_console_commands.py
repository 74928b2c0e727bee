"""The command line behind `:`: the console's own words, and those of the command line with the same confirmations."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path

import pytest
from console_pilot import dialog_open, opened, rows_shown, screen_text, toasts, until
from console_samples import run_id_of
from fake_gateway import FakeGateway
from hypothesis import given
from hypothesis import strategies as st

from engine.commands import CreateRun
from wfconsole.cli.grammar import build_parser
from wfconsole.gateway import Gateway
from wfconsole.settings import Profile, Settings, SettingsError
from wfconsole.tui import commanding
from wfconsole.tui.command_line import CLI_VERBS, ELSEWHERE, CommandError, Line, complete_line, read_line
from wfconsole.tui.screens.command_dialog import CommandDialog
from wfconsole.tui.screens.output import OutputScreen
from wfconsole.tui.screens.run import RunScreen
from wfconsole.tui.widgets.command_bar import CommandBar
from wfconsole.tui.widgets.filter_bar import FilterBar


def subcommands() -> set[str]:
    (family,) = (one for one in build_parser()._actions if isinstance(one, argparse._SubParsersAction))
    return set(family.choices)


def test_every_command_of_the_command_line_can_be_typed() -> None:
    assert subcommands() - ELSEWHERE <= set(CLI_VERBS)


def test_what_is_own_and_what_writes() -> None:
    def line(text: str) -> Line:
        found = read_line(text)
        assert found is not None
        return found

    assert read_line("   ") is None
    assert line("runs").own
    assert line("costs").own
    assert not line("costs --by day").own
    assert line("run 7f3a").own
    assert not line("run wf --input {}").own
    assert line("wfconsole cancel 7f3a").writes
    assert line("dlq replay --all").writes
    assert not line("dlq ls").writes
    assert not line("show 7f3a").writes
    assert line("retry --filter status:failed").dry == ("retry", "--filter", "status:failed", "--dry-run")
    assert line("dlq discard e1 --reason x").unasked == ("dlq", "discard", "e1", "--reason", "x", "--yes")
    assert line("note 7f3a hello").unasked == ("note", "7f3a", "hello")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("frobnicate", "no command 'frobnicate'"),
        ('note 7f3a "open', "quotes come in pairs"),
        ("demo", "a terminal of its own"),
        ("ls --db sqlite:///other.db", "this console's own"),
        ("cancel x --profile=dev", "this console's own"),
        ("logs -f", "2 shows logs"),
    ],
)
def test_what_cannot_be_typed_is_said(text: str, said: str) -> None:
    with pytest.raises(CommandError, match=said):
        read_line(text)


@given(st.text(max_size=60))
def test_any_line_is_a_command_or_an_error(text: str) -> None:
    try:
        line = read_line(text)
    except CommandError:
        return
    assert line is None or line.words


@given(st.text(max_size=30))
def test_any_line_can_be_completed(text: str) -> None:
    assert complete_line(text, len(text), {"theme": ["dark"]}).text.startswith(text)


async def typed(pilot, text: str) -> None:
    await pilot.press(":", *(" " if char == " " else char for char in text), "enter")


async def test_key_colon_goes_to_places_and_filters_since() -> None:
    async with opened(FakeGateway()) as (app, pilot):
        await rows_shown(app, pilot, 12)
        await typed(pilot, "workers")
        await until(pilot, lambda: app.current_mode == "workers", "place 5")
        await typed(pilot, "since 2h")
        await until(pilot, lambda: app.current_mode == "runs", "place 1")
        await until(pilot, lambda: app.screen.query_one(FilterBar).text == "since:2h", "the filter")
        await typed(pilot, "since 10m")
        await until(pilot, lambda: app.screen.query_one(FilterBar).text == "since:10m", "the other filter")


async def test_what_is_typed_behind_the_colon_is_no_action() -> None:
    gateway = FakeGateway()
    async with opened(gateway) as (app, pilot):
        table = await rows_shown(app, pilot, 12)
        app.screen.action_go_command()
        assert app.focused is app.screen.query_one(CommandBar).field
        await pilot.press(*"cqR1")
        assert len(app.screen_stack) == 1
        await pilot.press("escape")
        assert app.focused is table


async def test_colon_run_opens_a_run_by_its_beginning() -> None:
    async with opened(FakeGateway()) as (app, pilot):
        await rows_shown(app, pilot, 12)
        await typed(pilot, f"run {run_id_of(4)[:9]}")
        await until(pilot, lambda: isinstance(app.screen, RunScreen), "the run")
        assert app.screen.run_id == run_id_of(4)


async def test_colon_theme_tz_and_save() -> None:
    async with opened(FakeGateway()) as (app, pilot):
        await rows_shown(app, pilot, 12)
        await typed(pilot, "theme light")
        await until(pilot, lambda: app.theme == "light", "the theme")
        await typed(pilot, "theme mauve")
        await until(pilot, lambda: "no theme 'mauve'" in toasts(app)[-1], "the refusal")
        await typed(pilot, "tz Asia/Tokyo")
        await until(pilot, lambda: "21:04 JST" in screen_text(app), "the zone in the header")
        await typed(pilot, "tz Mars/Base")
        await until(pilot, lambda: "unknown time zone" in toasts(app)[-1], "the refusal")
        await typed(pilot, "filter status:failed")
        await rows_shown(app, pilot, 2)
        await typed(pilot, "save night")
        await until(pilot, lambda: "'night' is kept" in toasts(app)[-1], "the note")
        await typed(pilot, "view all")
        await rows_shown(app, pilot, 12)
        await typed(pilot, "view night")
        await rows_shown(app, pilot, 2)


async def test_colon_q_leaves() -> None:
    async with opened(FakeGateway()) as (app, pilot):
        await rows_shown(app, pilot, 12)
        await typed(pilot, "q")
        await until(pilot, lambda: not app.is_running, "the end")


async def test_read_only_refuses_commands_that_write() -> None:
    settings = Settings(db="sqlite:///demo.db", tz="utc", theme="dark", read_only=True)
    async with opened(FakeGateway(), settings=settings) as (app, pilot):
        await rows_shown(app, pilot, 12)
        await typed(pilot, "note 7f3a x")
        await until(pilot, lambda: toasts(app), "the refusal")
        assert toasts(app)[-1] == "note: opened read-only"


async def test_a_command_runs_on_this_database_and_asks_before_it_writes(tmp_path: Path) -> None:
    settings = Settings(db=f"sqlite:///{tmp_path / 'runs.db'}", tz="utc", theme="dark", no_worker=True)
    async with Gateway(settings) as real:
        value = {"url": "README.md"}
        key = f"k-{datetime.now(UTC):%S}"
        created = await real.send(CreateRun(idempotency_key=key, workflow_id="document-processor", input=value))
        async with opened(real, settings=settings) as (app, pilot):
            await rows_shown(app, pilot, 1)
            await typed(pilot, "show @none")
            await until(pilot, lambda: any("exit code" in text for text in toasts(app)), "the refusal of the command")
            await typed(pilot, f"cancel {created.run_id}")
            await until(pilot, lambda: isinstance(app.screen, CommandDialog), "the question")
            await until(pilot, lambda: "would stop it" in screen_text(app), "what it would do")
            await dialog_open(app, pilot)
            await pilot.press("n")
            assert (await real.inspector.run(created.run_id)).status == "PENDING"
            await typed(pilot, f"cancel {created.run_id}")
            await until(pilot, lambda: "would stop it" in screen_text(app), "what it would do")
            await dialog_open(app, pilot)
            await pilot.press("y")
            await until(pilot, lambda: any("done" in text for text in toasts(app)), "the answer")
            assert (await real.inspector.run(created.run_id)).status == "CANCELLED"
            await typed(pilot, f"show {created.run_id}")
            await until(pilot, lambda: isinstance(app.screen, OutputScreen), "the output")
            await until(pilot, lambda: "cancelled" in screen_text(app).lower(), "the run, whole")
            await pilot.press("q")
            await until(pilot, lambda: not isinstance(app.screen, OutputScreen), "the way back")


def test_another_profile_never_widens_rights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "wfconsole.toml").write_text('[profiles.dev]\ndb = "sqlite:///dev.db"\nread_only = false\n')
    monkeypatch.chdir(tmp_path)
    here = Settings(db="sqlite:///prod.db", read_only=True, theme="light", profiles={"dev": Profile()})
    there = commanding.with_profile(here, "dev")
    assert (there.read_only, there.theme, there.profile) == (True, "light", "dev")
    assert there.db is not None
    assert there.db.endswith("dev.db")
    with pytest.raises(SettingsError, match="unknown profile"):
        commanding.with_profile(here, "moon")
