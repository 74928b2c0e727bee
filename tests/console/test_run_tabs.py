"""The tabs of a run: timeline, values, AI calls, history; and the run as it was."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from console_pilot import opened, screen_text, toasts, until
from console_samples import summary
from run_samples import RUN, call, failed_run, told_run
from textual.pilot import Pilot

from engine.inspector import Delivery, RunStatus
from wfconsole.tui.app import WorkflowConsole
from wfconsole.tui.files import editable_json, file_name, save
from wfconsole.tui.panes.values import LARGE, as_text, weight
from wfconsole.tui.run_events import joined_events
from wfconsole.tui.screens.diff import DiffScreen
from wfconsole.tui.screens.pager import PagerScreen
from wfconsole.tui.screens.run import TABS, RunScreen
from wfconsole.tui.widgets.call_list import CallList
from wfconsole.tui.widgets.graph_view import GraphView
from wfconsole.tui.widgets.history_list import HistoryList
from wfconsole.tui.widgets.json_view import JsonView
from wfconsole.tui.widgets.timeline_view import TimelineView

WIDGETS = {
    "graph": "#stage-graph",
    "timeline": "#timeline",
    "logs": "#logs",
    "data": "#data",
    "ai": "#ai-calls",
    "events": "#events",
}


async def shown(app: WorkflowConsole, pilot: Pilot[None], text: str) -> None:
    await until(pilot, lambda: text in screen_text(app), text)


def line_with(app: WorkflowConsole, text: str) -> str:
    return next(line for line in screen_text(app).splitlines() if text in line)


@pytest.mark.parametrize("tab", TABS)
async def test_each_tab_has_its_widget_and_a_deep_link(tab: str) -> None:
    async with opened(told_run(), run=RUN, tab=tab, stage="parse") as (app, pilot):
        await until(pilot, lambda: app.screen.query(WIDGETS[tab]) and app.screen.query_one(WIDGETS[tab]).display, tab)
        for other in ("timeline", "data", "ai", "events"):
            assert other == tab or not app.screen.query(WIDGETS[other]), f"{other} is mounted unasked"
        await until(pilot, lambda: app.focused is app.screen.query_one(WIDGETS[tab]), "the focus")


async def test_the_stage_is_taken_along_from_tab_to_tab() -> None:
    async with opened(told_run(), run=RUN, stage="parse") as (app, pilot):
        screen = app.screen
        assert isinstance(screen, RunScreen)
        await until(pilot, lambda: screen.query_one(GraphView).focused_stage == "parse", "the stage")
        await pilot.press("tab")
        await until(pilot, lambda: screen.query(TimelineView) and screen.stage_under_cursor() == "parse", "its attempt")
        await pilot.press("enter")
        await until(pilot, lambda: screen.query(JsonView) and screen.stage_under_cursor() == "parse", "its values")


async def test_r08_the_timeline_shows_each_attempt_and_folds_with_z() -> None:
    async with opened(told_run(), run=RUN, tab="timeline") as (app, pilot):
        await shown(app, pilot, " #2 ")
        assert "█" in line_with(app, "fetch #1")
        first, second = (line for line in screen_text(app).splitlines() if "#1" in line or "#2" in line if "✗" in line)
        assert first.rstrip().endswith("1.0s")
        assert "·" in second, "the backoff before the second attempt"
        assert "░ queued" in screen_text(app)
        await pilot.press("z")
        await shown(app, pilot, "draws idle time out")
        await pilot.press("G")
        await shown(app, pilot, "AIRateLimited: 429")


async def test_r08_a_line_of_it_stands_under_the_graph_where_there_is_room() -> None:
    async with opened(told_run(), run=RUN) as (app, pilot):
        await shown(app, pilot, "fetch ██")
        line = line_with(app, "fetch ██")
        assert line.count("✗") == 2
    async with opened(told_run(), run=RUN, size=(80, 24)) as (app, pilot):
        await shown(app, pilot, "embed")
        assert "fetch ██" not in screen_text(app)


async def test_r27_the_past_is_one_key_away_and_escape_leaves_it() -> None:
    async with opened(told_run(), run=RUN, tab="events") as (app, pilot):
        await shown(app, pilot, "workflow:failed")
        await pilot.press("[", "[", "[")
        await shown(app, pilot, "as of event 11 of 14")
        assert "↻ retrying" in screen_text(app).splitlines()[1]
        assert "↻ embed" in screen_text(app)
        view = app.screen.query_one(HistoryList)
        assert view.cursor_key == "e11"
        await pilot.press("c")
        await until(pilot, lambda: toasts(app), "a refusal")
        assert "this is the past" in toasts(app)[-1]
        await pilot.press("[", "[", "[", "[")
        await shown(app, pilot, "as of event 7 of 14")
        assert "● ocr" in screen_text(app)
        assert "· embed" in screen_text(app)
        await pilot.press("escape")
        await until(pilot, lambda: "✗ failed" in screen_text(app).splitlines()[1], "now")
        assert isinstance(app.screen, RunScreen)


async def test_r27_later_than_the_last_event_is_now() -> None:
    async with opened(told_run(), run=RUN) as (app, pilot):
        await shown(app, pilot, "fetch ██")
        await pilot.press("[")
        await shown(app, pilot, "as of event 13 of 14")
        await pilot.press("]", "]")
        await until(pilot, lambda: "as of event" not in screen_text(app), "now")


async def test_r27_operators_and_notes_stand_between_the_events() -> None:
    async with opened(told_run(), run=RUN, tab="events") as (app, pilot):
        await shown(app, pilot, "asked the vendor")
        lines = screen_text(app).splitlines()
        order = [next(at for at, line in enumerate(lines) if text in line) for text in
                 ("stage:retrying", "run.retryFailed", "asked the vendor", "workflow:failed")]  # fmt: skip
        assert order == sorted(order)
        assert "ann" in line_with(app, "run.retryFailed")
        assert "after the outage" in line_with(app, "run.retryFailed")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, PagerScreen), "the event, whole")
        await shown(app, pilot, '"type": "workflow:failed"')


async def test_r10_calls_their_sum_what_was_wasted_and_each_in_full() -> None:
    async with opened(told_run(), run=RUN, tab="ai") as (app, pilot):
        await shown(app, pilot, "2 calls")
        totals = line_with(app, "2 calls")
        for part in ("2,400 in", "80 out", "2,048 cached", "wasted $0.040 (2,480 tokens", "(1 failed)"):
            assert part in totals, part
        assert "✗ error" in line_with(app, "embed#1")
        await shown(app, pilot, "Embed part 1")
        await pilot.press("j")
        await shown(app, pilot, "Embed part 2")
        await pilot.press("enter")
        assert app.focused is app.screen.query_one("#ai-call-text")
        await pilot.press("escape")
        assert app.focused is app.screen.query_one(CallList)


async def test_r10_an_unknown_price_is_a_question_mark() -> None:
    gateway = told_run()
    gateway.inspector.ai = [call(1, cost=None)]
    async with opened(gateway, run=RUN, tab="ai") as (app, pilot):
        await shown(app, pilot, "1 without a price")
        assert " ? " in line_with(app, "embed#1")


async def test_r09_values_of_an_earlier_attempt() -> None:
    async with opened(told_run(), run=RUN, tab="data", stage="embed") as (app, pilot):
        await shown(app, pilot, "embed attempt 2 of 2")
        await pilot.press("[")
        await shown(app, pilot, '"1 of 2, failed"')
        assert "embed attempt 1 of 2" in screen_text(app)
        await pilot.press("[")
        await until(pilot, lambda: toasts(app), "the end of the attempts")
        assert toasts(app)[-1] == "embed has no earlier attempt"
        await pilot.press("]")
        await shown(app, pilot, '"2 of 2, failed"')


async def test_r09_artifacts_are_read_and_saved_never_over_another_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "page.md").write_text("mine")
    async with opened(told_run(), run=RUN, tab="data", stage="embed") as (app, pilot):
        view_of = lambda: app.screen.query_one(JsonView)  # noqa: E731
        await shown(app, pilot, "artifacts")
        await until(pilot, lambda: view_of().cursor_path == ("embed",), "the stage")
        while view_of().cursor_path != ("embed", "artifacts"):
            await pilot.press("j")
        await pilot.press("l", "j")
        await until(pilot, lambda: view_of().cursor_path == ("embed", "artifacts", "page.md"), "the artifact")
        await pilot.press("e")
        await until(pilot, lambda: toasts(app), "where it went")
        assert toasts(app)[-1] == f"saved: {tmp_path.resolve() / 'page-2.md'}"
        assert (tmp_path / "page.md").read_text() == "mine"
        assert (tmp_path / "page-2.md").read_bytes() == b"# Page 1\n"
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, PagerScreen), "the pager")
        await shown(app, pilot, "# Page 1")


async def test_r09_more_than_a_megabyte_is_paged() -> None:
    gateway = told_run()
    text = "word " * 300_000
    gateway.inspector.changes[RUN]["output"] = {"text": text, "big": 2**70}
    async with opened(gateway, run=RUN, tab="data") as (app, pilot):
        await shown(app, pilot, "more than 1 MB of JSON")
        await pilot.press("g", "j", "j", "enter")
        await until(pilot, lambda: isinstance(app.screen, PagerScreen), "the pager")
        await shown(app, pilot, "1.5 MB, line 1 of")
        await pilot.press("slash", *"1180591620717411303424", "enter")
        await until(pilot, lambda: "line 1 of" not in screen_text(app), "the exact integer at the end")
        await pilot.press("escape", "escape")
        await until(pilot, lambda: isinstance(app.screen, RunScreen), "the way back")


async def test_key_d_compares_two_attempts_in_data_and_the_last_good_run_elsewhere() -> None:
    gateway = told_run()
    gateway.change(summary(3, RunStatus.COMPLETED))
    async with opened(gateway, run=RUN, tab="data", stage="embed") as (app, pilot):
        await shown(app, pilot, "embed attempt 2 of 2")
        await pilot.press("d")
        await until(pilot, lambda: isinstance(app.screen, DiffScreen), "the attempts side by side")
        await shown(app, pilot, "429 again")
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, RunScreen), "the way back")
        await pilot.press("tab")
        await shown(app, pilot, "2 calls")
        await pilot.press("d")
        await until(pilot, lambda: isinstance(app.screen, DiffScreen), "the runs side by side")
        assert " ok  /  " in screen_text(app)


def test_files_have_tame_names_and_never_replace_one(tmp_path: Path) -> None:
    assert file_name("../../etc/pass\x1bwd") == "etc-pass-wd"
    assert file_name("...") == "export"
    paths = [save("a/b.txt", bytes([n]), tmp_path) for n in range(3)]
    assert [path.name for path in paths] == ["a-b.txt", "a-b-2.txt", "a-b-3.txt"]
    assert [path.read_bytes() for path in paths] == [b"\0", b"\1", b"\2"]
    assert paths[0].stat().st_mode & 0o777 == 0o600


def test_r19_json_to_edit_holds_nothing_that_steers_and_means_the_same() -> None:
    value = {"a\u202e\x9b": "\x1b]52;\u200b caf\u00e9 \u65e5 \U000e0001\ud800", "n": [2**70, 1.5, None, True]}
    text = editable_json(value)
    assert text.replace("\n", "").isprintable()
    assert "caf\u00e9 \u65e5" in text
    assert json.loads(text) == value


def test_what_is_text_and_what_is_large() -> None:
    assert as_text(b"caf\xc3\xa9") == "café"
    assert as_text(b"\x00\x01") is None
    assert as_text(b"\xff\xfe") is None
    assert weight({"a": ["x" * 10]}) < 100
    assert weight(["x" * (LARGE + 1)]) > LARGE


def test_new_events_are_joined_to_the_known_ones() -> None:
    events = told_run().inspector.history
    assert joined_events(events[:10], events[5:]) == tuple(events)
    assert joined_events(events[:4], events[6:]) is None, "there is a gap"
    waiting = [events[0].model_copy(update={"delivery": Delivery.PENDING}), *events[1:10]]
    assert joined_events(waiting, events[5:]) is None, "an old one may have been delivered"


def test_the_sample_is_what_it_says() -> None:
    assert [len(stage.attempts) for stage in failed_run().stages] == [1, 1, 1, 2]
