"""What the ports promise of schedules and of removing what is old."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest

from engine.model.criteria import AnnotationFilter, PageRequest
from engine.model.records import (
    AnnotationRecord,
    AuditRecord,
    DefinitionRecord,
    KeyRecord,
    RunRecord,
    ScheduleRecord,
    WorkerRecord,
)
from engine.model.status import RunStatus, StageStatus
from engine.ports.persistence import Persistence
from engine.ports.work import UnitOfWork
from engine.testing.conformance.records import (
    NOON,
    WORKFLOW,
    add_events,
    add_job,
    add_lines,
    add_run,
    add_stage,
    another,
    long_ago,
    soon,
)
from engine.testing.conformance.store import PATIENCE, Gate

SCHEDULE = ScheduleRecord("s" * 20, '{"type": "run.create"}', "ann", None, NOON)
OVER = [RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELLED]
GOES_ON = [RunStatus.PENDING, RunStatus.RUNNING]


def add_schedule(work: UnitOfWork, name: str, due_at: datetime | None) -> str:
    work.schedules.put(SCHEDULE._replace(id=name * 20, due_at=due_at))
    return name * 20


def add_old(work: UnitOfWork, **fields: Any) -> RunRecord:
    """A run that ended an hour ago."""
    ended = {"status": RunStatus.COMPLETED, "completed_at": long_ago(work)}
    return add_run(work, **{**ended, **fields})


def expired(work: UnitOfWork, limit: int = 10, *, keep_failed: bool = False) -> list[str]:
    return work.retention.expired_runs(work.now - timedelta(minutes=1), limit, keep_failed=keep_failed)


def delete_one(work: UnitOfWork, run_id: str) -> int:
    return work.retention.delete_runs([run_id])["runs"]


class SchedulePromises:
    """Needs the fixture `store`: an empty `Persistence`."""

    @pytest.mark.parametrize("field", ScheduleRecord._fields)
    async def test_a_schedule_is_kept_with_every_field(self, store: Persistence, field: str) -> None:
        schedule = SCHEDULE._replace(**{field: another(ScheduleRecord, field)})
        await store.transact(lambda work: work.schedules.put(schedule))
        assert await store.transact(lambda work: work.schedules.lock(schedule.id)) == schedule
        assert await store.read(lambda reads: reads.schedules()) == [schedule]

    async def test_a_second_put_replaces_it(self, store: Persistence) -> None:
        await store.transact(lambda work: work.schedules.put(SCHEDULE))
        changed = SCHEDULE._replace(due_at=NOON, fired=3, last_error="no")
        await store.transact(lambda work: work.schedules.put(changed))
        assert await store.transact(lambda work: work.schedules.lock(SCHEDULE.id)) == changed

    async def test_one_that_is_not_there_is_none(self, store: Persistence) -> None:
        assert await store.transact(lambda work: work.schedules.lock("x")) is None
        assert await store.transact(lambda work: work.schedules.take_due("x")) is None

    async def test_those_longest_due_come_first_and_the_future_waits(self, store: Persistence) -> None:
        def check(work: UnitOfWork) -> None:
            add_schedule(work, "a", work.now)
            add_schedule(work, "b", long_ago(work))
            add_schedule(work, "c", soon(work))
            add_schedule(work, "d", None)
            assert [one[0] for one in work.schedules.due(10)] == ["b", "a"]
            assert [one[0] for one in work.schedules.due(1)] == ["b"]

        await store.transact(check)
        listed = await store.read(lambda reads: reads.schedules())
        assert [one.id[0] for one in listed] == ["b", "a", "c", "d"]

    @pytest.mark.parametrize("when", ["due", "later", "never"])
    async def test_only_what_is_due_is_taken(self, store: Persistence, when: str) -> None:
        def check(work: UnitOfWork) -> bool:
            due_at = {"due": work.now, "later": soon(work), "never": None}[when]
            return work.schedules.take_due(add_schedule(work, "a", due_at)) is not None

        assert await store.transact(check) == (when == "due")

    async def test_the_next_to_fire_is_known(self, store: Persistence) -> None:
        def check(work: UnitOfWork) -> None:
            assert work.next_upkeep_due([], events=False) is None
            add_schedule(work, "a", soon(work))
            assert work.next_upkeep_due([], events=False) == soon(work)

        await store.transact(check)

    async def test_racing_takers_fire_it_once(self, store: Persistence) -> None:
        name = await store.transact(lambda work: add_schedule(work, "a", long_ago(work)))
        start = threading.Barrier(4)

        def fire(work: UnitOfWork) -> bool:
            taken = work.schedules.take_due(name)
            if taken is not None:
                work.schedules.put(taken._replace(due_at=None, fired=taken.fired + 1))
            return taken is not None

        def taker(_: int) -> bool:
            start.wait(PATIENCE)
            return store.submit(fire).result(PATIENCE)

        with ThreadPoolExecutor(4) as threads:
            assert sorted(threads.map(taker, range(4))) == [False, False, False, True]
        found = await store.transact(lambda work: work.schedules.lock(name))
        assert found is not None
        assert found.fired == 1


class RetentionPromises:
    """Needs the fixture `store`: an empty `Persistence`."""

    @pytest.mark.parametrize("status", OVER)
    async def test_a_run_that_ended_before_expires(self, store: Persistence, status: RunStatus) -> None:
        run = await store.transact(lambda work: add_old(work, status=status))
        assert await store.transact(expired) == [run.id]
        cut = run.completed_at
        assert cut is not None
        assert await store.transact(lambda work: work.retention.expired_runs(cut, 10, keep_failed=False)) == []

    @pytest.mark.parametrize("status", GOES_ON)
    async def test_a_run_that_goes_on_never_expires(self, store: Persistence, status: RunStatus) -> None:
        await store.transact(lambda work: add_old(work, status=status))
        assert await store.transact(expired) == []

    @pytest.mark.parametrize("status", OVER)
    async def test_failed_runs_are_kept_when_asked(self, store: Persistence, status: RunStatus) -> None:
        run = await store.transact(lambda work: add_old(work, status=status))
        kept = [] if status is RunStatus.FAILED else [run.id]
        assert await store.transact(lambda work: expired(work, keep_failed=True)) == kept
        before = await store.transact(lambda work: work.now)
        assert await store.read(lambda reads: reads.expired(before, keep_failed=True)) == len(kept)
        assert await store.read(lambda reads: reads.expired(before, keep_failed=False)) == 1

    async def test_the_oldest_go_first_and_no_more_than_asked_for(self, store: Persistence) -> None:
        def check(work: UnitOfWork) -> None:
            runs = [add_old(work, completed_at=work.now - timedelta(hours=ago)) for ago in (1, 3, 2)]
            assert expired(work, 2) == [runs[1].id, runs[2].id]

        await store.transact(check)

    async def test_a_run_is_deleted_with_everything_of_it(self, store: Persistence) -> None:
        def fill(work: UnitOfWork) -> str:
            run = add_old(work)
            stage = add_stage(work, run, status=StageStatus.COMPLETED, output="1", attempt=1)
            work.stages.archive([stage])
            add_job(work, run)
            add_events(work, run, 1, 2)
            add_lines(work, run, "said")
            work.logs.annotate([AnnotationRecord(run.id, "key", "1", NOON)])
            work.keys.begin(KeyRecord("key", "run.create", "h", None, run.id, NOON))
            return run.id

        run_id = await store.transact(fill)
        kept = await store.transact(lambda work: add_old(work).id)
        gone = await store.transact(lambda work: work.retention.delete_runs([run_id, "0" * 20]))
        assert (gone["runs"], gone["undelivered"]) == (1, 2)
        assert await store.read(lambda reads: reads.existing([run_id, kept])) == {kept}
        assert await store.read(lambda reads: (reads.stages(run_id), reads.attempts(run_id))) == ([], [])
        assert await store.read(lambda reads: reads.tail(run_id, None, 9)) == []
        assert (await store.read(lambda reads: reads.events(run_id, PageRequest()))).items == []
        notes = await store.read(lambda reads: reads.annotations(run_id, PageRequest(), AnnotationFilter()))
        assert notes.items == []
        assert await store.transact(lambda work: work.jobs.of_run(run_id)) == []
        assert await store.transact(lambda work: work.outbox.claim_runs("t", soon(work), 9)) == [kept]
        again = KeyRecord("key", "run.create", "h", None, None, NOON)
        assert await store.transact(lambda work: work.keys.begin(again)) is None

    async def test_who_deletes_runs_counts_them_out(self, store: Persistence) -> None:
        runs = await store.transact(lambda work: [add_old(work).id for _ in range(3)])
        await store.transact(lambda work: work.retention.delete_runs(runs[:2]))
        assert not await store.transact(lambda work: work.retention.delete_runs([]))
        (counted,) = [one for one in await store.read(lambda reads: reads.counts()) if one.count]
        assert (counted.workflow_id, counted.status, counted.count) == (WORKFLOW, RunStatus.COMPLETED, 1)

    async def test_word_of_their_blobs_is_left_until_they_are_collected(self, store: Persistence) -> None:
        runs = await store.transact(lambda work: [add_old(work).id for _ in range(3)])
        await store.transact(lambda work: work.retention.delete_runs(runs))
        left = await store.transact(lambda work: work.retention.garbage(10))
        assert sorted(left) == sorted(f"runs/{run_id}/" for run_id in runs)
        assert await store.transact(lambda work: work.retention.garbage(1)) == left[:1]
        await store.transact(lambda work: work.retention.collected(left[:2]))
        assert await store.transact(lambda work: work.retention.garbage(10)) == left[2:]

    async def test_the_rest_goes_by_its_own_rules(self, store: Persistence) -> None:
        def check(work: UnitOfWork) -> None:
            old, then = long_ago(work), work.now - timedelta(minutes=1)
            add_run(work, definition="used")
            worker = WorkerRecord("dead", "host", 1, old, old, old, 8, 0, "{}")
            work.workers.put(worker)
            work.workers.put(worker._replace(id="alive", alive_until=soon(work), workflows='{"flow": "running"}'))
            for fingerprint in ("unused", "used", "running"):
                work.definitions.put(DefinitionRecord(WORKFLOW, fingerprint, "{}", old))
            work.definitions.put(DefinitionRecord(WORKFLOW, "new", "{}", work.now))
            work.schedules.put(SCHEDULE._replace(id="fired", created_at=old))
            work.schedules.put(SCHEDULE._replace(id="fires", created_at=old, due_at=soon(work)))
            row = AuditRecord(old, "ann", "run.cancel", None, "x", None, None, None)
            work.audit.append([row, row._replace(created_at=work.now)])
            gone = work.retention.delete_rest(then, then)
            assert gone == {"definitions": 1, "workers": 1, "schedules": 1, "audit": 1}
            kept = [name for name in ("unused", "used", "running", "new") if work.definitions.get(WORKFLOW, name)]
            assert kept == ["used", "running", "new"]

        await store.transact(check)
        assert [one.id for one in await store.read(lambda reads: reads.workers())] == ["alive"]
        assert [one.id for one in await store.read(lambda reads: reads.schedules())] == ["fires"]
        assert len((await store.read(lambda reads: reads.audit(PageRequest()))).items) == 1

    async def test_a_transaction_that_waits_together_with_others_deletes_the_same(self, store: Persistence) -> None:
        runs = await store.transact(lambda work: [add_old(work).id for _ in range(4)])
        with Gate(store):
            futures = [store.submit(partial(delete_one, run_id=one)) for one in [*runs, runs[0]]]
        assert [future.result(PATIENCE) for future in futures] == [1, 1, 1, 1, 0]
