"""Place 2: all runs' lines; kept by &, searched, paused, exported, looked further back for."""

from __future__ import annotations

from pathlib import Path

import pytest
from console_pilot import opened, screen_text, toasts, until
from console_samples import log_line, run_id_of
from fake_gateway import FakeGateway
from textual.pilot import Pilot

from engine.model.status import LogLevel
from wfconsole.tui.app import WorkflowConsole
from wfconsole.tui.widgets.log_view import LogView


def gateway(number: int = 60) -> FakeGateway:
    found = FakeGateway()
    levels = (LogLevel.INFO, LogLevel.WARN, LogLevel.DEBUG, LogLevel.ERROR)
    found.log(
        *(
            log_line(n, run_id_of(n % 2), level=levels[n % 4], stage_id="ocr" if n % 3 else "embed")
            for n in range(1, number + 1)
        )
    )
    return found


async def at_the_log(app: WorkflowConsole, pilot: Pilot[None], number: int) -> LogView:
    log = app.screen.query_one("#logs", LogView)
    await until(pilot, lambda: log.line_count == number, f"{number} lines")
    await pilot.pause()
    return log


async def test_key_ampersand_keeps_only_matching_lines() -> None:
    async with opened(gateway(), place="logs") as (app, pilot):
        log = await at_the_log(app, pilot, 60)
        await pilot.press("&", *"level:warn stage:embed", "enter")
        await at_the_log(app, pilot, 10)
        assert "only: level:warn stage:embed" in screen_text(app)
        assert "10 lines" in screen_text(app)
        assert log.following
        await pilot.press("&", *" nope:1", "enter")
        await until(pilot, lambda: "unknown field" in screen_text(app), "what is wrong")
        await pilot.press("escape", "escape")
        await at_the_log(app, pilot, 60)
        assert "only:" not in screen_text(app)


async def test_r6_of_one_run_and_from_some_time_on() -> None:
    async with opened(gateway(), place="logs") as (app, pilot):
        await at_the_log(app, pilot, 60)
        await pilot.press("&", *f"id:{run_id_of(1)[:6]} since:12:04", "enter")
        await at_the_log(app, pilot, 17)


async def test_r6_a_filter_looks_further_back_until_the_screen_is_full() -> None:
    found = gateway(2_000)
    found.inspector.lines[3] = log_line(4, run_id_of(0), "the needle")
    async with opened(found, place="logs") as (app, pilot):
        await at_the_log(app, pilot, 500)
        await pilot.press("&", *"needle", "enter")
        await at_the_log(app, pilot, 1)
        assert "the needle" in screen_text(app)


async def test_r6_scrolling_up_pauses_and_counts_what_comes() -> None:
    found = gateway()
    async with opened(found, place="logs") as (app, pilot):
        log = await at_the_log(app, pilot, 60)
        await pilot.press("k")
        await until(pilot, lambda: "PAUSED (G)" in screen_text(app), "the pause")
        top = log.scroll_offset.y
        found.log(*(log_line(n, run_id_of(0)) for n in range(61, 373)))
        await at_the_log(app, pilot, 372)
        assert "PAUSED +312 (G)" in screen_text(app)
        assert log.scroll_offset.y == top
        await pilot.press("G")
        await until(pilot, lambda: "● follow" in screen_text(app), "the end")


async def test_key_n_and_N_go_through_the_matches() -> None:
    async with opened(gateway(), place="logs") as (app, pilot):
        log = await at_the_log(app, pilot, 60)
        await pilot.press("/", *"page 7 ", "enter", "N")
        line = log.current_line
        assert line is not None
        assert line.message == "page 7 read"
        await pilot.press("n")
        assert log.current_line == line, "the only one"


async def test_r6_export_writes_what_is_shown_and_nothing_a_terminal_obeys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = gateway(2)
    found.log(log_line(3, run_id_of(0), "bad \x1b]52;c;aGk=\x07 line\nsecond", fields={"k": "\x1b[2J"}))
    async with opened(found, place="logs") as (app, pilot):
        await at_the_log(app, pilot, 3)
        await pilot.press("e")
        await until(pilot, lambda: toasts(app), "the file")
        assert toasts(app)[0] == f"3 lines written to {tmp_path / 'wfconsole-logs.log'}"
    text = (tmp_path / "wfconsole-logs.log").read_text()
    assert len(text.splitlines()) == 3
    assert text.startswith("2026-11-23T12:03:34+00:00 WARN ")
    assert "\x1b" not in text


async def test_t_copies_carry_the_whole_time() -> None:
    async with opened(gateway(3), place="logs") as (app, pilot):
        await at_the_log(app, pilot, 3)
        await pilot.press("y")
        await until(pilot, lambda: toasts(app), "the copy")
        assert app.clipboard.startswith("2026-11-23T12:03:36+00:00 ERROR ")
