"""What `engine.ports.reads.ReadStore` promises about single stages: attempts and their texts, artifacts, times."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from engine.model.read_records import AttemptTexts
from engine.model.records import ArtifactRecord, RunRecord, StageRecord
from engine.model.status import RunStatus, StageStatus
from engine.ports.persistence import Persistence
from engine.ports.work import UnitOfWork
from engine.testing.conformance.records import NOON, add_run, add_stage

HOUR = timedelta(hours=1)
NOBODY = "0" * 20


def add_tried(work: UnitOfWork) -> tuple[RunRecord, StageRecord]:
    """A stage at its third attempt, with another beside it."""
    run = add_run(work, status=RunStatus.RUNNING, group_no=1)
    stage = add_stage(work, run, input_text="[1]", config='{"a":1}')
    for attempt in (2, 1):
        failed = stage._replace(attempt=attempt, status=StageStatus.FAILED, error=f"no {attempt}", error_code="NO")
        work.stages.save([failed])
        work.stages.archive([failed])
    now = stage._replace(attempt=3, generation=1, status=StageStatus.COMPLETED, output='"ä"')
    work.stages.save([now])
    add_stage(work, run, "other", attempt=1)
    return run, now


class StageReadPromises:
    """Needs the fixture `store`: an empty `Persistence`."""

    async def test_attempts_come_with_their_texts_the_one_under_way_last(self, store: Persistence) -> None:
        run, stage = await store.transact(add_tried)
        found = await store.read(lambda reads: reads.attempt_texts(run.id, "step"))
        failed = AttemptTexts(1, 0, StageStatus.FAILED, "[1]", None, stage.config, "no 1", "NO")
        assert found == [
            failed,
            failed._replace(attempt=2, error="no 2"),
            AttemptTexts(3, 1, StageStatus.COMPLETED, "[1]", '"ä"', stage.config, None, None),
        ]

    async def test_an_attempt_that_is_archived_is_told_once(self, store: Persistence) -> None:
        def archive(work: UnitOfWork) -> str:
            run, stage = add_tried(work)
            work.stages.archive([stage])
            work.stages.save([stage._replace(status=StageStatus.PENDING, output=None)])
            return run.id

        run_id = await store.transact(archive)
        found = await store.read(lambda reads: reads.attempt_texts(run_id, "step"))
        assert [(one.attempt, one.output) for one in found] == [(1, None), (2, None), (3, '"ä"')]

    async def test_attempts_outlive_their_stage(self, store: Persistence) -> None:
        def delete(work: UnitOfWork) -> str:
            run, stage = add_tried(work)
            work.stages.delete([stage.id])
            return run.id

        run_id = await store.transact(delete)
        found = await store.read(lambda reads: reads.attempt_texts(run_id, "step"))
        assert [one.attempt for one in found] == [1, 2]

    @pytest.mark.parametrize("stage_id", ["STEP", "nothing", ""])
    async def test_a_stage_that_is_not_there_has_none(self, store: Persistence, stage_id: str) -> None:
        run, _ = await store.transact(add_tried)
        assert await store.read(lambda reads: reads.attempt_texts(run.id, stage_id)) == []
        assert await store.read(lambda reads: reads.attempt_texts(NOBODY, "step")) == []

    async def test_what_a_stage_remembers_is_kept_letter_by_letter(self, store: Persistence) -> None:
        state = '{"b": 1, "a": "ä\\n"}'

        def suspend(work: UnitOfWork) -> str:
            run = add_run(work, status=RunStatus.RUNNING, group_no=1)
            add_stage(work, run, status=StageStatus.SUSPENDED, suspended_state=state)
            add_stage(work, run, "other")
            return run.id

        run_id = await store.transact(suspend)
        asked = [(run_id, "step"), (run_id, "other"), (run_id, "nothing"), (NOBODY, "step")]
        found = await store.read(lambda reads: [reads.suspended_state(*one) for one in asked])
        assert found == [state, None, None, None]

    async def test_an_artifact_is_of_its_attempt_or_the_latest(self, store: Persistence) -> None:
        sizes: dict[tuple[str, str, int | None], int | None] = {
            ("step", "a", None): 2,
            ("step", "a", 1): 1,
            ("step", "a", 2): 2,
            ("step", "a", 3): None,
            ("step", "b", None): 3,
            ("step", "A", None): None,
            ("other", "a", None): 4,
            ("nothing", "a", None): None,
        }

        def add(work: UnitOfWork) -> list[ArtifactRecord]:
            run, other = add_run(work), add_run(work)
            made = [
                ArtifactRecord(run_id, stage, number, called, "text/plain", size, "d" * 64, "runs/key", NOON)
                for run_id, stage, number, called, size in (
                    (run.id, "step", 2, "a", 2),
                    (run.id, "step", 1, "a", 1),
                    (run.id, "step", 1, "b", 3),
                    (run.id, "other", 1, "a", 4),
                    (other.id, "step", 3, "a", 5),
                )
            ]
            work.stages.add_artifacts(made)
            return made

        made = await store.transact(add)
        found = await store.read(lambda reads: {one: reads.artifact(made[0].run_id, *one) for one in sizes})
        by_size = {one.size: one for one in made}
        assert found == {one: None if size is None else by_size[size] for one, size in sizes.items()}

    async def test_times_are_those_of_completed_stages(self, store: Persistence) -> None:
        def add(work: UnitOfWork) -> list[str]:
            runs = [add_run(work) for _ in range(3)]
            took: dict[str, Any] = {"started_at": NOON, "completed_at": NOON + HOUR}
            for status in StageStatus:
                add_stage(work, runs[0], status, status=status, **took)
            add_stage(work, runs[1], status=StageStatus.COMPLETED, started_at=NOON - HOUR, completed_at=NOON)
            add_stage(work, runs[1], "skipped at once", status=StageStatus.COMPLETED, completed_at=NOON)
            add_stage(work, runs[2], status=StageStatus.COMPLETED, **took)
            return [runs[0].id, runs[1].id]

        run_ids = await store.transact(add)
        found = await store.read(lambda reads: reads.stage_times([*run_ids, NOBODY]))
        assert sorted(found) == [("COMPLETED", NOON, NOON + HOUR), ("step", NOON - HOUR, NOON)]
        assert await store.read(lambda reads: reads.stage_times([])) == []
