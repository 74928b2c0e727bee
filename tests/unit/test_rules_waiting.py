"""Rules for when something is tried or asked again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from engine import RetryPolicy
from engine.kernel.rules.polling import after_error, deadline_passed, next_poll
from engine.kernel.rules.retry import GIVE_UP, Again, after_failure, backoff

NOW = datetime(2025, 1, 1, tzinfo=UTC)
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
STEADY = RetryPolicy(jitter=False)


@pytest.mark.parametrize(
    ("tries", "seconds"), [(1, 1), (2, 2), (3, 4), (6, 32), (7, 60), (8, 60), (64, 60), (100, 60), (10_000, 60)]
)
def test_backoff_doubles_up_to_its_cap(tries: int, seconds: float) -> None:
    assert backoff(STEADY, tries, 0.0) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("policy", "tries", "seconds"),
    [
        (RetryPolicy(initial_delay=timedelta(0), jitter=False), 5, 0),
        (RetryPolicy(initial_delay=5 * SECOND, multiplier=1.0, jitter=False), 9, 5),
        (RetryPolicy(initial_delay=SECOND, multiplier=10.0, max_delay=timedelta(days=9), jitter=False), 4, 1000),
        (RetryPolicy(initial_delay=MINUTE, max_delay=SECOND, jitter=False), 1, 1),
        (RetryPolicy(multiplier=1e300, jitter=False), 2, 60),
        (RetryPolicy(multiplier=1e300, jitter=False), 50, 60),
        (RetryPolicy(initial_delay=timedelta(0), multiplier=1e300, jitter=False), 50, 0),
        (RetryPolicy(initial_delay=timedelta.max, max_delay=timedelta.max, jitter=False), 9, 36_500 * 86_400),
    ],
)
def test_backoff_follows_the_policy(policy: RetryPolicy, tries: int, seconds: float) -> None:
    assert backoff(policy, tries, 0.5) == timedelta(seconds=seconds)


@pytest.mark.parametrize(("draw", "seconds"), [(0.0, 0), (0.25, 1), (1.0, 4)])
def test_jitter_draws_from_nothing_to_the_whole_pause(draw: float, seconds: float) -> None:
    assert backoff(RetryPolicy(), 3, draw) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("tries", "retryable", "answer"),
    [
        (1, True, Again(SECOND)),
        (2, True, Again(2 * SECOND)),
        (3, True, GIVE_UP),
        (4, True, GIVE_UP),
        (1, False, GIVE_UP),
    ],
)
def test_after_failure(tries: int, retryable: bool, answer: Again | None) -> None:
    assert after_failure(STEADY, tries=tries, retryable=retryable, draw=lambda: 0.0) == answer


@pytest.mark.parametrize(
    ("asked_for", "pause"),
    [(5 * MINUTE, 5 * MINUTE), (timedelta(0), SECOND), (-SECOND, SECOND), (timedelta.max, 60 * MINUTE)],
)
def test_who_refused_may_ask_for_time(asked_for: timedelta, pause: timedelta) -> None:
    assert after_failure(STEADY, tries=1, retryable=True, draw=lambda: 0.0, wait=asked_for) == Again(pause)
    assert after_failure(STEADY, tries=3, retryable=True, draw=lambda: 0.0, wait=asked_for) is GIVE_UP


@pytest.mark.parametrize(
    ("asked_for", "every", "pause"),
    [
        (5 * SECOND, MINUTE, 5 * SECOND),
        (timedelta(0), MINUTE, timedelta(0)),
        (None, 30 * SECOND, 30 * SECOND),
        (None, timedelta(0), timedelta(0)),
        (None, None, MINUTE),
        (timedelta.max, MINUTE, timedelta(days=36_500)),
    ],
)
def test_next_poll(asked_for: timedelta | None, every: timedelta | None, pause: timedelta) -> None:
    assert next_poll(NOW, asked_for, every) == NOW + pause


@pytest.mark.parametrize(("until", "passed"), [(None, False), (NOW + SECOND, False), (NOW, True), (NOW - SECOND, True)])
def test_deadline_passed(until: datetime | None, passed: bool) -> None:
    assert deadline_passed(NOW, until) is passed


@pytest.mark.parametrize(("errors", "seconds"), [(1, 5), (2, 10), (3, 20), (4, 40), (5, None), (6, None)])
def test_the_fifth_error_in_a_row_is_the_last(errors: int, seconds: float | None) -> None:
    expected = None if seconds is None else NOW + timedelta(seconds=seconds)
    assert after_error(NOW, errors, 1.0) == expected
