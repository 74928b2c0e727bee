"""Gemini's batches: an operation that ends with its answers inside."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from engine.ai.refusals import error_within
from engine.definition.ai import BatchStatus
from engine.errors import AIError
from engine.model.json import Json
from engine.ports.ai_providers import BatchAnswer, TextAnswer

_STATES: dict[str, Literal["pending", "processing", "completed", "failed"]] = {
    "PENDING": "pending",
    "QUEUED": "pending",
    "RUNNING": "processing",
    "SUCCEEDED": "completed",
    "PARTIALLY_SUCCEEDED": "completed",
    "FAILED": "failed",
    "CANCELLED": "failed",
    "EXPIRED": "failed",
}


def read_batch(provider: str, found: dict[str, Json]) -> BatchStatus:
    """How it stands. States come as `BATCH_STATE_…` or `JOB_STATE_…`."""
    facts = found.get("metadata") or {}
    word = str(facts.get("state") or found.get("state") or "PENDING").rpartition("STATE_")[2]
    status = _STATES.get(word, "processing")
    error = None
    if status == "failed" or found.get("error"):
        status = "failed"
        error = error_within("", found["error"]).said if found.get("error") else f"the batch is {word.lower()}"
    counts = facts.get("batchStats") or {}
    total = counts.get("requestCount")
    done = int(counts.get("successfulRequestCount") or 0) + int(counts.get("failedRequestCount") or 0)
    return BatchStatus(
        id=str(found.get("name")),
        status=status,
        provider=provider,
        error=error,
        total=None if total is None else int(total),
        done=done if counts else None,
    )


def results_of(found: dict[str, Json], read: Callable[[Json], TextAnswer]) -> Sequence[BatchAnswer]:
    """The answers, by the key that was given with each; one without a key counts by its place."""
    results = []
    for number, row in enumerate(_rows(found), start=1):
        item = str((row.get("metadata") or {}).get("key") or row.get("custom_id") or f"request-{number}")
        if row.get("error") or not row.get("response"):
            results.append(BatchAnswer(item, error=error_within("", row.get("error") or "no answer").said))
            continue
        try:
            results.append(BatchAnswer(item, read(row["response"])))
        except AIError as error:
            results.append(BatchAnswer(item, error=error.said))
    return results


def _rows(found: dict[str, Json]) -> list[Json]:
    """The place of the answers has moved between versions of the API."""
    for holder in (found.get("response"), (found.get("metadata") or {}).get("output"), found.get("dest")):
        if not isinstance(holder, Mapping):
            continue
        rows = (holder.get("output") or holder).get("inlinedResponses")
        rows = rows.get("inlinedResponses") if isinstance(rows, Mapping) else rows
        if rows:
            return list(rows)
    return []
