"""What `engine.ports.stages.StageStore` promises."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from engine.model.records import ArtifactRecord, StageRecord
from engine.model.status import RunStatus, StageStatus
from engine.ports.persistence import Persistence
from engine.ports.work import UnitOfWork
from engine.testing.conformance.records import NOON, WORKFLOW, add_run, add_stage, another, is_optional, long_ago, soon
from engine.testing.conformance.store import PATIENCE

FIXED = ("id", "run_id", "stage_id", "cost", "tokens")
"""Which stage it is, and what is counted where AI calls are recorded."""
MOVING = [name for name in StageRecord._fields if name not in FIXED]
NOT_SUSPENDED = [status for status in StageStatus if status is not StageStatus.SUSPENDED]
TOKEN = "poller"  # noqa: S105 - of a poll


def stored(work: UnitOfWork, stage: StageRecord) -> StageRecord:
    return work.stages.get([stage.id])[stage.id]


def add_waiting(work: UnitOfWork, **fields: Any) -> StageRecord:
    """A suspended stage of a running run, its poll due; `fields` say otherwise."""
    run = add_run(work, status=RunStatus.RUNNING)
    return add_stage(work, run, **{"status": StageStatus.SUSPENDED, "next_poll_at": long_ago(work), **fields})


def polls(work: UnitOfWork, limit: int = 10, *, workflow_id: str = WORKFLOW) -> list[str]:
    return [stage.id for stage in work.stages.claim_polls([workflow_id], TOKEN, soon(work), limit)]


def artifact(stage: StageRecord, name: str, attempt: int = 1) -> ArtifactRecord:
    return ArtifactRecord(stage.run_id, stage.stage_id, attempt, name, "text/plain", 5, "d" * 64, "runs/key", NOON)


class StagePromises:
    """Needs the fixture `store`: an empty `Persistence`."""

    @pytest.mark.parametrize("field", [name for name in StageRecord._fields if name not in ("id", "run_id")])
    async def test_a_stage_is_kept_with_every_field(self, store: Persistence, field: str) -> None:
        def check(work: UnitOfWork) -> None:
            stage = add_stage(work, add_run(work), **{field: another(StageRecord, field)})
            assert stored(work, stage) == stage

        await store.transact(check)

    @pytest.mark.parametrize("field", MOVING)
    async def test_saving_writes_every_field_that_moves(self, store: Persistence, field: str) -> None:
        stage = await store.transact(lambda work: add_stage(work, add_run(work)))
        changed = stage._replace(**{field: another(StageRecord, field)})
        await store.transact(lambda work: work.stages.save([changed]))
        assert await store.transact(lambda work: stored(work, stage)) == changed

    @pytest.mark.parametrize("field", [name for name in MOVING if is_optional(StageRecord, name)])
    async def test_saving_none_clears_what_was_there(self, store: Persistence, field: str) -> None:
        full: dict[str, Any] = {field: another(StageRecord, field)}
        empty: dict[str, Any] = {field: None}
        stage = await store.transact(lambda work: add_stage(work, add_run(work), **full))
        await store.transact(lambda work: work.stages.save([stage._replace(**empty)]))
        assert await store.transact(lambda work: stored(work, stage)) == stage._replace(**empty)

    @pytest.mark.parametrize("field", ["cost", "tokens"])
    async def test_saving_leaves_what_ai_calls_add_up_to(self, store: Persistence, field: str) -> None:
        stage = await store.transact(lambda work: add_stage(work, add_run(work)))
        await store.transact(lambda work: work.stages.save([stage._replace(**{field: another(StageRecord, field)})]))
        assert await store.transact(lambda work: stored(work, stage)) == stage

    @pytest.mark.parametrize("status", StageStatus)
    async def test_every_status_comes_back(self, store: Persistence, status: StageStatus) -> None:
        stage = await store.transact(lambda work: add_stage(work, add_run(work), status=status))
        assert (await store.transact(lambda work: stored(work, stage))).status is status

    async def test_b185_the_stages_of_a_run_come_by_group_then_number(self, store: Persistence) -> None:
        def check(work: UnitOfWork) -> None:
            run = add_run(work)
            for group, number in ((2, 3), (1, 2), (2, 1), (1, 1)):
                add_stage(work, run, f"{group}-{number}", group_no=group, number=number)
            add_stage(work, add_run(work))
            assert [stage.stage_id for stage in work.stages.of_run(run.id)] == ["1-1", "1-2", "2-1", "2-3"]

        await store.transact(check)

    async def test_stages_and_inputs_are_found_by_row(self, store: Persistence) -> None:
        def check(work: UnitOfWork) -> None:
            run = add_run(work)
            plain, derived = add_stage(work, run, "a", input_text='{"b":1, "a":"ä"}'), add_stage(work, run, "b")
            assert work.stages.get([plain.id, "0" * 20]) == {plain.id: plain}
            assert work.stages.inputs([plain.id, derived.id]) == {plain.id: '{"b":1, "a":"ä"}', derived.id: None}
            work.stages.save([plain._replace(output="1")])
            assert work.stages.inputs([plain.id]) == {plain.id: '{"b":1, "a":"ä"}'}
            assert work.stages.get([]) == {}

        await store.transact(check)

    async def test_a_stage_is_in_a_run_only_once(self, store: Persistence) -> None:
        run = await store.transact(lambda work: add_run(work))
        await store.transact(lambda work: add_stage(work, run))
        with pytest.raises(Exception, match=r"(?i)unique"):
            await store.transact(lambda work: add_stage(work, run))
        assert len(await store.transact(lambda work: work.stages.of_run(run.id))) == 1

    async def test_outputs_are_those_of_completed_stages(self, store: Persistence) -> None:
        def check(work: UnitOfWork) -> None:
            run, other = add_run(work), add_run(work)
            for number, status in enumerate(StageStatus):
                add_stage(work, run, status, status=status, group_no=number, output=f'"{status}"')
            add_stage(work, other, status=StageStatus.COMPLETED, output="1")
            group = list(StageStatus).index(StageStatus.COMPLETED)
            mine = (run.id, "COMPLETED", group, '"COMPLETED"')
            assert work.stages.outputs([run.id]) == [mine]
            assert sorted(work.stages.outputs([run.id, other.id])) == sorted([mine, (other.id, "step", 1, "1")])
            assert work.stages.outputs([]) == []

        await store.transact(check)

    async def test_what_is_deleted_is_gone_and_nothing_else(self, store: Persistence) -> None:
        def check(work: UnitOfWork) -> None:
            run = add_run(work)
            gone, kept = add_stage(work, run, "gone"), add_stage(work, run, "kept")
            work.stages.delete([gone.id, "0" * 20])
            work.stages.delete([])
            assert work.stages.of_run(run.id) == [kept]

        await store.transact(check)

    # --- attempts and artifacts ---

    async def test_an_attempt_is_archived_as_given_with_the_input_of_its_row(self, store: Persistence) -> None:
        def archive(work: UnitOfWork) -> StageRecord:
            stage = add_stage(work, add_run(work), attempt=2, started_at=long_ago(work), input_text="[1]")
            failed = stage._replace(status=StageStatus.FAILED, error="no", error_code="CODE", completed_at=work.now)
            work.stages.archive([failed])
            work.stages.archive([])
            assert stored(work, stage) == stage
            assert work.stages.last_attempts(stage.run_id) == {"step": 2}
            return failed

        stage = await store.transact(archive)
        (kept,) = await store.read(lambda reads: reads.attempts(stage.run_id))
        assert (kept.stage_id, kept.attempt, kept.status, kept.error) == ("step", 2, StageStatus.FAILED, "no")
        assert (kept.queued_at, kept.started_at) == (stage.queued_at, stage.started_at)
        assert kept.completed_at == stage.completed_at

    async def test_an_attempt_archived_already_stays_as_it_is(self, store: Persistence) -> None:
        def archive(work: UnitOfWork) -> str:
            stage = add_stage(work, add_run(work), attempt=1)
            work.stages.archive([stage._replace(error="first")])
            work.stages.archive([stage._replace(error="second")])
            return stage.run_id

        run_id = await store.transact(archive)
        assert [one.error for one in await store.read(lambda reads: reads.attempts(run_id))] == ["first"]

    async def test_the_highest_archived_attempt_of_each_stage_is_known(self, store: Persistence) -> None:
        def check(work: UnitOfWork) -> None:
            run = add_run(work)
            one, other = add_stage(work, run, "one"), add_stage(work, run, "other")
            for stage, attempt in ((one, 1), (one, 3), (one, 2), (other, 1)):
                work.stages.save([stage._replace(attempt=attempt)])
                work.stages.archive([stage._replace(attempt=attempt)])
            assert work.stages.last_attempts(run.id) == {"one": 3, "other": 1}
            work.stages.delete([one.id])
            assert work.stages.last_attempts(run.id) == {"one": 3, "other": 1}

        await store.transact(check)

    async def test_artifacts_are_kept_once_and_listed_in_order(self, store: Persistence) -> None:
        def add(work: UnitOfWork) -> list[ArtifactRecord]:
            stage = add_stage(work, add_run(work))
            made = [artifact(stage, "b", 1), artifact(stage, "a", 2), artifact(stage, "a", 1)]
            work.stages.add_artifacts(made)
            work.stages.add_artifacts([made[0]._replace(size=99)])
            work.stages.add_artifacts([])
            return [made[2], made[0], made[1]]

        expected = await store.transact(add)
        assert await store.read(lambda reads: reads.artifacts(expected[0].run_id)) == expected
        assert await store.read(lambda reads: reads.artifact_blobs()) == [("runs/key", "d" * 64)] * 3

    # --- polls ---

    async def test_a_due_poll_is_taken_by_one_poller(self, store: Persistence) -> None:
        stage = await store.transact(add_waiting)
        assert await store.transact(polls) == [stage.id]
        assert await store.transact(polls) == []
        taken = await store.transact(lambda work: stored(work, stage))
        assert taken.poll_token == TOKEN
        assert await store.read(lambda reads: reads.tokens()) == {TOKEN}

    async def test_racing_pollers_get_each_stage_once(self, store: Persistence) -> None:
        made = await store.transact(lambda work: {add_waiting(work).id for _ in range(40)})
        start = threading.Barrier(4)

        def poller(_: int) -> list[str]:
            mine: list[str] = []
            start.wait(PATIENCE)
            while got := store.submit(lambda work: polls(work, 5)).result(PATIENCE):
                mine += got
            return mine

        with ThreadPoolExecutor(4) as threads:
            taken = [stage_id for mine in threads.map(poller, range(4)) for stage_id in mine]
        assert sorted(taken) == sorted(made)

    async def test_the_longest_due_is_polled_first_and_the_limit_holds(self, store: Persistence) -> None:
        def prepare(work: UnitOfWork) -> list[str]:
            due = [add_waiting(work, next_poll_at=work.now - timedelta(minutes=ago)).id for ago in (1, 3, 2)]
            return [due[1], due[2], due[0]]

        expected = await store.transact(prepare)
        assert await store.transact(lambda work: polls(work, 2)) == expected[:2]
        assert await store.transact(polls) == expected[2:]

    async def test_a_poll_that_is_not_due_waits_and_is_announced(self, store: Persistence) -> None:
        stage = await store.transact(lambda work: add_waiting(work, next_poll_at=soon(work)))
        assert await store.transact(polls) == []
        due = await store.transact(lambda work: work.next_upkeep_due([WORKFLOW], events=False))
        assert due == stage.next_poll_at
        assert await store.transact(lambda work: work.next_upkeep_due(["other"], events=False)) is None

    async def test_without_a_time_nothing_is_polled(self, store: Persistence) -> None:
        await store.transact(lambda work: add_waiting(work, next_poll_at=None))
        assert await store.transact(polls) == []

    async def test_a_stage_of_an_unknown_workflow_is_not_polled(self, store: Persistence) -> None:
        await store.transact(add_waiting)
        assert await store.transact(lambda work: polls(work, workflow_id="other")) == []

    @pytest.mark.parametrize("status", NOT_SUSPENDED)
    async def test_only_what_is_suspended_is_polled(self, store: Persistence, status: StageStatus) -> None:
        await store.transact(lambda work: add_waiting(work, status=status))
        assert await store.transact(polls) == []

    @pytest.mark.parametrize("status", [status for status in RunStatus if status is not RunStatus.RUNNING])
    async def test_only_stages_of_running_runs_are_polled(self, store: Persistence, status: RunStatus) -> None:
        def prepare(work: UnitOfWork) -> None:
            run = add_run(work, status=status)
            add_stage(work, run, status=StageStatus.SUSPENDED, next_poll_at=long_ago(work))

        await store.transact(prepare)
        assert await store.transact(polls) == []
