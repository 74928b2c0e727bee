"""What a bulk action does to each run, and what its canary waits for: one service for console and command line."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from pydantic import BaseModel

from engine.commands import CancelRun, PollNow, RerunFrom, RetryFailed
from engine.errors import IllegalTransition
from engine.inspector import PageRequest, RunFilter, RunStatus, RunSummary
from engine.model.status import TERMINAL_RUN
from wfconsole.bulk import Skipped

if TYPE_CHECKING:
    from wfconsole.gateway import Gateway

Act: TypeAlias = "Callable[[Gateway, str, str | None], Awaitable[BaseModel]]"
"""(gateway, run id, idempotency key): do it. Raises `Skipped`, or an error of the engine."""

CAREFUL_FROM = 20
"""More retries or reruns than that begin with one canary and go slowly, unless somebody says otherwise."""
CAREFUL = (1, "20/min", "10%")
"""Canary, rate and most failures of a careful bulk."""
_PAGE = 1_000
_LOOK_S = 1.0


def cancelling(reason: str | None) -> Act:
    """Already cancelled runs are skipped, other ended ones refused."""

    async def act(gateway: Gateway, run_id: str, key: str | None) -> BaseModel:
        answer = await gateway.send(CancelRun(run_id=run_id, reason=reason, idempotency_key=key))
        if not answer.cancelled:
            now = await gateway.inspector.run(run_id)
            if now.status is RunStatus.CANCELLED:
                raise Skipped("already cancelled")
            raise IllegalTransition(run_id, now.status, "cancel it")
        return answer

    return act


async def retrying(gateway: Gateway, run_id: str, key: str | None) -> BaseModel:
    """The failed stages again; completed siblings are kept."""
    return await gateway.send(RetryFailed(run_id=run_id, idempotency_key=key))


def rerunning(stage_id: str, config: Mapping[str, Mapping[str, Any]], reuse_ai: bool = False) -> Act:
    """From a stage on, with a changed config where one is given."""

    async def act(gateway: Gateway, run_id: str, key: str | None) -> BaseModel:
        command = RerunFrom(
            run_id=run_id,
            from_stage_id=stage_id,
            config={name: dict(fields) for name, fields in config.items()},
            reuse_ai=reuse_ai,
            idempotency_key=key,
        )
        return await gateway.send(command)

    return act


async def polling(gateway: Gateway, run_id: str, key: str | None) -> BaseModel:
    """Poll now, or skip a backoff."""
    answer = await gateway.send(PollNow(run_id=run_id))
    if not answer.stages:
        raise Skipped("nothing of it waits")
    return answer


async def runs_of(gateway: Gateway, run_ids: Sequence[str]) -> list[RunSummary]:
    """The runs as they are now, in the order given; those that are gone are left out."""
    found: dict[str, RunSummary] = {}
    for at in range(0, len(run_ids), _PAGE):
        some = tuple(run_ids[at : at + _PAGE])
        page = await gateway.inspector.runs(RunFilter(ids=some), PageRequest(limit=len(some)))
        found.update({run.id: run for run in page.items})
    return [found[run_id] for run_id in run_ids if run_id in found]


async def matching(gateway: Gateway, wanted: RunFilter, most: int) -> list[RunSummary]:
    """The runs that match now, the oldest first, at most so many."""
    found: list[RunSummary] = []
    page = PageRequest(limit=min(_PAGE, most), sort="created_at")
    while len(found) < most:
        part = await gateway.inspector.runs(wanted, page)
        found += part.items
        if part.next_cursor is None:
            break
        page = page.model_copy(update={"cursor": part.next_cursor})
    return found[:most]


async def ended_well(gateway: Gateway, run_ids: Sequence[str]) -> str | None:
    """Wait until these have ended: None when all did well, else what became of the first that did not."""
    while True:
        runs = await runs_of(gateway, run_ids)
        if all(run.status in TERMINAL_RUN for run in runs):
            bad = [run for run in runs if run.status is not RunStatus.COMPLETED]
            return f"{bad[0].id} {bad[0].status}: {bad[0].error or ''}".rstrip(": ") if bad else None
        await asyncio.sleep(_LOOK_S)


async def failed_since(gateway: Gateway, run_ids: Sequence[str]) -> int:
    """How many of these have failed by now."""
    return sum(run.status is RunStatus.FAILED for run in await runs_of(gateway, run_ids))
