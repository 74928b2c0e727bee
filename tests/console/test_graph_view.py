"""The stage graph widget: focus by keys and mouse, kept over refreshes, painted where it changed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from textual.pilot import Pilot
from view_samples import COLOURS, HOSTILE, NOW, WidgetApp, detail, screen_text, stage

from engine.inspector.views import RunDetail
from engine.model.status import StageStatus
from wfconsole.tui.widgets.graph_view import GraphView

GROUPS = [["fetch"], ["ocr", "parse", "scan"], ["report"]]


def going(**changes: object) -> RunDetail:
    return detail(
        GROUPS,
        [
            stage("fetch", 0, StageStatus.COMPLETED, duration_ms=812),
            stage("ocr", 1, StageStatus.COMPLETED, duration_ms=2_100),
            stage("parse", 1, StageStatus.RUNNING, **changes),
            stage("scan", 1, StageStatus.PENDING),
        ],
    )


@asynccontextmanager
async def opened(
    run: RunDetail, *, size: tuple[int, int] = (100, 12)
) -> AsyncIterator[tuple[GraphView, Pilot[None], WidgetApp]]:
    view = GraphView(id="stage-graph")
    app = WidgetApp(view)
    async with app.run_test(size=size, message_hook=app.hear) as pilot:
        view.show(run, NOW)
        await pilot.pause()
        yield view, pilot, app


async def test_it_draws_the_plan_with_what_is_known() -> None:
    async with opened(going()) as (view, _, _):
        assert screen_text(view)[:9] == [
            "┌─────────────┐     ┌─────────────┐     ┌──────────────┐",
            "│✓ fetch 812ms│──┬─▶│✓ ocr    2.1s│──┬─▶│· report      │",
            "└─────────────┘  │  └─────────────┘  │  └──────────────┘",
            "                 │  ┏━━━━━━━━━━━━━┓  │",
            "                 ├─▶┃● parse   30s┃──┤",
            "                 │  ┗━━━━━━━━━━━━━┛  │",
            "                 │  ┌─────────────┐  │",
            "                 └─▶│◌ scan       │──┘",
            "                    └─────────────┘",
        ]


async def test_the_focus_begins_where_something_happens_and_moves_by_keys() -> None:
    async with opened(going()) as (view, pilot, app):
        assert view.focused_stage == "parse"
        for key, stage_id in [
            ("j", "scan"),
            ("j", "scan"),
            ("k", "parse"),
            ("l", "report"),
            ("h", "ocr"),
            ("left", "fetch"),
            ("left", "fetch"),
            ("G", "report"),
            ("g", "fetch"),
        ]:
            await pilot.press(key)
            assert view.focused_stage == stage_id
        await pilot.press("enter")
        assert [message.stage_id for message in app.heard(GraphView.Opened)] == ["fetch"]
        told = [message.stage_id for message in app.heard(GraphView.Focused)]
        assert told == ["parse", "scan", "parse", "report", "ocr", "fetch", "report", "fetch"]


async def test_the_focus_survives_a_refresh() -> None:
    async with opened(going()) as (view, pilot, app):
        await pilot.press("l")
        view.show(going(progress=0.5), NOW + timedelta(seconds=3))
        await pilot.pause()
        assert view.focused_stage == "report"
        assert "50%" in screen_text(view)[4]
        assert [message.stage_id for message in app.heard(GraphView.Focused)] == ["parse", "report"]


async def test_only_changed_lines_are_painted(monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(going()) as (view, _, _):
        asked: list[int] = []
        monkeypatch.setattr(view, "refresh_line", asked.append)
        view.show(going(), NOW)
        assert asked == []
        view.show(going(), NOW + timedelta(seconds=1))
        assert asked == [4]


async def test_a_click_focuses_and_a_double_click_opens() -> None:
    async with opened(going()) as (view, pilot, app):
        await pilot.click("#stage-graph", offset=(25, 7))
        assert view.focused_stage == "scan"
        await pilot.click("#stage-graph", offset=(60, 10))
        assert view.focused_stage == "scan"
        await pilot.double_click("#stage-graph", offset=(5, 1))
        assert [message.stage_id for message in app.heard(GraphView.Opened)] == ["fetch"]


async def test_states_have_the_theme_s_colours() -> None:
    async with opened(going()) as (view, _, _):
        mark = next(part for part in view.render_line(4) if part.text == "●")
        assert mark.style is not None
        assert mark.style.color is not None
        assert mark.style.color.get_truecolor().hex == COLOURS["status-running"]


async def test_narrow_it_is_a_tree_and_all_stages_are_along() -> None:
    async with opened(going(), size=(30, 12)) as (view, pilot, _):
        assert view.drawn.kind == "tree"
        await pilot.press("g")
        walked = [view.focused_stage]
        for _ in range(4):
            await pilot.press("j")
            walked.append(view.focused_stage)
        assert walked == ["fetch", "ocr", "parse", "scan", "report"]


async def test_the_focused_box_is_scrolled_into_sight() -> None:
    groups = [["start"], [f"part-{n}" for n in range(20)]]
    async with opened(detail(groups, []), size=(80, 10)) as (view, pilot, _):
        view.focused_stage = "part-19"
        assert view.toggle_fold()
        await pilot.pause()
        assert any("part-19" in line for line in screen_text(view))


async def test_hostile_names_are_shown_and_never_sent() -> None:
    async with opened(detail([[HOSTILE], ["b"]], []), size=(200, 12)) as (view, pilot, _):
        await pilot.resize_terminal(60, 12)
        text = "".join(screen_text(view))
        assert "x1b]52" in text
        assert text.isprintable()


async def test_a_run_without_stages_says_so() -> None:
    async with opened(detail([], [])) as (view, pilot, _):
        view.empty_text = "No stages"
        await pilot.press("j", "l", "g", "enter")
        assert screen_text(view)[0] == " No stages"
        assert view.focused_stage is None


async def test_r07_a_large_group_is_folded_and_z_opens_it() -> None:
    groups = [["start"], [f"part-{n}" for n in range(20)], ["end"]]
    stages = [stage("start", 0, StageStatus.COMPLETED)]
    stages += [stage(f"part-{n}", 1, StageStatus.FAILED if n == 7 else StageStatus.COMPLETED) for n in range(20)]
    async with opened(detail(groups, stages), size=(100, 30)) as (view, pilot, _):
        text = "\n".join(screen_text(view))
        assert "part x20 (19 ok, 1 failed)" in text
        assert view.focused_stage == "part-7", "the folded group stands for the stage worst off"
        await pilot.press("h", "l")
        assert view.focused_stage == "part-7"
        assert view.toggle_fold()
        view.show(detail(groups, stages), NOW)
        assert "part-19" in view.drawn.boxes
        assert view.toggle_fold()
        assert set(view.drawn.boxes) == {"start", "part-7", "end"}
        await pilot.press("l")
        assert view.focused_stage == "end"
        assert not view.toggle_fold(), "a stage that is alone has nothing to fold"
