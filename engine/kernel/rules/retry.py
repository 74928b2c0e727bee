"""Whether a failed attempt is tried again, and when."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from engine.definition.retry import RetryPolicy


@dataclass(frozen=True, slots=True)
class Again:
    """Try once more after `delay`."""

    delay: timedelta


GIVE_UP = None
LONGEST = timedelta(days=36_500)
"""A longer pause is as good as this one, and could lead past the last instant there is."""
LONGEST_ASKED = timedelta(hours=1)
"""Nobody outside may park a stage for longer than this."""

T = TypeVar("T")


def backoff(policy: RetryPolicy, tries: int, jitter: float) -> timedelta:
    """The pause after `tries` failed tries (from 1); `jitter` is a number from 0 to 1, drawn by the caller."""
    most = min(policy.max_delay, LONGEST).total_seconds()
    try:
        raw = policy.initial_delay.total_seconds() * policy.multiplier ** (tries - 1)
    except OverflowError:
        raw = most if policy.initial_delay else 0.0
    capped = min(raw, most)
    return timedelta(seconds=capped * jitter if policy.jitter else capped)


def after_failure(
    policy: RetryPolicy, *, tries: int, retryable: bool, draw: Callable[[], float], wait: timedelta | None = None
) -> Again | None:
    """`Again`, after `wait` at the earliest, or `GIVE_UP`: not retryable, or the tries since the last queueing are
    used up.
    """
    if not retryable or tries >= policy.max_attempts:
        return GIVE_UP
    asked = min(wait, LONGEST_ASKED) if wait is not None else timedelta(0)
    return Again(max(backoff(policy, tries, draw()), asked))
