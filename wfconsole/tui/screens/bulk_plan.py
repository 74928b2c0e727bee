"""From an action and its answer to the plan of a bulk action."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from engine.inspector import RunSummary
from wfconsole.actions import Operation
from wfconsole.bulk_verbs import Act, cancelling, ended_well, failed_since, polling, rerunning, retrying
from wfconsole.tui.bulk_work import BulkPlan
from wfconsole.tui.screens.bulk_dialog import BulkAnswer

if TYPE_CHECKING:
    from wfconsole.gateway import Gateway


LOOK_S = 2.0
"""Seconds between two looks at what became of the runs so far: they may be thousands."""


def _verb(operation: Operation[RunSummary], stage_id: str) -> tuple[Act, tuple[str, ...]]:
    if operation.id == "run.cancel":
        return cancelling(None), ("cancel",)
    if operation.id == "run.retry":
        return retrying, ("retry",)
    if operation.id == "run.rerun":
        return rerunning(stage_id, {}), ("rerun", "--from", stage_id)
    if operation.id == "run.poll":
        return polling, ("poll",)
    raise ValueError(f"{operation.id} is done to one run at a time")


def plan_of(
    operation: Operation[RunSummary],
    runs: Sequence[RunSummary],
    answer: BulkAnswer,
    source: Callable[[], Gateway],
) -> BulkPlan:
    """`source` gives the gateway as it is connected when a run's turn comes."""
    act, words = _verb(operation, answer.stage_id)

    async def one(run_id: str, key: str) -> object:
        return await act(source(), run_id, key)

    async def well(run_ids: Sequence[str]) -> str | None:
        return await ended_well(source(), run_ids)

    asked_at, failed = float("-inf"), 0

    async def since(run_ids: Sequence[str]) -> int:
        nonlocal asked_at, failed
        if time.monotonic() - asked_at >= LOOK_S:
            failed = await failed_since(source(), run_ids)
            asked_at = time.monotonic()
        return failed

    starts = operation.id in ("run.retry", "run.rerun")
    return BulkPlan(
        label=operation.label,
        words=words,
        ids=tuple(run.id for run in runs),
        pace=answer.pace,
        pace_words=answer.pace_words,
        act=one,
        ended_well=well if starts else None,
        failed_later=since if starts and answer.pace.most_failures is not None else None,
    )
