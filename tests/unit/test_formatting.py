"""How values look."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from types import SimpleNamespace
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from engine.inspector.views import RunSummary, StageView
from engine.model.status import RunStatus, StageStatus
from wfconsole import formatting
from wfconsole.formatting import STATUS, UNREACHED

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
BERLIN_IN_WINTER = timezone(timedelta(hours=1))


@pytest.mark.parametrize("mark", [*STATUS.values(), UNREACHED], ids=lambda mark: mark.key)
def test_signs_take_one_cell(mark: formatting.StatusMark) -> None:
    assert cell_len(mark.glyph) == 1
    assert len(mark.ascii) == 1
    assert mark.ascii.isascii()
    assert mark.label(ascii_only=True) == f"{mark.ascii} {mark.word}"


def test_signs_and_words_tell_states_apart() -> None:
    marks = STATUS.values()
    assert len({mark.glyph for mark in marks}) == len(STATUS)
    assert len({mark.ascii for mark in marks}) == len(STATUS)
    assert len({mark.word for mark in marks}) == len(STATUS)


def run_like(status: RunStatus, **facts: object) -> RunSummary:
    usual = {"waiting": False, "retry_at": None, "started_at": None, "duration_ms": None}
    return cast("RunSummary", SimpleNamespace(status=status, **(usual | facts)))


def test_every_run_and_stage_state_has_its_mark() -> None:
    for status in RunStatus:
        assert formatting.state_of(run_like(status)) in STATUS
    for stage_status in StageStatus:
        stage = cast("StageView", SimpleNamespace(status=stage_status, retry_at=None))
        assert formatting.stage_state(stage) in STATUS


def test_states_that_are_not_stored_come_from_facts() -> None:
    assert formatting.state_of(run_like(RunStatus.RUNNING, retry_at=NOW)) == "RETRYING"
    assert formatting.state_of(run_like(RunStatus.RUNNING, waiting=True)) == "WAITING"
    assert formatting.state_of(run_like(RunStatus.FAILED, retry_at=NOW, waiting=True)) == "FAILED"
    backoff = cast("StageView", SimpleNamespace(status=StageStatus.PENDING, retry_at=NOW))
    assert formatting.stage_state(backoff) == "RETRYING"
    suspended = cast("StageView", SimpleNamespace(status=StageStatus.SUSPENDED, retry_at=None))
    assert formatting.stage_state(suspended) == "WAITING"


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0s"), (-5, "0s"), (59.9, "59s"), (60, "1m"), (3_600, "1h"), (86_400, "1d"), (9e6, "104d")],
)
def test_age(seconds: float, shown: str) -> None:
    assert formatting.age(NOW - timedelta(seconds=seconds), NOW) == shown


@pytest.mark.parametrize(
    ("ms", "shown"),
    [
        (None, "-"), (0, "0ms"), (812, "812ms"), (999, "999ms"), (1_000, "1.0s"), (5_299, "5.2s"),
        (9_999, "9.9s"), (42_000, "42s"), (72_000, "1m12s"),
        (3_599_999, "59m59s"), (11_040_000, "3h04m"), (172_800_000, "2d"),
    ],
)  # fmt: skip
def test_duration(ms: int | None, shown: str) -> None:
    assert formatting.duration(ms) == shown


@given(st.integers(0, 86_400_000_000 - 1))
def test_times_fit_their_columns(ms: int) -> None:
    assert len(formatting.duration(ms)) <= 6
    assert len(formatting.age(NOW - timedelta(milliseconds=ms), NOW)) <= 4


def test_a_running_run_s_time_goes_on() -> None:
    started = NOW - timedelta(seconds=5)
    assert formatting.run_ms(run_like(RunStatus.RUNNING, started_at=started, duration_ms=1), NOW) == 5_000
    assert formatting.run_ms(run_like(RunStatus.FAILED, started_at=started, duration_ms=1), NOW) == 1
    assert formatting.run_ms(run_like(RunStatus.PENDING), NOW) is None


@pytest.mark.parametrize(
    ("amount", "shown"),
    [
        (None, "?"), ("0", "-"), ("0.000", "-"), ("0.0004", "<$0.001"), ("0.412", "$0.412"),
        ("0.9996", "$1.00"), ("1.5", "$1.50"), ("38.21", "$38.21"), ("1234.5", "$1,234"), ("-0.5", "-$0.500"),
    ],
)  # fmt: skip
def test_money(amount: str | None, shown: str) -> None:
    assert formatting.money(None if amount is None else Decimal(amount)) == shown


def test_nothing_spent_can_read_otherwise() -> None:
    assert formatting.money(Decimal(0), zero="$0") == "$0"


@pytest.mark.parametrize(
    ("number", "shown"),
    [(0, "0 B"), (999, "999 B"), (1_000, "1.0 kB"), (12_345, "12.3 kB"), (999_949, "999.9 kB"),
     (999_950, "1.0 MB"), (4_000_000_000, "4.0 GB"), (5 * 10**16, "50000.0 TB")],
)  # fmt: skip
def test_size(number: int, shown: str) -> None:
    assert formatting.size(number) == shown


def test_count() -> None:
    assert formatting.count(8_120) == "8,120"


def test_clock_follows_the_mode() -> None:
    moment = NOW - timedelta(minutes=4)
    assert formatting.clock(moment, BERLIN_IN_WINTER, "local", now=NOW) == "12:56:00"
    assert formatting.clock(moment, BERLIN_IN_WINTER, "utc", now=NOW) == "11:56:00"
    assert formatting.clock(moment, BERLIN_IN_WINTER, "relative", now=NOW) == "4m"
    assert formatting.clock(moment, BERLIN_IN_WINTER, "relative") == "12:56:00"
    assert formatting.clock(NOW - timedelta(days=2), None, "utc", now=NOW) == "02-27"
    assert formatting.clock(NOW - timedelta(days=90), None, "utc", now=NOW) == "2025-12-01"
    assert formatting.clock(None, None, "utc") == "-"


def test_short_ids_tell_runs_apart() -> None:
    assert formatting.short_id("abcdefghijkl") == "abcdefgh"
    assert formatting.short_id("abcdefghijkl", ["abcdefghixyz", "abcdefghijkl", "zzz"]) == "abcdefghij"
    assert formatting.short_id("abc", ["abd"]) == "abc"
