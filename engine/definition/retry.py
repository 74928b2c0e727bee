"""How often and how fast a failed stage is tried again."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from engine.errors import DefinitionError

_MICROSECOND = timedelta(microseconds=1)
MOST_ATTEMPTS = 100


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Exponential backoff: `initial_delay * multiplier ** n`, never over `max_delay`; `jitter` draws
    from zero to that.

    `max_attempts` counts the first try too (1 to 100). Raises `DefinitionError` for values out of
    range.
    """

    max_attempts: int = 3
    initial_delay: timedelta = timedelta(seconds=1)
    max_delay: timedelta = timedelta(seconds=60)
    multiplier: float = 2.0
    jitter: bool = True

    def __post_init__(self) -> None:
        if not 1 <= self.max_attempts <= MOST_ATTEMPTS:
            raise DefinitionError(f"max_attempts is 1 to {MOST_ATTEMPTS}, not {self.max_attempts}")
        if self.initial_delay < timedelta(0) or self.max_delay < timedelta(0):
            raise DefinitionError("the delays of a retry policy can't be negative")
        if not (math.isfinite(self.multiplier) and self.multiplier >= 1):
            raise DefinitionError(f"the multiplier of a retry policy is 1 or more, not {self.multiplier}")

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; delays in whole microseconds, so that the way back is exact."""
        return {
            "max_attempts": self.max_attempts,
            "initial_delay_us": self.initial_delay // _MICROSECOND,
            "max_delay_us": self.max_delay // _MICROSECOND,
            "multiplier": float(self.multiplier),
            "jitter": self.jitter,
        }

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> RetryPolicy:
        """The policy `to_json` gave; unknown fields are ignored, missing ones take their defaults."""
        default = cls().to_json()
        found = {name: plain.get(name, value) for name, value in default.items()}
        return cls(
            max_attempts=found["max_attempts"],
            initial_delay=found["initial_delay_us"] * _MICROSECOND,
            max_delay=found["max_delay_us"] * _MICROSECOND,
            multiplier=found["multiplier"],
            jitter=found["jitter"],
        )
