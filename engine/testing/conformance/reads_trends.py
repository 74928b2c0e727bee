"""What `engine.ports.reads.ReadStore` promises about the course of things: backoff and waiting, hours, a hot cause."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from engine.model.read_records import HotCause
from engine.model.status import JobStatus, RunStatus, StageStatus
from engine.ports.persistence import Persistence
from engine.ports.reads import ReadStore
from engine.ports.work import UnitOfWork
from engine.testing.conformance.records import NOON, add_job, add_run, add_stage, soon

HOUR = timedelta(hours=1)
MICROSECOND = timedelta(microseconds=1)
WAITS, RETRIES = (0, 1), (1, 0)


def add_running(work: UnitOfWork, *stages: StageStatus, scheduled: int = 0) -> None:
    """A run with these stages and that many jobs in backoff."""
    run = add_run(work, status=RunStatus.RUNNING, group_no=1)
    for number, status in enumerate(stages):
        add_stage(work, run, f"s{number}", status=status)
    for number in range(scheduled):
        add_job(work, run, stage_id=f"j{number}", status=JobStatus.SCHEDULED, due_at=soon(work))


def add_failed(work: UnitOfWork, cause: str | None, *hours: int, **fields: Any) -> None:
    """Runs that failed of this cause so many hours after noon, an hour after they were created."""
    for hour in hours:
        ended = NOON + hour * HOUR
        run = {"status": RunStatus.FAILED, "created_at": ended - HOUR, "completed_at": ended, "failed_stage": "step"}
        add_run(work, **{**run, "error_fingerprint": cause, "error_code": cause and cause.upper(), **fields})


def hot(reads: ReadStore, least: int = 1, within: int = 0, since: int = -100) -> HotCause | None:
    return reads.hot_cause(within=NOON + within * HOUR, least=least, since=NOON + since * HOUR)


class TrendPromises:
    """Needs the fixture `store`: an empty `Persistence`."""

    @pytest.mark.parametrize(
        ("stages", "scheduled", "counted"),
        [
            ([StageStatus.RUNNING], 0, (0, 0)),
            ([StageStatus.SUSPENDED], 0, WAITS),
            ([StageStatus.SUSPENDED, StageStatus.SUSPENDED], 0, WAITS),
            ([StageStatus.SUSPENDED, StageStatus.COMPLETED], 0, WAITS),
            ([StageStatus.SUSPENDED, StageStatus.RUNNING], 0, (0, 0)),
            ([StageStatus.SUSPENDED, StageStatus.PENDING], 0, (0, 0)),
            ([StageStatus.PENDING], 1, RETRIES),
            ([StageStatus.PENDING, StageStatus.PENDING], 2, RETRIES),
            ([StageStatus.COMPLETED], 0, (0, 0)),
        ],
    )
    async def test_runs_in_backoff_and_runs_that_wait_are_counted(
        self, store: Persistence, stages: list[StageStatus], scheduled: int, counted: tuple[int, int]
    ) -> None:
        def add(work: UnitOfWork) -> None:
            add_running(work, *stages, scheduled=scheduled)
            add_running(work, StageStatus.RUNNING)

        await store.transact(add)
        assert await store.read(lambda reads: reads.derived_counts()) == counted
        await store.transact(add)
        assert await store.read(lambda reads: reads.derived_counts()) == (2 * counted[0], 2 * counted[1])

    # --- hours ---

    async def test_runs_are_counted_in_the_hour_they_ended(self, store: Persistence) -> None:
        ends = [NOON - MICROSECOND, NOON, NOON + HOUR - MICROSECOND, NOON + HOUR, NOON + 2.5 * HOUR, NOON + 9 * HOUR]

        def add(work: UnitOfWork) -> None:
            over = [RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELLED] * 2
            for status, moment in zip(over, ends, strict=True):
                add_run(work, status=status, completed_at=moment)
            add_run(work, status=RunStatus.RUNNING)

        assert await store.read(lambda reads: reads.ended_by_hour(NOON, 3)) == [0, 0, 0]
        await store.transact(add)
        assert await store.read(lambda reads: reads.ended_by_hour(NOON, 10)) == [2, 1, 1, 0, 0, 0, 0, 0, 0, 1]
        assert await store.read(lambda reads: reads.ended_by_hour(NOON, 2)) == [2, 3]

    # --- a cause that strikes often ---

    async def test_the_cause_that_struck_most_is_told_with_all_it_did_since(self, store: Persistence) -> None:
        def add(work: UnitOfWork) -> None:
            add_failed(work, "often", -9, -2, 1, 2, 3)
            add_failed(work, "more before", -4, -3, -2, -1, 0, 1)
            add_failed(work, "often", 1, failed_stage="other")
            add_failed(work, None, 1, 1, 1, 1, 1)
            add_run(work, status=RunStatus.COMPLETED, completed_at=NOON + HOUR, error_fingerprint="often")

        await store.transact(add)
        found = await store.read(lambda reads: [hot(reads, 3), hot(reads, 3, since=-5), hot(reads, 4)])
        assert found == [
            HotCause("often", "OFTEN", "step", 5, NOON - 9 * HOUR),
            HotCause("often", "OFTEN", "step", 4, NOON - 2 * HOUR),
            None,
        ]

    async def test_of_what_is_older_those_that_struck_count_all_the_same(self, store: Persistence) -> None:
        await store.transact(lambda work: add_failed(work, "old", 1, 2, 3, created_at=NOON - 200 * HOUR))
        found = await store.read(lambda reads: hot(reads, 3))
        assert found is not None
        assert (found.fingerprint, found.runs) == ("old", 3)

    async def test_a_cause_without_a_stage_is_one_too(self, store: Persistence) -> None:
        def add(work: UnitOfWork) -> None:
            add_failed(work, "whole", 1, 2, failed_stage=None)
            add_failed(work, "whole", 1, failed_stage="step")

        await store.transact(add)
        assert await store.read(hot) == HotCause("whole", "WHOLE", None, 2, NOON + HOUR)

    async def test_nothing_struck(self, store: Persistence) -> None:
        await store.transact(lambda work: add_failed(work, "before", -1))
        assert await store.read(hot) is None
