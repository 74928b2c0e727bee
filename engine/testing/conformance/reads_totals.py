"""What `engine.ports.reads.ReadStore` promises about the whole: counts, the queue, failures, sinks, soundness."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from engine.model.criteria import RunFilter
from engine.model.ids import new_run_id
from engine.model.payload import BlobPointer, pointer_text
from engine.model.read_records import HotCause
from engine.model.records import DefinitionRecord, SinkRecord, WorkerRecord
from engine.model.status import JobStatus, RunStatus, StageStatus
from engine.ports.persistence import Persistence
from engine.ports.reads import ReadStore
from engine.ports.work import UnitOfWork
from engine.testing.conformance.records import NOON, WORKFLOW, add_events, add_job, add_run, add_stage, long_ago, soon


def add_failed(work: UnitOfWork, cause: str | None, hour: int = 1, **fields: Any) -> None:
    add_run(
        work,
        status=RunStatus.FAILED,
        error=f"{cause} at {hour}",
        error_fingerprint=cause,
        failed_stage="step",
        completed_at=NOON + timedelta(hours=hour),
        total_cost=Decimal("0.5"),
        **fields,
    )


class TotalPromises:
    """Needs the fixture `store`: an empty `Persistence`."""

    async def test_an_empty_store_has_nothing_to_tell(self, store: Persistence) -> None:
        moment = await store.transact(lambda work: work.now)
        activity = await store.read(lambda reads: reads.activity(long_window=moment, short_window=moment, day=moment))
        assert (activity.ended, activity.due_jobs, activity.workers_known, activity.cost) == (0, 0, 0, Decimal(0))
        assert await store.read(lambda reads: (reads.counts(), reads.queue(), reads.definitions())) == ([], [], [])
        assert await store.read(lambda reads: (reads.failures(RunFilter(), 9), reads.sinks())) == ([], [])
        assert await store.read(lambda reads: (reads.inconsistencies(), reads.pointers())) == ([], [])
        assert await store.read(lambda reads: (reads.tokens(), reads.artifact_blobs())) == (set(), [])

    async def test_a_read_has_an_instant_of_its_own(self, store: Persistence) -> None:
        before = await store.transact(lambda work: work.now)
        first, again = await store.read(lambda reads: (reads.now, reads.now))
        assert first == again >= before
        assert first.utcoffset() == timedelta(0)

    async def test_ended_runs_are_counted_by_their_windows(self, store: Persistence) -> None:
        def add(work: UnitOfWork) -> None:
            for ago, status in ((1, RunStatus.FAILED), (30, RunStatus.COMPLETED), (90, RunStatus.FAILED)):
                add_run(work, status=status, completed_at=work.now - timedelta(minutes=ago))

        await store.transact(add)
        found = await store.read(
            lambda reads: reads.activity(
                long_window=reads.now - timedelta(hours=1), short_window=reads.now - timedelta(minutes=5), day=reads.now
            )
        )
        assert (found.ended, found.ended_failed, found.ended_lately) == (2, 1, 1)

    async def test_ended_runs_are_counted_by_the_hour(self, store: Persistence) -> None:
        def add(work: UnitOfWork) -> None:
            for minutes in (1, 59, 61, 200):
                add_run(work, status=RunStatus.COMPLETED, completed_at=work.now - timedelta(minutes=minutes))

        await store.transact(add)
        found = await store.read(lambda reads: reads.ended_by_hour(reads.now - timedelta(hours=3), 3))
        assert found == [0, 1, 2]

    async def test_runs_in_backoff_and_runs_that_wait_are_counted(self, store: Persistence) -> None:
        def add(work: UnitOfWork) -> None:
            backing, waiting, both = (add_run(work, status=RunStatus.RUNNING) for _ in range(3))
            add_job(work, backing, status=JobStatus.SCHEDULED, due_at=soon(work))
            add_stage(work, waiting, stage_id="a", status=StageStatus.SUSPENDED)
            add_stage(work, both, stage_id="a", status=StageStatus.SUSPENDED)
            add_stage(work, both, stage_id="b", status=StageStatus.RUNNING)

        await store.transact(add)
        assert await store.read(lambda reads: reads.derived_counts()) == (1, 1)

    async def test_the_cause_that_strikes_most_is_told_when_it_strikes_often(self, store: Persistence) -> None:
        def add(work: UnitOfWork) -> None:
            for minutes, cause in ((1, "a"), (2, "a"), (3, "b"), (90, "a")):
                at = work.now - timedelta(minutes=minutes)
                failed = {"error_fingerprint": cause, "failed_stage": "s", "error_code": "BROKEN"}
                add_run(work, status=RunStatus.FAILED, created_at=at, completed_at=at, **failed)

        def hot(reads: ReadStore, least: int) -> HotCause | None:
            since = reads.now - timedelta(hours=9)
            return reads.hot_cause(within=reads.now - timedelta(minutes=10), least=least, since=since)

        await store.transact(add)
        assert await store.read(lambda reads: hot(reads, 3)) is None
        found = await store.read(lambda reads: hot(reads, 2))
        assert found is not None
        assert (found.fingerprint, found.code, found.stage_id, found.runs) == ("a", "BROKEN", "s", 3)

    async def test_what_waits_and_who_lives_is_counted(self, store: Persistence) -> None:
        def add(work: UnitOfWork) -> None:
            run = add_run(work)
            add_job(work, run)
            add_job(work, run, status=JobStatus.SCHEDULED, due_at=long_ago(work))
            add_job(work, run, status=JobStatus.SCHEDULED, due_at=soon(work))
            events = add_events(work, run, 1, 2, 3)
            work.outbox.save([events[0]._replace(dead_at=NOON), events[1]._replace(published_at=NOON)])
            worker = WorkerRecord("a", "host", 1, NOON, NOON, soon(work), 8, 0, "{}")
            work.workers.put(worker)
            work.workers.put(worker._replace(id="b", alive_until=long_ago(work)))

        await store.transact(add)
        found = await store.read(
            lambda reads: reads.activity(long_window=reads.now, short_window=reads.now, day=reads.now)
        )
        assert (found.due_jobs, found.undelivered, found.dead_letters) == (2, 1, 1)
        assert (found.workers_alive, found.workers_known) == (1, 2)

    @pytest.mark.parametrize(
        ("status", "due", "expected"),
        [
            (JobStatus.PENDING, None, (1, 0, 0)),
            (JobStatus.SCHEDULED, "later", (0, 1, 0)),
            (JobStatus.SCHEDULED, "by now", (1, 0, 0)),
            (JobStatus.RUNNING, None, (0, 0, 1)),
        ],
    )
    async def test_the_queue_tells_jobs_apart(
        self, store: Persistence, status: JobStatus, due: str | None, expected: tuple[int, int, int]
    ) -> None:
        def add(work: UnitOfWork) -> None:
            at = {"later": soon(work), "by now": long_ago(work)}.get(due or "")
            add_job(work, add_run(work, status=RunStatus.RUNNING, created_at=NOON), status=status, due_at=at)

        await store.transact(add)
        (found,) = await store.read(lambda reads: reads.queue())
        assert (found.workflow_id, found.due, found.scheduled, found.running) == (WORKFLOW, *expected)
        assert found.oldest_at == (NOON if expected[0] else None)

    async def test_the_queue_has_a_row_for_each_workflow_by_id(self, store: Persistence) -> None:
        def add(work: UnitOfWork) -> None:
            add_run(work, workflow_id="b", created_at=NOON + timedelta(hours=1))
            add_run(work, workflow_id="b", created_at=NOON)
            add_job(work, add_run(work, workflow_id="a", status=RunStatus.RUNNING))
            add_run(work, workflow_id="c", status=RunStatus.COMPLETED)

        await store.transact(add)
        found = await store.read(lambda reads: reads.queue())
        assert [(one.workflow_id, one.due) for one in found] == [("a", 1), ("b", 0)]
        assert found[1].oldest_at == NOON

    async def test_failures_are_folded_by_cause_those_with_most_runs_first(self, store: Persistence) -> None:
        def add(work: UnitOfWork) -> None:
            for hour in (3, 1, 2):
                add_failed(work, "many", hour)
            add_failed(work, "one")
            add_failed(work, "many", workflow_id="other")
            add_run(work, status=RunStatus.COMPLETED, error_fingerprint="many")

        await store.transact(add)
        found = await store.read(lambda reads: reads.failures(RunFilter(), 10))
        first = found[0]
        assert (first.fingerprint, first.workflow_id, first.stage_id, first.runs) == ("many", WORKFLOW, "step", 3)
        assert (first.first_at, first.last_at) == (NOON + timedelta(hours=1), NOON + timedelta(hours=3))
        assert (first.wasted, first.example) == (Decimal("1.5"), "many at 3")
        assert [(one.fingerprint, one.runs) for one in found[1:]] == [("one", 1), ("many", 1)]
        assert await store.read(lambda reads: reads.failures(RunFilter(), 1)) == found[:1]
        filtered = await store.read(lambda reads: reads.failures(RunFilter(workflow_id=("other",)), 10))
        assert [one.workflow_id for one in filtered] == ["other"]

    async def test_runs_that_are_there_are_told_from_those_that_are_not(self, store: Persistence) -> None:
        run = await store.transact(lambda work: add_run(work))
        assert await store.read(lambda reads: reads.existing([run.id, new_run_id()])) == {run.id}
        assert await store.read(lambda reads: reads.existing([])) == set()

    async def test_pointers_of_runs_stages_and_attempts_are_found(self, store: Persistence) -> None:
        texts = [pointer_text(BlobPointer(f"runs/{name}", 1, "d" * 64)) for name in "abc"]

        def add(work: UnitOfWork) -> None:
            stage = add_stage(work, add_run(work, output=texts[0]), output=texts[1])
            work.stages.archive([stage._replace(output=texts[2])])
            add_run(work, output='"no pointer"')

        await store.transact(add)
        assert sorted(await store.read(lambda reads: reads.pointers())) == texts

    async def test_tokens_are_those_of_deliveries_under_way(self, store: Persistence) -> None:
        def add(work: UnitOfWork) -> None:
            run = add_run(work)
            add_job(work, run, status=JobStatus.RUNNING, lease_token="lease", leased_until=soon(work))  # noqa: S106
            add_job(work, run, stage_id="other")
            add_stage(work, run, status=StageStatus.SUSPENDED, poll_token="poll")  # noqa: S106

        await store.transact(add)
        assert await store.read(lambda reads: reads.tokens()) == {"lease", "poll"}

    async def test_what_can_not_be_is_found(self, store: Persistence) -> None:
        def add(work: UnitOfWork) -> str:
            work.definitions.put(DefinitionRecord(WORKFLOW, "none", "{}", NOON))
            add_run(work)
            run = add_run(work, status=RunStatus.COMPLETED)
            add_stage(work, run, status=StageStatus.RUNNING, started_at=NOON, tries=9)
            return run.id

        run_id = await store.transact(add)
        found = {one.rule: one.examples for one in await store.read(lambda reads: reads.inconsistencies())}
        assert found["a run that is over has no open stage"] == [f"{run_id}/step"]
        assert found["no stage is tried more often than it may"] == [f"{run_id}/step"]
        assert "runs are counted right" not in found

    # --- sinks ---

    @pytest.mark.parametrize("ok", [True, False])
    async def test_a_sink_is_listed_with_its_backlog(self, store: Persistence, ok: bool) -> None:
        sink = SinkRecord("hook", "https://host", NOON) if ok else SinkRecord("hook", "x", None, NOON, "refused")

        def note(work: UnitOfWork) -> None:
            work.outbox.note_sinks([sink, SinkRecord("a", "log")])
            first, *_ = add_events(work, add_run(work), 1, 2, 3)
            work.outbox.save([first._replace(dead_at=NOON, sink="hook")])

        await store.transact(note)
        other, found = await store.read(lambda reads: reads.sinks())
        assert (found.sink, found.pending, found.dead) == (sink, 2, 1)
        assert (other.sink.id, other.dead) == ("a", 0)
