"""What a reader may ask for: filters and pages."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

T = TypeVar("T")


class RunFilter(BaseModel):
    """Which runs: every given field must match (AND), any of a tuple will do (OR; of `text`: all).
    Excluded values come with `not_`; what else a run must not match stands in `excluding`.

    `status` takes stored run statuses and the derived words `RETRYING` (in backoff) and `WAITING` (all active stages
    suspended). `text` searches id, idempotency key, input and error; `error` the error alone: both literal, any case.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    status: tuple[str, ...] = ()
    not_status: tuple[str, ...] = ()
    workflow_id: tuple[str, ...] = ()
    not_workflow_id: tuple[str, ...] = ()
    stage_id: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    ended_since: datetime | None = None
    text: tuple[str, ...] = ()
    not_text: tuple[str, ...] = ()
    error: tuple[str, ...] = ()
    code: tuple[str, ...] = ()
    fingerprint: tuple[str, ...] = ()
    key: tuple[str, ...] = ()
    bulk: tuple[str, ...] = ()
    """Ids of bulk actions: the runs they changed."""
    model: tuple[str, ...] = ()
    """`provider/model`, or the model alone: the runs with an AI call of it."""
    ids: tuple[str, ...] | None = None
    """Run ids or unique prefixes of them; an empty tuple matches nothing."""
    min_cost: Decimal | None = None
    max_cost: Decimal | None = None
    min_duration: timedelta | None = None
    max_duration: timedelta | None = None
    min_idle: timedelta | None = None
    """Nothing of it changed for so long; a run that has ended is not idle."""
    max_idle: timedelta | None = None
    min_attempt: int | None = None
    """Of the stage whose attempts the summary shows."""
    max_attempt: int | None = None
    attention: bool = False
    """Only what an operator should look at: failed, stuck, with an overdue poll, with a dead letter."""
    excluding: tuple[RunFilter, ...] = ()
    """None of these may match; what can't be compared, such as the duration of a run not started, does not match."""


class AnnotationFilter(BaseModel):
    """Which annotations of a run: every given field must match. `since` and `until` are included."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    key: str | None = None
    key_prefix: str | None = None
    """Literal: `_` and `%` are letters, and case counts."""
    scope: str | None = None
    scope_id: str | None = None
    actor: str | None = None
    actor_kind: str | None = None
    attempt: int | None = None
    since: datetime | None = None
    until: datetime | None = None


class CallFilter(BaseModel):
    """Which AI calls: every given field must match. `model` is what was asked for or what answered; `topic` stands for
    itself and all below it, segment by segment; `since` is included, `until` not."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    run_id: str | None = None
    workflow_id: str | None = None
    stage_id: str | None = None
    model: str | None = None
    status: str | None = None
    topic: str | None = None
    batch_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None


class PageRequest(BaseModel):
    """A keyset page: `sort` is a field name, `-` before it for descending; `cursor` is the page before's
    `next_cursor`."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    limit: int = Field(default=50, ge=1, le=10_000)
    cursor: str | None = None
    sort: str = "-created_at"


class Page(BaseModel, Generic[T]):
    """Some items, and the cursor of the next page (None on the last)."""

    model_config = ConfigDict(frozen=True)
    items: Sequence[T]
    next_cursor: str | None = None
