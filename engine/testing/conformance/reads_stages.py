"""What `engine.ports.reads.ReadStore` promises about single stages."""

from __future__ import annotations

from typing import Any

import pytest

from engine.model.ids import new_run_id
from engine.model.read_records import AttemptTexts
from engine.model.records import ArtifactRecord, RunRecord
from engine.model.status import StageStatus
from engine.ports.persistence import Persistence
from engine.ports.work import UnitOfWork
from engine.testing.conformance.records import add_run, add_stage, long_ago

FAILED, DONE = StageStatus.FAILED, StageStatus.COMPLETED


def _tried_twice(work: UnitOfWork) -> RunRecord:
    """A run whose stage failed once and completed then; another of its stages was never tried."""
    run = add_run(work)
    stage = add_stage(work, run, input_text='{"n":1}', status=FAILED, attempt=1, config='{"size":1}')
    work.stages.archive([stage._replace(error="ValueError: no", error_code="V")])
    work.stages.save([stage._replace(status=DONE, attempt=2, output='"out"', error=None)])
    add_stage(work, run, "other", number=2)
    return run


class StageReadPromises:
    """Subclass as `Test…` and give the fixture `store`: an open `Persistence` on an empty database."""

    async def test_attempts_come_in_order_with_their_texts_the_current_one_last(self, store: Persistence) -> None:
        run = await store.transact(_tried_twice)
        first, second = await store.read(lambda reads: reads.attempt_texts(run.id, "step"))
        assert first == AttemptTexts(1, 0, FAILED, '{"n":1}', None, '{"size":1}', "ValueError: no", "V")
        assert second == AttemptTexts(2, 0, DONE, '{"n":1}', '"out"', '{"size":1}', None, None)
        assert await store.read(lambda reads: reads.attempt_texts(run.id, "other")) == []
        assert await store.read(lambda reads: reads.attempt_texts(new_run_id(), "step")) == []

    async def test_an_attempt_that_is_over_is_not_told_twice(self, store: Persistence) -> None:
        def add(work: UnitOfWork) -> RunRecord:
            run = add_run(work)
            stage = add_stage(work, run, status=FAILED, attempt=1)
            work.stages.archive([stage])
            return run

        run = await store.transact(add)
        found = await store.read(lambda reads: reads.attempt_texts(run.id, "step"))
        assert [one.attempt for one in found] == [1]

    async def test_what_a_waiting_stage_remembers(self, store: Persistence) -> None:
        def add(work: UnitOfWork) -> RunRecord:
            run = add_run(work)
            add_stage(work, run, status=StageStatus.SUSPENDED, suspended_state='{"batch_id":"b1"}')
            add_stage(work, run, "other", number=2)
            return run

        run = await store.transact(add)
        assert await store.read(lambda reads: reads.suspended_state(run.id, "step")) == '{"batch_id":"b1"}'
        assert await store.read(lambda reads: reads.suspended_state(run.id, "other")) is None
        assert await store.read(lambda reads: reads.suspended_state(new_run_id(), "step")) is None

    @pytest.mark.parametrize(("attempt", "key"), [(None, "k2"), (1, "k1"), (2, "k2"), (3, None)])
    async def test_an_artifact_is_the_latest_of_its_name_or_of_one_attempt(
        self, store: Persistence, attempt: int | None, key: str | None
    ) -> None:
        def add(work: UnitOfWork) -> RunRecord:
            run = add_run(work)
            files = [("page", 1, "k1"), ("page", 2, "k2"), ("other", 3, "k3")]
            work.stages.add_artifacts(
                [
                    ArtifactRecord(run.id, "step", number, name, "text/plain", 5, "d" * 64, blob, work.now)
                    for name, number, blob in files
                ]
            )
            return run

        run = await store.transact(add)
        found = await store.read(lambda reads: reads.artifact(run.id, "step", "page", attempt))
        assert (found.blob_key if found else None) == key
        assert await store.read(lambda reads: reads.artifact(run.id, "other", "page", attempt)) is None

    async def test_times_are_those_of_completed_stages_of_these_runs(self, store: Persistence) -> None:
        def add(work: UnitOfWork) -> list[RunRecord]:
            runs = [add_run(work), add_run(work)]
            for run in runs:
                times: dict[str, Any] = {"started_at": long_ago(work), "completed_at": work.now}
                add_stage(work, run, "done", status=DONE, **times)
                add_stage(work, run, "failed", number=2, status=FAILED, **times)
                add_stage(work, run, "going", number=3, status=StageStatus.RUNNING, started_at=work.now)
            return runs

        mine, _ = await store.transact(add)
        found = await store.read(lambda reads: reads.stage_times([mine.id]))
        assert [stage_id for stage_id, _, _ in found] == ["done"]
        assert all(started < completed for _, started, completed in found)
        assert await store.read(lambda reads: reads.stage_times([])) == []
