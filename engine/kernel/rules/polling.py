"""When a suspended stage is asked again, and when asking ends."""

from __future__ import annotations

from datetime import datetime, timedelta

from engine.definition.retry import RetryPolicy
from engine.kernel.rules.retry import LONGEST, backoff

MAX_ERRORS_IN_A_ROW = 5
DEFAULT_POLL_EVERY = timedelta(seconds=60)
_ERRORS = RetryPolicy(
    max_attempts=MAX_ERRORS_IN_A_ROW, initial_delay=timedelta(seconds=5), max_delay=timedelta(seconds=300)
)


def next_poll(now: datetime, asked_for: timedelta | None, every: timedelta | None) -> datetime:
    """What the check asked for, else the stage's interval, else a minute."""
    pause = asked_for if asked_for is not None else every if every is not None else DEFAULT_POLL_EVERY
    return now + min(pause, LONGEST)


def deadline_passed(now: datetime, max_wait_until: datetime | None) -> bool:
    """Asked only of a stage that is still waiting: a ready answer past the deadline still completes."""
    return max_wait_until is not None and max_wait_until <= now


def after_error(now: datetime, errors_in_a_row: int, jitter: float) -> datetime | None:
    """When to ask again after that many errors (from 1) of the check itself, or None: the stage fails."""
    if errors_in_a_row >= MAX_ERRORS_IN_A_ROW:
        return None
    return now + backoff(_ERRORS, errors_in_a_row, jitter)
