"""Bulk actions: a frozen set, a canary, a rate, a stop."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from engine.errors import RunNotFound, StoreUnavailable
from wfconsole.bulk import Item, Pace, Report, Skipped, run_bulk


class Deeds:
    def __init__(self, *bad: str) -> None:
        self.done: list[tuple[str, str]] = []
        self.bad = bad

    async def __call__(self, target: str, key: str) -> None:
        if target in self.bad:
            raise RunNotFound(target)
        if target == "skip":
            raise Skipped("nothing to do")
        if target == "away":
            raise StoreUnavailable("gone")
        self.done.append((target, key))


def results(report: Report) -> dict[str, str]:
    return {item.id: item.result for item in report.items}


async def test_every_target_is_acted_on_once_under_its_key() -> None:
    act, seen = Deeds("b"), []
    report = await run_bulk(
        "B", ["a", "b", "skip", "a"], act, Pace(), on_item=lambda item, total: seen.append((item.id, total))
    )
    assert act.done == [("a", "B/a")]
    assert results(report) == {"a": "done", "b": "failed", "skip": "skipped"}
    assert (report.bulk, report.done, report.skipped, report.failed) == ("B", 1, 1, 1)
    assert seen == [("a", 4), ("b", 4), ("skip", 4)]
    assert report.items[1].reason == "no run 'b'"


@pytest.mark.parametrize(("wrong", "went"), [(None, ["a", "b", "c", "d"]), ("it failed again", ["a", "b"])])
async def test_the_rest_goes_only_after_a_canary_that_ended_well(wrong: str | None, went: list[str]) -> None:
    act, asked = Deeds(), []

    async def ended_well(ids: Sequence[str]) -> str | None:
        asked.append((list(ids), len(act.done)))
        return wrong

    report = await run_bulk("B", ["a", "b", "c", "d"], act, Pace(canary=2), ended_well=ended_well)
    assert asked == [(["a", "b"], 2)]
    assert [target for target, _ in act.done] == went
    if wrong:
        assert results(report) == {"a": "done", "b": "done", "c": "skipped", "d": "skipped"}
        assert report.items[2].reason == "stopped: the canary failed: it failed again"


async def test_too_many_failures_stop_it() -> None:
    act = Deeds("a", "b", "c")
    report = await run_bulk("B", ["a", "x", "b", "c", "d"], act, Pace(most_failures=1))
    assert results(report) == {"a": "failed", "x": "done", "b": "failed", "c": "skipped", "d": "skipped"}


async def test_the_database_itself_ends_it() -> None:
    with pytest.raises(StoreUnavailable):
        await run_bulk("B", ["a", "away"], Deeds(), Pace())


async def test_it_keeps_its_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []

    async def pausing(seconds: float) -> None:
        pauses.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", pausing)
    await run_bulk("B", ["a", "b", "c"], Deeds(), Pace.of(3, rate="20/min"))
    assert pauses == [3.0, 3.0]


@pytest.mark.parametrize(
    ("words", "pace"),
    [
        ({}, Pace()),
        ({"canary": 2, "rate": "5/s", "max_failures": "3"}, Pace(2, 0.2, 3)),
        ({"rate": "100/h", "max_failures": "10%"}, Pace(0, 36.0, 20)),
        ({"max_failures": "0"}, Pace(most_failures=0)),
    ],
)
def test_paces_in_words(words: dict[str, object], pace: Pace) -> None:
    assert Pace.of(200, **words) == pace  # type: ignore[arg-type]


@pytest.mark.parametrize("words", [{"rate": "fast"}, {"rate": "0/s"}, {"max_failures": "many"}, {"canary": -1}])
def test_a_pace_that_is_none(words: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"rate|limit|canary"):
        Pace.of(10, **words)  # type: ignore[arg-type]


def test_a_report_counts() -> None:
    report = Report.of("B", [Item(id="a", result="done"), Item(id="b", result="done")])
    assert (report.done, report.skipped, report.failed) == (2, 0, 0)
