"""The JSON tree: lazy, exact, bounded, and it keeps what was opened."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from textual.pilot import Pilot
from view_samples import HOSTILE, WidgetApp, screen_text

from engine.model.json import Json
from wfconsole.tui.widgets.json_view import JsonView


@asynccontextmanager
async def opened(
    sections: dict[str, Json], *, size: tuple[int, int] = (80, 30)
) -> AsyncIterator[tuple[JsonView, Pilot[None]]]:
    view = JsonView(id="data")
    async with WidgetApp(view).run_test(size=size) as pilot:
        view.show(sections)
        await pilot.pause()
        yield view, pilot


def words(view: JsonView) -> list[list[str]]:
    return [line.lstrip("│├└─▶▼ ").split() for line in screen_text(view) if line.strip()]


async def test_sections_start_open_and_what_is_in_them_closed() -> None:
    async with opened({"input": {"url": "a b", "n": 1, "deep": {"x": [1, 2]}}, "output": None}) as (view, _):
        assert words(view) == [
            ["input", "3", "fields"],
            ["url", '"a', 'b"'],
            ["n", "1"],
            ["deep", "1", "field"],
            ["output", "null"],
        ]


async def test_numbers_are_exact() -> None:
    big = 2**70 + 1
    async with opened({"input": {"big": big, "float": 0.1, "yes": True, "huge": 10**5000}}) as (view, _):
        shown = dict(line for line in words(view) if len(line) == 2)
        assert shown["big"] == str(big)
        assert (shown["float"], shown["yes"]) == ("0.1", "true")
        assert shown["huge"].startswith("0x")


async def test_h_and_l_open_and_close() -> None:
    async with opened({"input": {"deep": {"x": {"y": 1}}}}) as (view, pilot):
        await pilot.press("g", "l", "l", "l", "l")
        assert view.cursor_path == ("input", "deep", "x")
        assert ["y", "1"] in words(view)
        await pilot.press("h")
        assert ["y", "1"] not in words(view)
        await pilot.press("h")
        assert view.cursor_path == ("input", "deep")


async def test_children_exist_only_once_looked_at() -> None:
    value = {"rows": [{"n": n} for n in range(10_000)]}
    async with opened({"output": value}) as (view, pilot):
        assert len(view._nodes_below(view.root)) == 2
        await pilot.press("g", "j", "l")
        await pilot.pause()
        assert len(view._nodes_below(view.root)) == 2 + 201
        await pilot.press("G")
        assert ["…", "9,800", "more"] in words(view)
        await pilot.press("l")
        await pilot.pause()
        assert len(view._nodes_below(view.root)) == 2 + 201 + 201
        assert view.cursor_value is value["rows"]


async def test_long_strings_open_into_lines_and_are_cut() -> None:
    text = "first line\nsecond " + "z" * 10_000
    async with opened({"output": {"text": text}}, size=(140, 60)) as (view, pilot):
        assert words(view)[1][:3] == ["text", "10.0", "kB"]
        await pilot.press("g", "j", "l")
        await pilot.pause()
        shown = words(view)
        assert shown[2] == ["first", "line"]
        assert shown[-1] == ["…", "10.0", "kB", "in", "all"]
        assert sum(len("".join(line)) for line in shown) < 4_400
        assert view.cursor_value == text


async def test_a_refresh_keeps_what_is_open_and_the_cursor() -> None:
    before = {"input": {"a": {"b": {"c": 1}}}, "output": None}
    after = {"input": {"a": {"b": {"c": 2}}}, "output": {"d": 4}}
    async with opened(before) as (view, pilot):
        await pilot.press("g", "j", "l", "j", "l")
        await pilot.pause()
        assert ["c", "1"] in words(view)
        view.show(after)
        await pilot.pause()
        assert ["c", "2"] in words(view)
        assert ["d", "4"] not in words(view)
        assert view.cursor_path == ("input", "a", "b")


async def test_the_same_values_change_nothing() -> None:
    async with opened({"input": {"a": 1}}) as (view, _):
        nodes = list(view.root.children)
        view.show({"input": {"a": 1}})
        assert list(view.root.children) == nodes


async def test_hostile_text_is_shown_and_never_sent() -> None:
    async with opened({HOSTILE: {HOSTILE: HOSTILE, "long": HOSTILE * 20}}, size=(200, 40)) as (view, pilot):
        await pilot.press("G", "l")
        await pilot.pause()
        text = "".join(screen_text(view))
        assert "x1b]52" in text
        assert "[/b]" in text
        assert text.isprintable()


async def test_an_empty_tree_takes_every_key() -> None:
    async with opened({}) as (view, pilot):
        await pilot.press("g", "G", "j", "k", "h", "l", "ctrl+d", "ctrl+u")
        assert view.cursor_path is None


async def test_ascii_only_draws_in_ascii() -> None:
    view = JsonView(ascii_only=True)
    async with WidgetApp(view).run_test() as pilot:
        view.show({"input": {"a": {"b": 1}}, "output": [1]})
        await pilot.pause()
        assert all(line.isascii() for line in screen_text(view))
        assert screen_text(view)[0].startswith("- input")
