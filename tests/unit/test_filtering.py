"""The filter grammar, term by term."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.model.criteria import RunFilter
from wfconsole.filtering import (
    FIELDS,
    STATUS_WORDS,
    FilterError,
    parse_duration,
    parse_filter,
    parse_moment,
    parse_terms,
)

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")


def read(text: str) -> RunFilter:
    return parse_filter(text, now=NOW, tz=UTC)


def test_no_text_matches_everything() -> None:
    assert read("  ") == RunFilter()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("status:failed", RunFilter(status=("FAILED",))),
        ("STATUS:Ok,Queued", RunFilter(status=("COMPLETED", "PENDING"))),
        ("status:RETRYING,waiting", RunFilter(status=("RETRYING", "WAITING"))),
        ("-status:ok", RunFilter(not_status=("COMPLETED",))),
        (
            "wf:summarise,import -wf:digest",
            RunFilter(workflow_id=("summarise", "import"), not_workflow_id=("digest",)),
        ),
        ("stage:embed", RunFilter(stage_id=("embed",))),
        ("id:7f3a,8b", RunFilter(ids=("7f3a", "8b"))),
        ("key:doc:8812", RunFilter(key=("doc:8812",))),
        ("code:CRASH_LIMIT fp:ab12", RunFilter(code=("CRASH_LIMIT",), fingerprint=("ab12",))),
        ('error:"rate limited"', RunFilter(error=("rate limited",))),
        ('error:"a,b",c', RunFilter(error=("a,b", "c"))),
        ("invoice", RunFilter(text=("invoice",))),
        ("-invoice", RunFilter(not_text=("invoice",))),
        ('"two words" third', RunFilter(text=("two words", "third"))),
        ('"status:failed"', RunFilter(text=("status:failed",))),
        (r'"say \"hi\""', RunFilter(text=('say "hi"',))),
        ("-", RunFilter(text=("-",))),
        ("cost:>=0.05", RunFilter(min_cost=Decimal("0.05"))),
        ("cost:<=$2", RunFilter(max_cost=Decimal(2))),
        (
            "dur:>=1h30m dur:<=2d",
            RunFilter(min_duration=timedelta(minutes=90), max_duration=timedelta(days=2)),
        ),
        ("model:openai/gpt-4o,sonnet", RunFilter(model=("openai/gpt-4o", "sonnet"))),
        ("bulk:7f", RunFilter(bulk=("7f",))),
        ("idle:>=5m idle:<=1h", RunFilter(min_idle=timedelta(minutes=5), max_idle=timedelta(hours=1))),
        ("attempt:>1 attempt:<5", RunFilter(min_attempt=2, max_attempt=4)),
        ("-stage:embed,ocr", RunFilter(excluding=(RunFilter(stage_id=("embed", "ocr")),))),
        (
            "-cost:>=2 -since:2h",
            RunFilter(excluding=(RunFilter(min_cost=Decimal(2)), RunFilter(since=NOW - timedelta(hours=2)))),
        ),
        ("since:2h", RunFilter(since=NOW - timedelta(hours=2))),
        ("ended:1d", RunFilter(ended_since=NOW - timedelta(days=1))),
        ("until:2026-11-23T02:10:00Z", RunFilter(until=datetime(2026, 11, 23, 2, 10, tzinfo=UTC))),
    ],
)
def test_a_term_becomes_its_field(text: str, expected: RunFilter) -> None:
    assert read(text) == expected


def test_more_than_and_less_than_leave_the_bound_out() -> None:
    assert (read("cost:>1").min_cost or 0) > 1
    assert (read("cost:<1").max_cost or 1) < 1
    assert read("dur:>1s").min_duration == timedelta(seconds=1, milliseconds=1)
    assert read("dur:<1s").max_duration == timedelta(milliseconds=999)


def test_terms_are_anded() -> None:
    assert read("status:failed,ok status:ok,running").status == ("COMPLETED",)
    assert read("since:1h since:2h").since == NOW - timedelta(hours=1)
    assert read("until:1h until:2h").until == NOW - timedelta(hours=2)
    assert read("cost:>=1 cost:>=3").min_cost == 3


def test_statuses_that_exclude_each_other_match_nothing() -> None:
    assert read("status:failed status:ok").ids == ()


def test_dates_and_clock_times_are_those_of_the_zone() -> None:
    there = parse_filter("since:2026-11-23 until:02:10", now=NOW, tz=BERLIN)
    assert there.since == datetime(2026, 11, 22, 23, 0, tzinfo=UTC)
    assert there.until == datetime(2026, 11, 23, 1, 10, tzinfo=UTC)


def test_a_clock_time_lies_in_the_past_or_ahead_as_asked() -> None:
    assert parse_moment("13:00", now=NOW, tz=UTC) == datetime(2026, 11, 22, 13, 0, tzinfo=UTC)
    assert parse_moment("13:00", now=NOW, tz=UTC, future=True) == datetime(2026, 11, 23, 13, 0, tzinfo=UTC)
    assert parse_moment("11:00", now=NOW, tz=UTC, future=True) == datetime(2026, 11, 24, 11, 0, tzinfo=UTC)
    assert parse_moment("2h", now=NOW, tz=UTC, future=True) == NOW + timedelta(hours=2)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("stauts:failed", "nearest is status:"),
        ("http://example.org", "quote"),
        ("status:faild", "nearest is failed"),
        ("idle:5m", "as in idle:>30s"),
        ("attempt:2", "as in attempt:>1"),
        ("attempt:>two", "no number of attempts"),
        ("-cost:>many", "no amount"),
        ("-stage:", "a value is missing"),
        ("cost:5", "compare with"),
        ("cost:>many", "no amount"),
        ("cost:>NaN", "no amount"),
        ("dur:>5", "no duration"),
        ("since:soon", "no time"),
        ("since:25:99", "no time"),
        ("since:1h,2h", "takes one value"),
        ("since:99999999999d", "no time"),
        ("status:", "a value is missing"),
        ("status:a,,b", "a value is missing"),
        ('error:"open', "left open"),
        ("id:a id:b", "given twice"),
        ("foo,bar", "alternatives need a field"),
    ],
)
def test_what_cannot_be_read_is_said_in_one_line(text: str, said: str) -> None:
    with pytest.raises(FilterError, match=r"^[^\n]*$") as caught:
        read(text)
    assert said in str(caught.value)
    assert caught.value.term


def test_durations() -> None:
    assert parse_duration("1h30m") == timedelta(minutes=90)
    assert parse_duration("250ms") == timedelta(milliseconds=250)
    assert parse_duration("1.5s") == timedelta(milliseconds=1500)
    for wrong in ("", "5", "h", "1h x", "-1h", "1 h"):
        with pytest.raises(ValueError, match="no duration"):
            parse_duration(wrong)


@given(st.text(max_size=60))
def test_any_text_gives_a_filter_or_a_filter_error(text: str) -> None:
    with contextlib.suppress(FilterError):
        assert isinstance(read(text), RunFilter)


@pytest.mark.parametrize("field", FIELDS)
def test_every_term_of_the_grammar_can_be_asked_for_and_negated(field: str) -> None:
    value = {"status": "failed", "cost": ">1", "dur": ">1s", "idle": ">1s", "attempt": ">1"}.get(field, "2h")
    assert read(f"{field}:{value}") != RunFilter()
    assert read(f"-{field}:{value}") not in (RunFilter(), read(f"{field}:{value}"))


@given(st.text(min_size=1, max_size=30))
def test_a_quoted_text_is_searched_for_as_it_stands(text: str) -> None:
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    assert read(f'"{quoted}"').text == (text,)


@given(st.sampled_from(FIELDS), st.sampled_from(sorted(STATUS_WORDS)))
def test_terms_keep_field_and_value(field: str, value: str) -> None:
    (term,) = parse_terms(f"{field}:{value}")
    assert (term.field, term.values, term.negated) == (field, (value,), False)
