"""The demonstration teaches: what it has within ten seconds, and that each next step stands on the screen."""

from __future__ import annotations

import re
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from console_pilot import dialog_open, opened, rows_shown, screen_text, until
from console_samples import dead_letter, mixed_runs, plan, stage_view, summary
from fake_gateway import FakeGateway
from pseudo_terminal import Terminal
from run_samples import RUN, told_run

from engine.inspector import RunStatus, StageStatus
from engine.kernel.delivering import BACKOFF
from engine.kernel.rules.retry import backoff
from sample_workflows import PLUGINS
from wfconsole.demo import first_runs, prepare
from wfconsole.settings import Settings
from wfconsole.tui.screens.dialog import SEEN_AFTER
from wfconsole.tui.screens.run import RunScreen

DEMO = Settings(db="sqlite:///demo.db", tz="utc", theme="dark", demo=True)
WITHIN_S = 10.0
SMALL = (80, 24)


def test_r23_the_first_dead_letter_waits_for_little_by_design(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is left of the ten seconds is for starting console and worker, on a slow machine too."""
    monkeypatch.setenv("WFCONSOLE_SAMPLE_INBOX", "")
    (notifier,) = PLUGINS
    tries = [backoff(BACKOFF, failed, 1.0) for failed in range(1, notifier.max_retries)]
    assert "workflow:failed" in notifier.on
    for run in first_runs(prepare(Settings(), tmp_path), delay_ms=2_500):
        if run.config.get("validate-rows", {}).get("bad_rows"):
            paced = sum(stage.get("delay_ms", 0) for name, stage in run.config.items() if name != "load-rows")
            assert sum(tries, timedelta(milliseconds=paced)) <= timedelta(seconds=1.5)
            return
    raise AssertionError("no run of the demonstration fails at once")


@pytest.mark.slow
def test_r23_within_ten_seconds_it_has_something_of_everything(tmp_path: Path) -> None:
    wanted = {"failed", "retrying", "waiting", "dead letters"}
    began = time.monotonic()
    terminal = Terminal(
        "demo", "--tz", "utc", home=tmp_path, size=(120, 36), more={"TMPDIR": str(tmp_path)}, cwd=tmp_path
    )

    def missing() -> set[str]:
        wanted.difference_update(re.findall(r"(failed|retrying|waiting|dead letters) [1-9]", terminal.text))
        return wanted

    try:
        terminal.until(lambda: not missing(), patience=3 * WITHIN_S)
        assert time.monotonic() - began < WITHIN_S
        assert " DEMO " in terminal.text
        terminal.press("q")
        terminal.until("Quit?")
        seen = time.monotonic()
        terminal.until(lambda: time.monotonic() > seen + 2 * SEEN_AFTER)
        terminal.press("l")
        assert terminal.ended(within=5.0) == 0
    finally:
        terminal.close()
    (database,) = tmp_path.glob("wfconsole-demo-*/demo.db")
    told = terminal.written.decode().replace("\r\n", "\n")
    assert f"the demo's database stays at sqlite:///{database}" in told
    assert f"open it again: wfconsole --db sqlite:///{database}" in told


def ended(status: RunStatus, **stage: Any) -> FakeGateway:
    """A told run whose stage embed ended so."""
    gateway = told_run()
    run = summary(1, status)
    planned = next(one for group in plan() for one in group if one.stage_id == "embed")
    outcome = StageStatus.FAILED if status == RunStatus.FAILED else StageStatus.COMPLETED
    gateway.inspector.changes[RUN] |= {"status": status, "stages": [stage_view(planned, outcome, run, **stage)]}
    return gateway


@pytest.mark.parametrize(
    ("gateway", "hint"),
    [
        (ended(RunStatus.FAILED, tries=3, attempt=3, max_attempts=3), "a says why; F tries again what failed"),
        (ended(RunStatus.FAILED, tries=1, attempt=1, max_attempts=3), "R, then e: change the config"),
        (ended(RunStatus.COMPLETED, tries=1, attempt=2), "it passed: escape goes back"),
    ],
)
async def test_r23_a_run_says_what_helps_and_that_it_helped(gateway: FakeGateway, hint: str) -> None:
    async with opened(gateway, settings=DEMO, run=RUN, size=SMALL) as (app, pilot):
        await until(pilot, lambda: hint in screen_text(app), hint)
    async with opened(gateway, run=RUN, size=SMALL) as (app, pilot):
        await until(pilot, lambda: isinstance(app.screen, RunScreen) and app.screen.subject(), "the run")
        await until(pilot, lambda: " why: " in screen_text(app), "why, at the start of its line")
        assert hint not in screen_text(app), "elsewhere nobody is taught"


async def test_r23_what_passed_at_first_is_not_praised() -> None:
    gateway = ended(RunStatus.COMPLETED, tries=2, attempt=2)
    async with opened(gateway, settings=DEMO, run=RUN) as (app, pilot):
        await until(pilot, lambda: "why: " in screen_text(app), "the run")
        assert "it passed" not in screen_text(app)


async def test_r23_once_nothing_fails_it_points_to_the_dead_letters() -> None:
    gateway = FakeGateway([run for run in mixed_runs() if run.status != RunStatus.FAILED])
    gateway.inspector.letters = [dead_letter(1), dead_letter(2)]
    async with opened(gateway, settings=DEMO, size=SMALL) as (app, pilot):
        await rows_shown(app, pilot, len(gateway.inspector.rows))
        await until(pilot, lambda: "4 shows them" in screen_text(app), "where to go")
        await pilot.press("v", "f")
        await until(pilot, lambda: "nothing fails any more: escape goes back" in screen_text(app), "the way back")
        await pilot.press("4")
        await until(pilot, lambda: "g, then P sends them all again" in screen_text(app), "the last step")
        await pilot.press("g", "P")
        await dialog_open(app, pilot)
        assert "Replay 2 dead letters?" in screen_text(app)


async def test_the_question_about_letters_with_long_errors_keeps_its_answers_on_a_small_screen() -> None:
    gateway = FakeGateway()
    wrong = "FileNotFoundError: the inbox " + "/a/long/way/" * 12
    gateway.inspector.letters = [dead_letter(number, last_error=wrong) for number in range(8)]
    async with opened(gateway, place="dlq", size=SMALL) as (app, pilot):
        await until(pilot, lambda: "FileNotFoundError" in screen_text(app), "the letters")
        await pilot.press("g", "P")
        await dialog_open(app, pilot)
        assert "Yes, replay (y)" in screen_text(app)
        assert len(re.findall(r" [a-z0-9]{8}  FileNotFoundError: the inbox .+…", screen_text(app))) == 3


async def test_a_long_explanation_says_how_it_is_closed_on_a_small_screen() -> None:
    gateway = told_run()
    async with opened(gateway, size=SMALL) as (app, pilot):
        await pilot.press("?")
        await until(pilot, lambda: "escape close" in screen_text(app), "the way out of the help")


async def test_the_editor_of_a_rerun_says_how_it_is_left() -> None:
    async with opened(told_run(), run=RUN, size=SMALL) as (app, pilot):
        await until(pilot, lambda: isinstance(app.screen, RunScreen) and app.screen.subject(), "the run")
        await pilot.press("R")
        await dialog_open(app, pilot)
        await until(pilot, lambda: "(e edits it)" in screen_text(app), "the config")
        await pilot.press("e")
        await until(pilot, lambda: "(escape leaves the editor)" in screen_text(app), "the way out")
        await pilot.press("escape")
        await until(pilot, lambda: "(e edits it)" in screen_text(app), "the question again")
