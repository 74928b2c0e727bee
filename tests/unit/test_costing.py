"""The arithmetic of costs."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wfconsole.costing import Sum, bar, days, month_of, projected, sparkline, split

BERLIN = ZoneInfo("Europe/Berlin")


def spent(runs: int, calls: int, tokens: int, cost: str, unpriced: int = 0) -> Sum:
    return Sum(calls=calls, runs=runs, tokens=tokens, cost=Decimal(cost), unpriced=unpriced)


BASE = spent(10, 20, 20_000, "2.00")


@pytest.mark.parametrize(
    ("now", "owed"),
    [
        (spent(20, 40, 40_000, "4.00"), "runs"),
        (spent(10, 40, 40_000, "4.00"), "calls"),
        (spent(10, 20, 40_000, "4.00"), "tokens"),
        (spent(10, 20, 20_000, "4.00"), "price"),
    ],
)
def test_r26_a_doubling_is_owed_to_the_factor_that_doubled(now: Sum, owed: str) -> None:
    found = split(now, BASE)
    assert found.change == Decimal(2)
    assert getattr(found, owed) == Decimal(2)
    rest = {"runs", "calls", "tokens", "price"} - {owed}
    assert [getattr(found, name) for name in sorted(rest)] == [Decimal(0)] * 3


def test_r26_factors_may_pull_apart() -> None:
    found = split(spent(20, 40, 20_000, "2.00"), BASE)
    assert found.change == 0
    assert found.runs > 0 > found.tokens


def test_r26_what_began_or_ended_is_owed_to_its_runs() -> None:
    assert split(BASE, Sum()).runs == Decimal(2)
    assert split(Sum(), BASE).runs == Decimal(-2)
    assert split(Sum(), Sum()).change == 0


def test_r26_calls_of_no_run_and_without_tokens() -> None:
    found = split(spent(0, 4, 0, "4"), spent(0, 2, 0, "2"))
    assert (found.runs, found.calls, found.change) == (Decimal(0), Decimal(2), Decimal(2))


def test_r10_an_unknown_price_is_said_and_never_zero() -> None:
    assert split(spent(1, 1, 1, "1", unpriced=1), BASE).unpriced
    assert spent(1, 1, 1, "0", unpriced=1).shown_cost is None
    assert spent(1, 1, 1, "0.5", unpriced=1).shown_cost == Decimal("0.5")


amounts = st.builds(
    spent,
    st.integers(0, 10_000),
    st.integers(0, 100_000),
    st.integers(0, 10**9),
    st.decimals(0, 10**6, places=9, allow_nan=False).map(str),
)


@given(now=amounts, before=amounts)
def test_r26_the_parts_always_add_up(now: Sum, before: Sum) -> None:
    found = split(now, before)
    assert found.runs + found.calls + found.tokens + found.price == found.change == now.cost - before.cost


def test_r26_days_are_those_of_the_zone() -> None:
    since = datetime(2026, 10, 24, 22, tzinfo=UTC)
    found = days(since, datetime(2026, 10, 26, 12, tzinfo=UTC), BERLIN)
    assert [day for day, _, _ in found] == [date(2026, 10, 26), date(2026, 10, 25)]
    (_, _, end), (_, first, next_) = found
    assert end == datetime(2026, 10, 26, 12, tzinfo=UTC)
    assert (next_.astimezone(UTC) - first.astimezone(UTC)) == timedelta(hours=25), "the night the clocks go back"


def test_a_long_time_is_cut_to_the_newest_days() -> None:
    found = days(datetime(2020, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC), UTC)
    assert (len(found), found[0][0]) == (120, date(2025, 12, 31))


def test_r10_the_month_so_far_goes_on_as_it_went() -> None:
    now = datetime(2026, 11, 16, tzinfo=UTC)
    assert projected(Decimal(15), now, UTC) == Decimal(30)
    assert month_of(now, UTC) == (datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC))
    assert month_of(datetime(2026, 12, 31, 23, 30, tzinfo=UTC), BERLIN)[0].date() == date(2027, 1, 1)


def test_bars_and_sparklines() -> None:
    assert bar(Decimal(1), Decimal(1), 4) == "████"
    assert bar(Decimal(1), Decimal(2), 4) == "██"
    assert bar(Decimal("0.0001"), Decimal(9), 4) == "▏"
    assert bar(Decimal(0), Decimal(9), 4) == bar(Decimal(1), Decimal(0), 4) == ""
    assert bar(Decimal(1), Decimal(2), 4, ascii_only=True) == "##"
    assert sparkline([Decimal(0), Decimal(1), Decimal(2)]) == "▁▅█"
    assert sparkline([]) == ""
    assert sparkline([Decimal(0)] * 3) == "▁▁▁"
    assert sparkline([Decimal(0), Decimal(2)], ascii_only=True) == ".#"
