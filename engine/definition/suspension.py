"""What a stage body and a completion check may answer with, besides plain output."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Generic, Literal, TypeVar

from engine.model.json import Json

O = TypeVar("O")  # noqa: E741
R = TypeVar("R")


@dataclass(frozen=True)
class StageResult(Generic[O]):
    """An output with extras: `artifacts` (name to JSON value or bytes) and `metrics` (name to JSON
    value).
    """

    output: O
    artifacts: Mapping[str, Json | bytes] = field(default_factory=dict)
    metrics: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True)
class Suspend:
    """Work goes on outside; ask `check_completion` again later. For async-batch stages only.

    `state` (JSON or a model) comes back to each check and, should the body run again, as
    `ctx.resume_state`. The first check is at `first_poll_at`, or after `poll_every`; after `max_wait`
    the stage fails. Raises `ValueError` for negative durations and for a `first_poll_at` without a time
    zone.
    """

    state: Json
    poll_every: timedelta = timedelta(seconds=30)
    max_wait: timedelta = timedelta(hours=24)
    first_poll_at: datetime | None = None

    def __post_init__(self) -> None:
        if self.poll_every < timedelta(0) or self.max_wait < timedelta(0):
            raise ValueError("poll_every and max_wait can't be negative")
        if self.first_poll_at is not None and self.first_poll_at.utcoffset() is None:
            raise ValueError("first_poll_at needs a time zone")


@dataclass(frozen=True)
class Completion(Generic[O]):
    """The answer of a completion check; made by `ready`, `waiting` and `failed`."""

    kind: Literal["ready", "waiting", "failed"]
    output: O | None = None
    next_check_in: timedelta | None = None
    error: str | None = None

    @staticmethod
    def ready(output: R) -> Completion[R]:
        """The outside work is done, and this is the stage's output (a model, or data that validates as
        it).
        """
        return Completion("ready", output=output)

    @staticmethod
    def waiting(next_check_in: timedelta | None = None) -> Completion[Any]:
        """Not yet; ask again after `next_check_in`, or after the stage's `poll_every`."""
        if next_check_in is not None and next_check_in < timedelta(0):
            raise ValueError("next_check_in can't be negative")
        return Completion("waiting", next_check_in=next_check_in)

    @staticmethod
    def failed(error: str) -> Completion[Any]:
        """It will never be done: the stage fails at once, with this text."""
        return Completion("failed", error=str(error))
