"""What `engine.ports.runs.RunStore` promises."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from engine.model.ids import new_run_id
from engine.model.records import RunRecord
from engine.model.status import JobStatus, RunStatus, StageStatus
from engine.ports.persistence import Persistence
from engine.ports.work import UnitOfWork
from engine.testing.conformance.records import (
    WORKFLOW,
    add_job,
    add_run,
    add_stage,
    another,
    is_optional,
    long_ago,
    soon,
)
from engine.testing.conformance.store import PATIENCE, Refused

FIXED = ("id", "workflow_id", "workflow_name", "created_at", "total_cost", "total_tokens")
"""Who the run is, and what is counted where AI calls are recorded."""
MOVING = [name for name in RunRecord._fields if name not in (*FIXED, "version")]
NOT_PENDING = [status for status in RunStatus if status is not RunStatus.PENDING]


def stored(work: UnitOfWork, run_id: str) -> RunRecord:
    run = work.runs.get(run_id)
    assert run is not None
    return run


def count_failed(work: UnitOfWork, delta: int) -> None:
    work.runs.add_counts({(WORKFLOW, RunStatus.FAILED): delta})


def add_stuck(work: UnitOfWork, **fields: Any) -> RunRecord:
    return add_run(work, status=RunStatus.RUNNING, updated_at=long_ago(work), **fields)


def stuck(work: UnitOfWork, limit: int = 10) -> list[str]:
    return work.runs.stuck(work.now - timedelta(minutes=30), limit)


class RunPromises:
    """Needs the fixture `store`: an empty `Persistence`."""

    @pytest.mark.parametrize("field", RunRecord._fields)
    async def test_a_run_is_kept_with_every_field(self, store: Persistence, field: str) -> None:
        fields: dict[str, Any] = {field: "a" * 20 if field == "id" else another(RunRecord, field)}

        def check(work: UnitOfWork) -> None:
            run = add_run(work, **fields)
            assert stored(work, run.id) == run

        await store.transact(check)

    @pytest.mark.parametrize("field", [name for name in RunRecord._fields if is_optional(RunRecord, name)])
    async def test_what_a_run_lacks_it_lacks_when_read(self, store: Persistence, field: str) -> None:
        empty: dict[str, Any] = {field: None}
        run = await store.transact(lambda work: add_run(work, **empty))
        assert getattr(await store.transact(lambda work: stored(work, run.id)), field) is None

    @pytest.mark.parametrize("field", MOVING)
    async def test_saving_writes_every_field_that_moves(self, store: Persistence, field: str) -> None:
        run = await store.transact(lambda work: add_run(work))
        changed = run._replace(**{field: another(RunRecord, field)})
        await store.transact(lambda work: work.runs.save([changed]))
        assert await store.transact(lambda work: stored(work, run.id)) == changed._replace(version=2)

    @pytest.mark.parametrize("field", [name for name in FIXED if name != "id"])
    async def test_saving_leaves_what_is_fixed(self, store: Persistence, field: str) -> None:
        run = await store.transact(lambda work: add_run(work))
        await store.transact(lambda work: work.runs.save([run._replace(**{field: another(RunRecord, field)})]))
        assert await store.transact(lambda work: stored(work, run.id)) == run._replace(version=2)

    async def test_saving_none_clears_what_was_there(self, store: Persistence) -> None:
        run = await store.transact(lambda work: add_run(work, error="no", output="1", worker_id="w"))
        cleared = run._replace(error=None, output=None, worker_id=None)
        await store.transact(lambda work: work.runs.save([cleared]))
        assert await store.transact(lambda work: stored(work, run.id)) == cleared._replace(version=2)

    async def test_a_run_that_is_not_there_is_none(self, store: Persistence) -> None:
        assert await store.transact(lambda work: work.runs.get(new_run_id())) is None

    async def test_inputs_are_kept_letter_by_letter(self, store: Persistence) -> None:
        texts = ["{}", '{"b": 1, "a": 1.0}', '" \\u00e4 ä \\\\ %s ?1 :x"', "[1e2,1.50]", "x" * 300_000]

        def check(work: UnitOfWork) -> None:
            ids = {add_run(work, input_text=one).id: one for one in texts}
            work.runs.save(list(work.runs.lock(ids).values()))
            assert work.runs.inputs([*ids, new_run_id()]) == ids
            assert work.runs.inputs([]) == {}

        await store.transact(check)

    async def test_saving_several_is_all_or_nothing(self, store: Persistence) -> None:
        one, other = await store.transact(lambda work: (add_run(work), add_run(work)))
        stale = [one._replace(hand_offs=1), other._replace(hand_offs=1, version=9)]
        with pytest.raises(RuntimeError, match="changed"):
            await store.transact(lambda work: work.runs.save(stale))
        assert await store.transact(lambda work: [stored(work, one.id), stored(work, other.id)]) == [one, other]
        await store.transact(lambda work: work.runs.save([]))

    async def test_locking_gives_the_runs_that_are_there(self, store: Persistence) -> None:
        def check(work: UnitOfWork) -> None:
            runs = [add_run(work) for _ in range(3)]
            wanted = [runs[2].id, runs[0].id, runs[2].id, new_run_id()]
            found = work.runs.lock(wanted)
            assert found == {runs[0].id: runs[0], runs[2].id: runs[2]}
            assert list(found) == sorted(found)
            assert work.runs.lock([]) == {}

        await store.transact(check)

    async def test_racing_writers_that_lock_lose_no_change(self, store: Persistence) -> None:
        run = await store.transact(lambda work: add_run(work))

        def count(work: UnitOfWork) -> None:
            here = work.runs.lock([run.id])[run.id]
            work.runs.save([here._replace(hand_offs=here.hand_offs + 1)])

        def many(_: int) -> None:
            for _ in range(5):
                store.submit(count).result(PATIENCE)

        with ThreadPoolExecutor(4) as threads:
            list(threads.map(many, range(4)))
        counted = await store.transact(lambda work: stored(work, run.id))
        assert (counted.hand_offs, counted.version) == (20, 21)

    # --- claiming ---

    async def test_b035_what_was_claimed_and_saved_is_not_claimed_again(self, store: Persistence) -> None:
        def take(work: UnitOfWork) -> list[str]:
            claimed = work.runs.claim_pending([WORKFLOW], 10)
            work.runs.save([one._replace(status=RunStatus.RUNNING) for one in claimed])
            return [one.id for one in claimed]

        run = await store.transact(lambda work: add_run(work))
        assert await store.transact(take) == [run.id]
        assert await store.transact(take) == []

    async def test_racing_claimers_get_each_run_once(self, store: Persistence) -> None:
        made = await store.transact(lambda work: {add_run(work).id for _ in range(60)})
        start = threading.Barrier(4)

        def take(work: UnitOfWork) -> list[str]:
            claimed = work.runs.claim_pending([WORKFLOW], 7)
            work.runs.save([one._replace(status=RunStatus.RUNNING) for one in claimed])
            return [one.id for one in claimed]

        def claimer(_: int) -> list[str]:
            mine: list[str] = []
            start.wait(PATIENCE)
            while got := store.submit(take).result(PATIENCE):
                mine += got
            return mine

        with ThreadPoolExecutor(4) as threads:
            taken = [run_id for mine in threads.map(claimer, range(4)) for run_id in mine]
        assert sorted(taken) == sorted(made)

    @pytest.mark.parametrize("status", NOT_PENDING)
    async def test_b027_only_pending_runs_are_claimed(self, store: Persistence, status: RunStatus) -> None:
        await store.transact(lambda work: add_run(work, status=status))
        assert await store.transact(lambda work: work.runs.claim_pending([WORKFLOW], 10)) == []
        assert await store.transact(lambda work: work.runs.pending_priorities([WORKFLOW], 10)) == []

    async def test_between_equals_the_first_id_is_claimed_first(self, store: Persistence) -> None:
        def check(work: UnitOfWork) -> None:
            for name in "cab":
                add_run(work, name * 20)
            assert [run.id[0] for run in work.runs.claim_pending([WORKFLOW], 2)] == ["a", "b"]

        await store.transact(check)

    async def test_nothing_is_claimed_for_who_knows_no_workflow(self, store: Persistence) -> None:
        await store.transact(lambda work: add_run(work))
        assert await store.transact(lambda work: work.runs.claim_pending([], 10)) == []
        assert await store.transact(lambda work: work.runs.pending_priorities([], 10)) == []

    async def test_the_priorities_of_the_next_are_the_highest(self, store: Persistence) -> None:
        def check(work: UnitOfWork) -> None:
            for priority in (1, 9, 5, 9):
                add_run(work, priority=priority)
            assert work.runs.pending_priorities([WORKFLOW], 3) == [9, 9, 5]

        await store.transact(check)

    async def test_a_delayed_run_is_promoted_once(self, store: Persistence) -> None:
        await store.transact(lambda work: add_run(work, delayed=True, start_at=long_ago(work)))
        await store.transact(lambda work: add_run(work, delayed=True, start_at=soon(work)))
        assert await store.transact(lambda work: work.runs.promote_delayed()) == 1
        assert await store.transact(lambda work: work.runs.promote_delayed()) == 0

    async def test_the_next_delayed_run_is_known(self, store: Persistence) -> None:
        assert await store.transact(lambda work: work.next_claim_due()) is None
        run = await store.transact(lambda work: add_run(work, delayed=True, start_at=soon(work)))
        assert await store.transact(lambda work: work.next_claim_due()) == run.start_at

    # --- stuck runs ---

    async def test_b140_a_run_that_nobody_moves_is_stuck(self, store: Persistence) -> None:
        run = await store.transact(add_stuck)
        assert await store.transact(stuck) == [run.id]

    @pytest.mark.parametrize("status", [status for status in RunStatus if status is not RunStatus.RUNNING])
    async def test_b148_only_a_running_one_is_stuck(self, store: Persistence, status: RunStatus) -> None:
        await store.transact(lambda work: add_run(work, status=status, updated_at=long_ago(work)))
        assert await store.transact(stuck) == []

    @pytest.mark.parametrize("status", [JobStatus.PENDING, JobStatus.SCHEDULED])
    async def test_b143_a_run_with_a_job_in_the_queue_is_not_stuck(self, store: Persistence, status: JobStatus) -> None:
        await store.transact(lambda work: add_job(work, add_stuck(work), status=status, due_at=soon(work)))
        assert await store.transact(stuck) == []

    @pytest.mark.parametrize("live", [True, False])
    async def test_b142_a_live_lease_keeps_a_run_from_being_stuck(self, store: Persistence, live: bool) -> None:
        def prepare(work: UnitOfWork) -> str:
            run = add_stuck(work)
            until = soon(work) if live else long_ago(work)
            add_job(work, run, status=JobStatus.RUNNING, lease_token="t", leased_until=until, renewed_at=work.now)  # noqa: S106
            return run.id

        run_id = await store.transact(prepare)
        assert await store.transact(stuck) == ([] if live else [run_id])

    @pytest.mark.parametrize("polled", [True, False])
    async def test_b141_a_poll_to_come_keeps_a_run_from_being_stuck(self, store: Persistence, polled: bool) -> None:
        def prepare(work: UnitOfWork) -> str:
            run = add_stuck(work)
            next_poll = soon(work) if polled else None
            add_stage(work, run, status=StageStatus.SUSPENDED, next_poll_at=next_poll)
            return run.id

        run_id = await store.transact(prepare)
        assert await store.transact(stuck) == ([] if polled else [run_id])

    async def test_those_longest_untouched_are_found_first_and_no_more_than_asked_for(self, store: Persistence) -> None:
        def prepare(work: UnitOfWork) -> list[str]:
            moved = (timedelta(hours=2), timedelta(hours=4), timedelta(hours=3), timedelta(minutes=1))
            runs = [add_run(work, status=RunStatus.RUNNING, updated_at=work.now - ago) for ago in moved]
            return [runs[1].id, runs[2].id, runs[0].id]

        expected = await store.transact(prepare)
        assert await store.transact(stuck) == expected
        assert await store.transact(lambda work: stuck(work, 2)) == expected[:2]

    # --- counts ---

    async def test_counts_add_up_over_transactions(self, store: Persistence) -> None:
        def refused(work: UnitOfWork) -> None:
            count_failed(work, 1)
            raise Refused

        for delta in (3, -1, 0, 2):
            await store.transact(partial(count_failed, delta=delta))
        with pytest.raises(Refused):
            await store.transact(refused)
        counted = await store.read(lambda reads: reads.counts())
        assert [(one.workflow_id, one.status, one.count) for one in counted] == [(WORKFLOW, RunStatus.FAILED, 4)]
