"""What `engine.ports.jobs.JobTransport` promises."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest

from engine.model.records import JobRecord, Lease
from engine.model.status import JobStatus
from engine.ports.persistence import Persistence
from engine.ports.work import UnitOfWork
from engine.testing.conformance.records import BODY, add_job, add_run, another, long_ago, soon
from engine.testing.conformance.store import Refused

FIXED = ("workflow_id", "stage_id", "created_at")
MOVING = [name for name in JobRecord._fields if name not in ("id", "run_id", *FIXED)]
TOKEN = "token"  # noqa: S105 - of a lease


def claim(
    work: UnitOfWork, limit: int = 100, *, job_ids: Sequence[str] = (), until: datetime | None = None
) -> list[JobRecord]:
    """Lease due jobs of `flow/step` to the worker `w`, for an hour unless `until` says otherwise."""
    return work.jobs.claim([BODY], "w", TOKEN, until or soon(work), limit, job_ids)


def add_claimed(work: UnitOfWork, until: datetime | None = None) -> tuple[JobRecord, Lease]:
    """A job just leased, and its lease."""
    job = add_job(work, add_run(work))
    (leased,) = claim(work, job_ids=[job.id], until=until)
    return leased, Lease(leased.id, TOKEN, leased.attempt)


def freed(job: JobRecord) -> JobRecord:
    return job._replace(worker_id=None, lease_token=None, leased_until=None, renewed_at=None)


def completed(work: UnitOfWork, job: JobRecord) -> JobRecord:
    return freed(job)._replace(status=JobStatus.COMPLETED, completed_at=work.now)


def wrong_token(lease: Lease) -> Lease:
    return lease._replace(token="another")  # noqa: S106


def wrong_attempt(lease: Lease) -> Lease:
    return lease._replace(attempt=lease.attempt + 1)


def wrong_job(lease: Lease) -> Lease:
    return lease._replace(job_id="0" * 20)


class JobPromises:
    """Needs the fixture `store`: an empty `Persistence`."""

    async def test_a_claim_takes_the_highest_priority_then_the_oldest_then_the_first_id(
        self, store: Persistence
    ) -> None:
        def prepare(work: UnitOfWork) -> list[str]:
            run = add_run(work)
            late, early = work.now, work.now - timedelta(microseconds=1)
            made = [(1, early, "a"), (7, late, "d"), (7, late, "c"), (7, early, "e"), (9, late, "f")]
            for priority, created_at, name in made:
                add_job(work, run, id=name * 20, priority=priority, created_at=created_at)
            return [name * 20 for name in "fecda"]

        expected = await store.transact(prepare)
        assert await store.transact(lambda work: work.jobs.due_priorities([BODY], 3)) == [9, 7, 7]
        first = await store.transact(lambda work: [job.id for job in claim(work, 2)])
        rest = await store.transact(lambda work: [job.id for job in claim(work)])
        assert [*first, *rest] == expected
        assert await store.transact(claim) == []

    async def test_a_claim_writes_the_lease_and_counts_the_delivery(self, store: Persistence) -> None:
        def leased(work: UnitOfWork) -> None:
            job = add_job(work, add_run(work), attempt=4, tries=1)
            (claimed,) = claim(work)
            assert (claimed.id, claimed.status, claimed.attempt, claimed.tries) == (job.id, JobStatus.RUNNING, 5, 2)
            assert (claimed.worker_id, claimed.lease_token) == ("w", TOKEN)
            assert (claimed.leased_until, claimed.renewed_at) == (soon(work), work.now)
            assert work.jobs.due_for(job.run_id, "step") == claimed

        await store.transact(leased)

    async def test_a_claim_takes_only_bodies_that_are_at_hand_and_jobs_that_were_named(
        self, store: Persistence
    ) -> None:
        def only(work: UnitOfWork) -> None:
            run = add_run(work)
            add_job(work, run, stage_id="unknown", priority=99)
            known, named = add_job(work, run, priority=50), add_job(work, run)
            assert [job.id for job in claim(work, job_ids=[named.id])] == [named.id]
            assert [job.id for job in claim(work)] == [known.id]
            assert work.jobs.due_priorities([BODY], 10) == []
            assert work.jobs.claim([], "w", TOKEN, soon(work), 10) == []

        await store.transact(only)

    async def test_racing_claimers_get_each_job_once(self, store: Persistence) -> None:
        def prepare(work: UnitOfWork) -> set[str]:
            run = add_run(work)
            return {add_job(work, run).id for _ in range(200)}

        made = await store.transact(prepare)
        start = threading.Barrier(8)

        def claimer() -> list[str]:
            mine: list[str] = []
            start.wait()
            while got := store.submit(lambda work: [job.id for job in claim(work, 7)]).result():
                mine += got
            return mine

        with ThreadPoolExecutor(8) as pool:
            taken = [job for mine in pool.map(lambda _: claimer(), range(8)) for job in mine]
        assert sorted(taken) == sorted(made)

    async def test_scheduled_jobs_wait_until_their_time_has_come(self, store: Persistence) -> None:
        def prepare(work: UnitOfWork) -> tuple[str, datetime]:
            run = add_run(work)
            later = add_job(work, run, status=JobStatus.SCHEDULED, due_at=soon(work), priority=99)
            due = add_job(work, run, status=JobStatus.SCHEDULED, due_at=work.now)
            assert later.due_at is not None
            return due.id, later.due_at

        due, later_at = await store.transact(prepare)
        assert await store.transact(claim) == []
        assert await store.transact(lambda work: work.jobs.promote_due()) == 1
        assert await store.transact(lambda work: work.next_claim_due()) == later_at
        assert await store.transact(lambda work: [job.id for job in claim(work)]) == [due]

    @pytest.mark.parametrize("spoil", [wrong_token, wrong_attempt, wrong_job])
    async def test_b047_without_the_lease_nothing_is_written(
        self, store: Persistence, spoil: Callable[[Lease], Lease]
    ) -> None:
        job, lease = await store.transact(add_claimed)
        no_lease = spoil(lease)

        def late(work: UnitOfWork) -> None:
            assert work.jobs.finish([(no_lease, completed(work, job))]) == 0
            assert work.jobs.held([no_lease]) == set()
            assert work.jobs.renew([no_lease], soon(work) + timedelta(hours=1)) == set()
            assert work.jobs.due_for(job.run_id, "step") == job

        await store.transact(late)

    @pytest.mark.parametrize("status", [status for status in JobStatus if status is not JobStatus.RUNNING])
    async def test_a_job_that_no_longer_runs_takes_no_late_outcome(self, store: Persistence, status: JobStatus) -> None:
        job, lease = await store.transact(add_claimed)
        await store.transact(lambda work: work.jobs.save([job._replace(status=status, last_error="moved on")]))

        def late(work: UnitOfWork) -> int:
            assert work.jobs.held([lease]) == set()
            assert work.jobs.renew([lease], soon(work)) == set()
            return work.jobs.finish([(lease, completed(work, job))])

        assert await store.transact(late) == 0

    async def test_of_a_list_those_that_are_held_are_finished_and_counted(self, store: Persistence) -> None:
        one, one_lease = await store.transact(add_claimed)
        other, other_lease = await store.transact(add_claimed)

        def finish(work: UnitOfWork) -> int:
            mine, lost = (one_lease, completed(work, one)), (wrong_token(other_lease), completed(work, other))
            assert work.jobs.held([mine[0], lost[0]]) == {one.id}
            return work.jobs.finish([mine, lost])

        assert await store.transact(finish) == 1
        left = await store.transact(lambda work: [*work.jobs.of_run(one.run_id), *work.jobs.of_run(other.run_id)])
        assert left == [other]

    async def test_renewing_moves_the_end_of_the_lease_and_says_who_holds(self, store: Persistence) -> None:
        job, lease = await store.transact(lambda work: add_claimed(work, until=long_ago(work)))

        def renew(work: UnitOfWork) -> None:
            assert work.jobs.renew([lease, wrong_job(lease)], soon(work)) == {job.id}
            renewed = work.jobs.due_for(job.run_id, "step")
            assert renewed is not None
            assert (renewed.leased_until, renewed.renewed_at) == (soon(work), work.now)
            assert work.jobs.expired(work.now, 10) == []

        await store.transact(renew)

    async def test_a_lease_is_expired_when_it_ended_and_was_not_renewed_of_late(self, store: Persistence) -> None:
        ended, _ = await store.transact(lambda work: add_claimed(work, until=long_ago(work)))
        await store.transact(lambda work: add_claimed(work))

        def expired(work: UnitOfWork) -> None:
            renewed_at = ended.renewed_at
            assert renewed_at is not None
            assert work.jobs.expired(renewed_at, 10) == [ended]
            assert work.jobs.expired(renewed_at - timedelta(microseconds=1), 10) == []
            assert work.jobs.expired(renewed_at, 0) == []

        await store.transact(expired)

    async def test_the_jobs_of_a_run_are_those_that_are_not_over(self, store: Persistence) -> None:
        def prepare(work: UnitOfWork) -> None:
            run = add_run(work)
            over = {JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED}
            jobs = [add_job(work, run, status=status, stage_id=status) for status in JobStatus]
            add_job(work, add_run(work))
            active = sorted((job for job in jobs if job.status not in over), key=lambda job: job.id)
            assert work.jobs.of_run(run.id) == active
            for job in jobs:
                assert work.jobs.due_for(run.id, job.stage_id) == (job if job in active else None)

        await store.transact(prepare)

    @pytest.mark.parametrize("field", [name for name in JobRecord._fields if name != "run_id"])
    async def test_a_job_is_kept_with_every_field(self, store: Persistence, field: str) -> None:
        fields: dict[str, Any] = {"status": JobStatus.RUNNING}
        if field != "status":
            fields[field] = another(JobRecord, field)

        def check(work: UnitOfWork) -> None:
            job = add_job(work, add_run(work), **fields)
            assert work.jobs.of_run(job.run_id) == [job]

        await store.transact(check)

    @pytest.mark.parametrize("field", [name for name in MOVING if name != "status"])
    async def test_saving_writes_every_field_that_moves(self, store: Persistence, field: str) -> None:
        def check(work: UnitOfWork) -> None:
            job = add_job(work, add_run(work))
            changed = job._replace(**{field: another(JobRecord, field)})
            work.jobs.save([changed])
            work.jobs.save([])
            assert work.jobs.of_run(job.run_id) == [changed]

        await store.transact(check)

    @pytest.mark.parametrize("field", FIXED)
    async def test_saving_leaves_who_a_job_is(self, store: Persistence, field: str) -> None:
        def check(work: UnitOfWork) -> None:
            job = add_job(work, add_run(work))
            work.jobs.save([job._replace(**{field: another(JobRecord, field)})])
            assert work.jobs.of_run(job.run_id) == [job]

        await store.transact(check)

    async def test_finishing_frees_the_lease_and_writes_the_outcome(self, store: Persistence) -> None:
        job, lease = await store.transact(add_claimed)
        again = freed(job)._replace(status=JobStatus.SCHEDULED, last_error="no")

        def finish(work: UnitOfWork) -> JobRecord | None:
            again_at = again._replace(due_at=soon(work))
            assert work.jobs.finish([(lease, again_at)]) == 1
            assert work.jobs.finish([(lease, again_at)]) == 0
            assert work.jobs.finish([]) == 0
            found = work.jobs.due_for(job.run_id, "step")
            assert found == again_at
            return found

        assert await store.transact(finish) is not None

    @pytest.mark.parametrize("status", [status for status in JobStatus if status is not JobStatus.PENDING])
    async def test_b040_only_pending_jobs_are_claimed(self, store: Persistence, status: JobStatus) -> None:
        await store.transact(lambda work: add_job(work, add_run(work), status=status, due_at=long_ago(work)))
        assert await store.transact(claim) == []
        assert await store.transact(lambda work: work.jobs.due_priorities([BODY], 5)) == []

    @pytest.mark.parametrize("status", [status for status in JobStatus if status is not JobStatus.RUNNING])
    async def test_b050_only_running_jobs_expire(self, store: Persistence, status: JobStatus) -> None:
        def check(work: UnitOfWork) -> None:
            ended = {"leased_until": long_ago(work), "renewed_at": long_ago(work)}
            add_job(work, add_run(work), status=status, **ended)
            assert work.jobs.expired(work.now, 10) == []

        await store.transact(check)

    async def test_b037_every_claim_counts_one_delivery(self, store: Persistence) -> None:
        job = await store.transact(lambda work: add_job(work, add_run(work)))

        def again(work: UnitOfWork) -> tuple[int, int]:
            (leased,) = claim(work, job_ids=[job.id])
            work.jobs.save([leased._replace(status=JobStatus.PENDING, lease_token=None)])
            return leased.attempt, leased.tries

        assert [await store.transact(again) for _ in range(3)] == [(1, 1), (2, 2), (3, 3)]

    async def test_a_claim_that_is_rolled_back_leaves_the_job_to_others(self, store: Persistence) -> None:
        job = await store.transact(lambda work: add_job(work, add_run(work)))

        def refused(work: UnitOfWork) -> None:
            assert len(claim(work)) == 1
            raise Refused

        with pytest.raises(Refused):
            await store.transact(refused)
        (leased,) = await store.transact(claim)
        assert (leased.id, leased.attempt) == (job.id, 1)

    async def test_b039_the_future_is_not_claimed_whatever_its_priority(self, store: Persistence) -> None:
        def prepare(work: UnitOfWork) -> str:
            run = add_run(work)
            add_job(work, run, status=JobStatus.SCHEDULED, due_at=soon(work), priority=99)
            return add_job(work, run, priority=1).id

        job_id = await store.transact(prepare)
        assert await store.transact(lambda work: work.jobs.promote_due()) == 0
        assert await store.transact(lambda work: [job.id for job in claim(work)]) == [job_id]

    async def test_the_end_of_a_lease_is_announced(self, store: Persistence) -> None:
        await store.transact(add_claimed)

        def look(work: UnitOfWork) -> bool:
            due = work.next_upkeep_due([], events=False)
            return due is not None and due <= soon(work)

        assert await store.transact(look)
        assert await store.transact(lambda work: work.next_claim_due()) is None
