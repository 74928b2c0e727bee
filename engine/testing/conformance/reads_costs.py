"""What `engine.ports.reads.ReadStore` promises about what AI calls cost."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from engine.errors import InvalidInput
from engine.model.criteria import RunFilter
from engine.model.read_records import CostSum
from engine.model.status import RunStatus, StageStatus
from engine.ports.persistence import Persistence
from engine.ports.work import UnitOfWork
from engine.testing.conformance.records import NOON, a_call, add_call, add_run, add_stage

HOUR = timedelta(hours=1)
RUN_ID = "0123456789abcdefghjk"
KEYS = {
    "model": {("maker/model",): 3, ("maker/big",): 1},
    "provider": {("maker",): 3, ("elsewhere",): 1},
    "workflow": {("flow",): 2, ("other",): 1, (None,): 1},
    "stage": {("step",): 2, ("end",): 1, (None,): 1},
    "topic": {("topic",): 3, ("talk",): 1},
    "run": {(RUN_ID,): 2, ("z" * 20,): 1, (None,): 1},
    "day": {("2026-11-23",): 3, ("2026-11-24",): 1},
}
"""How many of four calls have which key."""


def add_four(work: UnitOfWork) -> None:
    """A dollar, two of another run the next day, four of nobody, and one whose price is unknown."""
    run, other = add_run(work, RUN_ID), add_run(work, "z" * 20, workflow_id="other")
    add_call(work, run, cost=Decimal(1))
    add_call(work, other, cost=Decimal(2), stage_id="end", created_at=NOON.replace(day=24, hour=0, minute=0))
    add_call(work, None, cost=Decimal(4), topic="talk", model="maker/big", provider="elsewhere")
    add_call(work, run, cost=None, created_at=NOON.replace(hour=23, minute=59))


ASKED: list[tuple[dict[str, Any], int | None]] = [
    ({}, 7),
    ({"since": NOON}, 7),
    ({"since": NOON + HOUR}, 2),
    ({"until": NOON}, None),
    ({"since": NOON, "until": NOON + HOUR}, 5),
    ({"criteria": RunFilter()}, 7),
    ({"criteria": RunFilter(workflow_id=("other",))}, 2),
    ({"criteria": RunFilter(workflow_id=("flow", "other"))}, 3),
    ({"criteria": RunFilter(status=("FAILED",))}, None),
]
"""What those cost that are asked for; None: there are none."""


async def costs(store: Persistence, *by: str, limit: int = 9, **asked: Any) -> list[CostSum]:
    wanted: dict[str, Any] = {"since": None, "until": None, "criteria": None, **asked}
    return await store.read(lambda reads: reads.costs(by, limit=limit, **wanted))


class CostPromises:
    """Needs the fixture `store`: an empty `Persistence`."""

    @pytest.mark.parametrize("key", KEYS)
    async def test_costs_are_summed_by_any_key_the_dearest_first(self, store: Persistence, key: str) -> None:
        await store.transact(add_four)
        found = await costs(store, key)
        assert {one.key: one.calls for one in found} == KEYS[key]
        assert sum(one.cost for one in found) == 7
        assert [one.cost for one in found] == sorted((one.cost for one in found), reverse=True)
        assert await costs(store, key, limit=1) == found[:1]

    async def test_several_keys_are_summed_together(self, store: Persistence) -> None:
        await store.transact(add_four)
        found = await costs(store, "workflow", "day")
        keys = [(None, "2026-11-23"), ("other", "2026-11-24"), ("flow", "2026-11-23")]
        assert [one.key for one in found] == keys
        assert [one.cost for one in found] == [4, 2, 1]
        assert [one.calls for one in found] == [1, 1, 2]

    async def test_a_sum_tells_calls_apart(self, store: Persistence) -> None:
        def add(work: UnitOfWork) -> None:
            run, other = add_run(work), add_run(work)
            add_call(work, run)
            add_call(work, run, status="error", error="no")
            add_call(work, other, cost=None)
            add_call(work, other, cost=Decimal(0), reused=True, input_tokens=0, output_tokens=0)
            work.ai_calls.open([a_call(run, id="cut off"), a_call(run)])
            work.ai_calls.interrupt(["cut off"])

        await store.transact(add)
        (found,) = await costs(store, "workflow")
        assert (found.calls, found.runs, found.failed, found.reused, found.unpriced) == (6, 2, 2, 1, 2)
        assert (found.input_tokens, found.output_tokens, found.cost) == (30, 15, Decimal("0.5"))

    @pytest.mark.parametrize("status", [StageStatus.COMPLETED, StageStatus.RUNNING, StageStatus.FAILED])
    async def test_wasted_is_what_attempts_cost_that_came_to_nothing(
        self, store: Persistence, status: StageStatus
    ) -> None:
        failed = status is StageStatus.FAILED

        def add(work: UnitOfWork) -> None:
            run = add_run(work, status=RunStatus(status))
            stage = add_stage(work, run, attempt=1)
            work.stages.archive([stage])
            work.stages.save([stage._replace(attempt=2, status=status)])
            add_call(work, run, cost=Decimal(1))
            add_call(work, run, attempt=2, cost=Decimal(2))
            add_call(work, run, stage_id=None, attempt=None, cost=Decimal(4))

        await store.transact(add)
        (found,) = await costs(store, "run")
        assert [found.cost, found.wasted] == [7, 3 if failed else 1]

    async def test_only_the_calls_that_are_asked_for_are_summed(self, store: Persistence) -> None:
        await store.transact(add_four)
        for asked, cost in ASKED:
            found = await costs(store, "model", **asked)
            assert (sum(one.cost for one in found) if found else None) == cost, asked

    @pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/St_Johns", "Asia/Kathmandu"])
    async def test_days_are_those_of_the_zone_on_both_sides_of_a_change_of_clocks(
        self, store: Persistence, zone: str
    ) -> None:
        near = [datetime(2026, 3, 29, tzinfo=UTC), datetime(2026, 10, 25, tzinfo=UTC), NOON]
        moments = [at + timedelta(minutes=45 * step) for at in near for step in range(-34, 35)]
        expected = Counter(at.astimezone(ZoneInfo(zone)).date().isoformat() for at in moments)

        def add(work: UnitOfWork) -> None:
            run = add_run(work)
            for at in moments:
                add_call(work, run, created_at=at)

        await store.transact(add)
        found = await costs(store, "day", limit=99, zone=ZoneInfo(zone))
        assert {row.key[0]: row.calls for row in found} == expected
        assert {row.runs for row in found} == {1}
        pairs = await costs(store, "day", "workflow", limit=99, zone=ZoneInfo(zone))
        assert {row.key[0]: row.calls for row in pairs} == expected

    async def test_what_was_spent_since_the_day_began_is_told(self, store: Persistence) -> None:
        await store.transact(add_four)

        for hours, cost, unpriced in ((0, 7, 1), (1, 2, 1), (12, 2, 0), (24, 0, 0)):
            day = NOON + hours * HOUR
            found = await store.read(lambda reads: reads.activity(long_window=day, short_window=day, day=day))  # noqa: B023
            assert (found.cost == cost, found.unpriced) == (True, unpriced), hours

    @pytest.mark.parametrize("keys", [(), ("colour",), ("model", "colour")])
    async def test_another_key_is_said(self, store: Persistence, keys: tuple[str, ...]) -> None:
        with pytest.raises(InvalidInput, match="by"):
            await costs(store, *keys)
