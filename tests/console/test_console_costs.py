"""Place 3: costs by day, workflow, stage, model and topic; the month; the period before; unknown prices."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from console_pilot import opened, screen_text, toasts, until
from console_samples import NOON
from fake_gateway import FakeGateway
from fake_places import FakeCall
from textual.pilot import Pilot

from wfconsole.settings import Settings
from wfconsole.tui.app import WorkflowConsole
from wfconsole.tui.screens.costs import CostsScreen
from wfconsole.tui.widgets.filter_bar import FilterBar
from wfconsole.tui.widgets.line_table import LineTable

WHY = ["Why", "does", "it", "rain?"]
LONG_AGO = NOON - timedelta(days=40)


def gateway(*calls: FakeCall) -> FakeGateway:
    found = FakeGateway()
    found.inspector.paid = calls or (
        FakeCall(run="r1"),
        FakeCall(run="r2", model="acme/unknown", cost=None),
        FakeCall(run="r3", stage="ocr", cost=Decimal("0.30"), error=True),
        FakeCall(run="r4", workflow="invoice-extract", at=NOON - timedelta(days=1), cost=Decimal("1.50")),
        FakeCall(run="r5", at=LONG_AGO, cost=Decimal("0.20")),
    )
    return found


async def sheet(app: WorkflowConsole, pilot: Pilot[None], level: str, keys: list[str] | None = None) -> LineTable:
    table = app.screen.query_one("#costs", LineTable)
    await until(pilot, lambda: f"by {level}" in screen_text(app), f"the sheet by {level}")
    if keys is not None:
        await until(pilot, lambda: [row.key for row in table.rows] == keys, f"rows {keys}")
    await pilot.pause()
    return table


def row(app: WorkflowConsole, key: str) -> list[str]:
    return next(line for line in screen_text(app).splitlines() if key in line[:50]).replace("▸", " ").split()


async def test_r10_days_the_month_and_what_it_comes_to() -> None:
    async with opened(gateway(), place="costs") as (app, pilot):
        table = await sheet(app, pilot, "day")
        assert len(table.rows) == 30
        assert [one.key for one in table.rows[:2]] == ["2026-11-23", "2026-11-22"]
        day, bar, cost, wasted, calls, failed, runs, tokens = row(app, "2026-11-22")
        assert (day, cost, wasted, calls, failed, runs, tokens) == ("2026-11-22", "$1.50", "-", "1", "-", "1", "1,000")
        assert set(bar) == {"█"}
        shown = screen_text(app)
        assert "today $0.400 +?" in shown
        assert "month $1.90 +? → $2.53 projected" in shown
        assert "1 calls without a known price" in shown


async def test_r10_an_unknown_price_is_a_question_mark_and_never_zero() -> None:
    async with opened(gateway(FakeCall(cost=None)), place="costs") as (app, pilot):
        await sheet(app, pilot, "day")
        assert "?" in row(app, "2026-11-23")
        shown = screen_text(app)
        assert "today ?" in shown
        assert "$0" not in shown.replace("$0.118", "").replace("$38.21 today", "")


async def test_r26_enter_goes_from_the_day_to_the_topic_and_escape_back() -> None:
    async with opened(gateway(), place="costs") as (app, pilot):
        await sheet(app, pilot, "day")
        await pilot.press("enter")
        await sheet(app, pilot, "workflow", ["summarise-docs"])
        await pilot.press("enter")
        await sheet(app, pilot, "stage", ["ocr", "embed"])
        await pilot.press("j", "enter")
        await sheet(app, pilot, "model", ["openai/small", "acme/unknown"])
        assert row(app, "acme/unknown")[1] == "?"
        await pilot.press("enter")
        await sheet(app, pilot, "topic", ["t"])
        assert "› 2026-11-23 › summarise-docs › embed › openai/small" in screen_text(app)
        await pilot.press("enter")
        await sheet(app, pilot, "call", ["a0"])
        assert row(app, "11-23 12:03:33")[2:] == ["r1", "✓", "ok", "1,000", "0", "812ms", "$0.100", *WHY]
        await pilot.press("enter")
        await until(pilot, lambda: "Because it does." in screen_text(app), "one call, whole")
        assert "wfconsole ai show a0" in screen_text(app)
        await pilot.press("escape", "escape", "escape")
        table = await sheet(app, pilot, "model", ["openai/small", "acme/unknown"])
        await pilot.press("escape")
        table = await sheet(app, pilot, "stage", ["ocr", "embed"])
        await until(pilot, lambda: table.cursor_key == "embed", "the cursor where it was")


async def test_key_v_turns_the_view() -> None:
    async with opened(gateway(), place="costs") as (app, pilot):
        await sheet(app, pilot, "day")
        for level in ("workflow", "stage", "model", "topic", "day"):
            await pilot.press("v")
            await sheet(app, pilot, level)


async def test_r26_d_splits_what_changed_against_the_period_before() -> None:
    before = [FakeCall(at=LONG_AGO, run=f"b{number}") for number in range(2)]
    now = [FakeCall(run=f"n{number}") for number in range(4)]
    async with opened(gateway(*before, *now), place="costs") as (app, pilot):
        await sheet(app, pilot, "day")
        await pilot.press("d")
        await sheet(app, pilot, "workflow", ["summarise-docs"])
        await until(pilot, lambda: "against the period before" in screen_text(app), "the split")
        shown = screen_text(app)
        assert "+$0.200  =  runs +$0.200  calls a run -  tokens a call -  price -" in shown
        assert row(app, "summarise-docs") == [
            *["summarise-docs", "$0.200", "$0.400", "+$0.200"],
            *["+$0.200", "-", "-", "-"],
        ]
        await pilot.press("escape")
        await sheet(app, pilot, "day")


async def test_r26_days_begin_where_the_header_s_clock_says() -> None:
    late = FakeCall(at=NOON.replace(hour=23, minute=30) - timedelta(days=1))
    settings = Settings(db="sqlite:///demo.db", tz="Europe/Berlin", theme="dark")
    async with opened(gateway(late), place="costs", settings=settings) as (app, pilot):
        await sheet(app, pilot, "day")
        assert "$0.100" in row(app, "2026-11-23"), "half past midnight there"
        assert "$0.100" not in row(app, "2026-11-22")


async def test_key_slash_narrows_to_a_time() -> None:
    async with opened(gateway(), place="costs") as (app, pilot):
        await sheet(app, pilot, "day")
        await pilot.press("/", *"since:2026-11-22", "enter")
        table = await sheet(app, pilot, "day")
        await until(pilot, lambda: len(table.rows) == 2, "two days")
        await pilot.press("/", *" nope:1", "enter")
        await until(pilot, lambda: "unknown field" in screen_text(app), "what is wrong")
        await pilot.press("escape", "escape")
        await until(pilot, lambda: not app.screen.query_one(FilterBar).text, "no filter")


async def test_r15_without_calls_it_says_what_makes_them() -> None:
    found = gateway()
    found.inspector.paid = ()
    async with opened(found, place="costs") as (app, pilot):
        await sheet(app, pilot, "day")
        await pilot.press("v")
        await until(pilot, lambda: "Stages call models through ctx.ai" in screen_text(app), "the empty state")


async def test_key_e_exports_and_never_over_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    calls = (FakeCall(model="=cmd()"), FakeCall(model="b", cost=Decimal("0.000000001")))
    async with opened(gateway(*calls), place="costs") as (app, pilot):
        await sheet(app, pilot, "day")
        await pilot.press("v", "v", "v")
        await sheet(app, pilot, "model", ["=cmd()", "b"])
        await pilot.press("e", "e")
        await until(pilot, lambda: len(toasts(app)) == 2, "two files")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["costs-by-model-2.csv", "costs-by-model.csv"]
    text = (tmp_path / "costs-by-model.csv").read_text().splitlines()
    assert text[1].startswith("'=cmd(),1,1,0,1000,0.10")
    assert text[2].startswith("b,1,1,0,1000,1E-9") or "0.000000001" in text[2]


async def test_the_same_question_is_not_put_again_at_once() -> None:
    found = gateway()
    asked: list[Any] = []
    known = found.inspector.costs

    async def costs(*given: Any, **more: Any) -> Any:
        asked.append(given)
        return await known(*given, **more)

    found.inspector.costs = costs  # type: ignore[method-assign]
    async with opened(found, place="costs") as (app, pilot):
        await sheet(app, pilot, "day")
        screen = app.screen
        assert isinstance(screen, CostsScreen)
        first = len(asked)
        before = found.inspector.asked
        found.change()
        await until(pilot, lambda: found.inspector.asked > before, "another look")
        await pilot.pause()
        assert len(asked) == first, "sums are read at most every two seconds"


async def test_r10_budgets_have_a_bar() -> None:
    settings = Settings(db="sqlite:///demo.db", tz="utc", theme="dark", budgets={"day": "0.50", "workflow": "0.40"})
    async with opened(gateway(), place="costs", settings=settings) as (app, pilot):
        await sheet(app, pilot, "day")
        await until(pilot, lambda: "$0.400 of $0.500" in screen_text(app), "the budget of the day")
        line = next(text for text in screen_text(app).splitlines() if "budget a day" in text)
        assert "today ████████████▊░░░ $0.400 of $0.500" in line
        assert "summarise-docs ████████████████ $0.400 of $0.400" in line


async def test_r26_calls_under_way_and_failed_ones_say_so() -> None:
    calls = (FakeCall(error=True), FakeCall(cost=None, run="r2"))
    async with opened(gateway(*calls), place="costs") as (app, pilot):
        await sheet(app, pilot, "day")
        for level in ("workflow", "stage", "model", "topic", "call"):
            await pilot.press("enter")
            await sheet(app, pilot, level)
        await until(pilot, lambda: "✗ error" in screen_text(app), "the failed call")
        assert "AIRateLimited: 429" in screen_text(app)
        assert "?" in row(app, "11-23 12:03:33  r2")
