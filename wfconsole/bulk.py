"""The same action on many targets, for console and command line: a set frozen at its start, a canary first, then the
rest at a rate, and a stop when too many fail.

Each target has the idempotency key `BULK/ID`: doing a bulk again under its id harms nothing, and goes on where it
stopped.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel

from engine.errors import EngineError, SchemaTooNew, SchemaTooOld, StoreUnavailable

_RATE = re.compile(r"(\d+(?:\.\d+)?)/(s|sec|min|m|h|hour)")
_SECONDS = {"s": 1.0, "sec": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "hour": 3600.0}
_LIMIT = re.compile(r"(\d+)(%?)")


class Item(BaseModel):
    """What became of one target."""

    id: str
    result: Literal["done", "skipped", "failed"]
    reason: str | None = None


class Report(BaseModel):
    """What a bulk action did. `bulk` is the id its keys begin with."""

    bulk: str
    done: int
    skipped: int
    failed: int
    items: list[Item]

    @classmethod
    def of(cls, bulk: str, items: Sequence[Item]) -> Report:
        results = [item.result for item in items]
        return cls(
            bulk=bulk,
            done=results.count("done"),
            skipped=results.count("skipped"),
            failed=results.count("failed"),
            items=list(items),
        )


class Skipped(Exception):
    """Nothing had to be done; the message says why."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How carefully to go."""

    canary: int = 0
    """How many go first; the rest only if all of them end well."""
    pause: float = 0.0
    """Seconds from one to the next."""
    most_failures: int | None = None
    """More than this many stop it."""

    @classmethod
    def of(cls, total: int, canary: int = 0, rate: str | None = None, max_failures: str | None = None) -> Pace:
        """From words such as `20/min` and `5` or `10%`. Raises `ValueError`."""
        if canary < 0:
            raise ValueError("a canary is 0 targets or more")
        pause, most = 0.0, None
        if rate is not None:
            found = _RATE.fullmatch(rate.strip())
            if found is None or float(found[1]) <= 0:
                raise ValueError(f"{rate!r} is no rate: use 20/min, 5/s or 100/h")
            pause = _SECONDS[found[2]] / float(found[1])
        if max_failures is not None:
            limit = _LIMIT.fullmatch(max_failures.strip())
            if limit is None:
                raise ValueError(f"{max_failures!r} is no limit: use 5 or 10%")
            most = int(limit[1]) * total // 100 if limit[2] else int(limit[1])
        return cls(canary, pause, most)


Act = Callable[[str, str], Awaitable[object]]
"""(id, idempotency key): do it. Raises `Skipped`, or an error of the engine."""
EndedWell = Callable[[Sequence[str]], Awaitable[str | None]]
"""Wait until these have ended: None when all did well, else what went wrong."""
FailedLater = Callable[[Sequence[str]], Awaitable[int]]
"""How many of these, which were done, came to a bad end since."""


async def run_bulk(
    bulk: str,
    ids: Sequence[str],
    act: Act,
    pace: Pace,
    *,
    ended_well: EndedWell | None = None,
    failed_later: FailedLater | None = None,
    on_item: Callable[[Item, int], None] = lambda item, total: None,
) -> Report:
    """Act on each target in order. What it did not come to is in the report as skipped.

    Cancelling stops it between two targets; errors of the database itself are raised.
    """
    items: list[Item] = []
    stopped: str | None = None
    for number, target in enumerate(dict.fromkeys(ids)):
        if stopped is None and number == pace.canary and number and ended_well is not None:
            wrong = await ended_well([item.id for item in items if item.result == "done"])
            if wrong is not None or any(item.result == "failed" for item in items):
                stopped = f"stopped: the canary failed{f': {wrong}' if wrong else ''}"
        if stopped is not None:
            item = Item(id=target, result="skipped", reason=stopped)
        else:
            if number and pace.pause:
                await asyncio.sleep(pace.pause)
            item = await _one(act, target, f"{bulk}/{target}")
        items.append(item)
        on_item(item, len(ids))
        if stopped is None and pace.most_failures is not None:
            failed = sum(one.result == "failed" for one in items)
            if failed_later is not None:
                failed += await failed_later([one.id for one in items if one.result == "done"])
            if failed > pace.most_failures:
                stopped = f"stopped: {failed} failed, more than {pace.most_failures}"
    return Report.of(bulk, items)


async def _one(act: Act, target: str, key: str) -> Item:
    try:
        await act(target, key)
    except Skipped as skipped:
        return Item(id=target, result="skipped", reason=str(skipped))
    except (StoreUnavailable, SchemaTooOld, SchemaTooNew):
        raise
    except EngineError as error:
        return Item(id=target, result="failed", reason=str(error))
    return Item(id=target, result="done")
