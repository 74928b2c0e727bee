"""How a delivery ended, as its executor tells it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from engine.model.json import Json
from engine.model.records import AnnotationRecord, ArtifactRecord, Claimed, LogRecord


@dataclass(frozen=True, slots=True)
class ProgressNote:
    fraction: float
    message: str
    details: dict[str, Json]


@dataclass(frozen=True, slots=True)
class Said:
    """What the body said and the store doesn't have yet."""

    logs: list[LogRecord] = field(default_factory=list)
    progress: list[ProgressNote] = field(default_factory=list)
    annotations: list[AnnotationRecord] = field(default_factory=list)
    last_progress: ProgressNote | None = None
    """Of the whole delivery, whether written already or not."""


@dataclass(frozen=True, slots=True)
class Completed:
    output: str
    """JSON text, or a pointer to a blob."""
    artifacts: list[ArtifactRecord] = field(default_factory=list)
    metrics: str | None = None


@dataclass(frozen=True, slots=True)
class Suspended:
    state: str
    poll_every: timedelta
    max_wait: timedelta
    first_poll_at: datetime | None


@dataclass(frozen=True, slots=True)
class Failed:
    error: str
    code: str | None
    """Of an error the engine itself raised; it also begins the text."""
    retryable: bool
    wait: timedelta | None = None
    """What whoever refused asked for before the next try."""


@dataclass(frozen=True, slots=True)
class GivenBack:
    """The body was interrupted by the operator's stop: due again at once, and the try is not charged."""


@dataclass(frozen=True, slots=True)
class Crashed:
    """The body's own process died: due again at once, and the try counts."""

    how: str


@dataclass(frozen=True, slots=True)
class Held:
    """A budget is spent and the stage waits: due again when there may be money, and the try is not charged."""

    error: str
    code: str
    until: datetime | None
    """None: until an operator allows more."""


Ending = Completed | Suspended | Failed | GivenBack | Crashed | Held


@dataclass(frozen=True, slots=True)
class Delivery:
    """A claimed job and how it ended."""

    claimed: Claimed
    ending: Ending
    said: Said = field(default_factory=Said)


Verdict = Literal["completed", "suspended", "failed", "retrying", "given-back", "ghost"]
"""What came of a delivery in the store. A ghost's outcome was dropped: its lease is lost or its run over."""
