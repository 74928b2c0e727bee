"""What `engine.ports.reads.ReadStore` promises to operators: single values, causes, leases, what is unfinished."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from engine.model.records import ArtifactRecord
from engine.model.status import JobStatus, RunStatus, StageStatus
from engine.ports.persistence import Persistence
from engine.ports.work import UnitOfWork
from engine.testing.conformance.records import NOON, WORKFLOW, add_events, add_job, add_run, add_stage, soon

HOUR = timedelta(hours=1)


class OperatorReadPromises:
    """Needs the fixture `store`: an empty `Persistence`."""

    async def test_the_attempts_of_a_stage_come_with_their_texts_the_current_one_last(self, store: Persistence) -> None:
        def add(work: UnitOfWork) -> str:
            stage = add_stage(work, add_run(work), attempt=1, input_text="[1]")
            work.stages.archive([stage._replace(status=StageStatus.FAILED, error="no")])
            work.stages.save([stage._replace(attempt=2, output="2")])
            return stage.run_id

        run_id = await store.transact(add)
        found = await store.read(lambda reads: reads.attempt_texts(run_id, "step"))
        told = [(one.attempt, one.input, one.output, one.error) for one in found]
        assert told == [(1, "[1]", None, "no"), (2, "[1]", "2", None)]
        assert await store.read(lambda reads: reads.attempt_texts(run_id, "other")) == []

    @pytest.mark.parametrize("state", ['{"batch": "b"}', None])
    async def test_what_a_waiting_stage_remembers_is_read(self, store: Persistence, state: str | None) -> None:
        run_id = await store.transact(
            lambda work: add_stage(work, add_run(work), status=StageStatus.SUSPENDED, suspended_state=state).run_id
        )
        assert await store.read(lambda reads: reads.suspended_state(run_id, "step")) == state
        assert await store.read(lambda reads: reads.suspended_state(run_id, "other")) is None

    async def test_an_artifact_is_that_of_an_attempt_or_the_latest(self, store: Persistence) -> None:
        def add(work: UnitOfWork) -> list[ArtifactRecord]:
            run = add_run(work)
            made = [ArtifactRecord(run.id, "step", n, "a", "text/plain", n, "d" * 64, f"k{n}", NOON) for n in (1, 2)]
            work.stages.add_artifacts(made)
            return made

        first, latest = await store.transact(add)
        assert await store.read(lambda reads: reads.artifact(first.run_id, "step", "a", 1)) == first
        assert await store.read(lambda reads: reads.artifact(first.run_id, "step", "a", None)) == latest
        assert await store.read(lambda reads: reads.artifact(first.run_id, "step", "b", None)) is None
        assert await store.read(lambda reads: reads.artifact(first.run_id, "step", "a", 3)) is None

    async def test_the_times_of_completed_stages_are_told(self, store: Persistence) -> None:
        def add(work: UnitOfWork) -> str:
            run = add_run(work)
            times: dict[str, Any] = {"started_at": NOON, "completed_at": NOON + HOUR}
            add_stage(work, run, "done", status=StageStatus.COMPLETED, **times)
            add_stage(work, run, "failed", status=StageStatus.FAILED, **times)
            return run.id

        run_id = await store.transact(add)
        assert await store.read(lambda reads: reads.stage_times([run_id])) == [("done", NOON, NOON + HOUR)]
        assert await store.read(lambda reads: reads.stage_times([])) == []

    async def test_dead_letters_are_grouped_by_cause_and_sink_the_largest_first(self, store: Persistence) -> None:
        def give_up(work: UnitOfWork) -> list[str]:
            events = add_events(work, add_run(work), 1, 2, 3, 4)
            causes = [("f1", "hook"), ("f2", "hook"), ("f2", "hook"), ("f2", "log")]
            for event, (cause, sink) in zip(events, causes, strict=True):
                work.outbox.save([event._replace(dead_at=NOON, fingerprint=cause, sink=sink, last_error="no")])
            return [event.id for event in events]

        ids = await store.transact(give_up)
        groups = await store.read(lambda reads: reads.dead_letter_groups(10))
        assert (groups[0].fingerprint, groups[0].sink, groups[0].events, groups[0].runs) == ("f2", "hook", 2, 1)
        assert len(groups) == 3
        assert len(await store.read(lambda reads: reads.dead_letter_groups(1))) == 1
        found = await store.read(lambda reads: reads.events_by_id([ids[1], "0" * 20]))
        assert [event.id for event in found] == [ids[1]]
        assert await store.read(lambda reads: reads.events_by_id([])) == []

    async def test_runs_in_backoff_and_runs_that_wait_are_counted(self, store: Persistence) -> None:
        def add(work: UnitOfWork) -> None:
            retrying: dict[str, Any] = {"status": StageStatus.PENDING, "retry_at": soon(work)}
            waiting: dict[str, Any] = {"status": StageStatus.SUSPENDED}
            running: dict[str, Any] = {"status": StageStatus.RUNNING}
            jobs = (JobStatus.SCHEDULED, JobStatus.SUSPENDED, JobStatus.SUSPENDED, JobStatus.RUNNING)
            for fields, status in zip((retrying, waiting, waiting, running), jobs, strict=True):
                run = add_run(work, status=RunStatus.RUNNING, group_no=1)
                stage = add_stage(work, run, **fields)
                add_job(work, run, status=status, stage_ref=stage.id, due_at=soon(work))

        await store.transact(add)
        assert await store.read(lambda reads: reads.derived_counts()) == (1, 2)

    async def test_ended_runs_are_counted_by_the_hour(self, store: Persistence) -> None:
        def add(work: UnitOfWork) -> None:
            for minutes in (-1, 0, 59, 60, 150):
                at = NOON + timedelta(minutes=minutes)
                add_run(work, status=RunStatus.COMPLETED, completed_at=at)

        await store.transact(add)
        assert await store.read(lambda reads: reads.ended_by_hour(NOON, 3)) == [2, 1, 1]

    @pytest.mark.parametrize(("least", "hot"), [(2, "many"), (3, "many"), (4, None)])
    async def test_the_cause_that_fails_most_of_late_is_hot(
        self, store: Persistence, least: int, hot: str | None
    ) -> None:
        def add(work: UnitOfWork) -> None:
            for cause, hours in (("many", 0), ("many", 0), ("many", 0), ("few", 0), ("old", -9), ("many", -9)):
                failed: dict[str, Any] = {
                    "error_fingerprint": cause,
                    "failed_stage": "step",
                    "completed_at": NOON + HOUR * hours,
                }
                add_run(work, status=RunStatus.FAILED, **failed)

        await store.transact(add)
        found = await store.read(lambda reads: reads.hot_cause(within=NOON, least=least, since=NOON - 10 * HOUR))
        assert (found.fingerprint if found else None) == hot
        assert found is None or (found.stage_id, found.runs, found.first_at) == ("step", 4, NOON - 9 * HOUR)

    async def test_jobs_that_execute_are_listed_by_worker(self, store: Persistence) -> None:
        def add(work: UnitOfWork) -> list[str]:
            run = add_run(work, status=RunStatus.RUNNING)
            ids = []
            for worker in ("b", "a"):
                lease = {"lease_token": "t", "leased_until": soon(work), "renewed_at": work.now, "worker_id": worker}
                job = add_job(work, run, status=JobStatus.RUNNING, stage_id=worker, **lease)
                add_stage(work, run, worker, status=StageStatus.RUNNING, started_at=work.now, id=job.stage_ref)
                ids.append(job.id)
            add_job(work, run, stage_id="waits")
            return ids[::-1]

        ids = await store.transact(add)
        assert [one.job_id for one in await store.read(lambda reads: reads.leases(10))] == ids
        assert [one.job_id for one in await store.read(lambda reads: reads.leases(1))] == ids[:1]

    async def test_what_a_deploy_would_meet_is_told(self, store: Persistence) -> None:
        def add(work: UnitOfWork) -> None:
            add_run(work, definition="f1")
            for _ in range(2):
                add_run(work, status=RunStatus.RUNNING, definition="f1", group_no=1)
            run = add_run(work, status=RunStatus.RUNNING, definition="f1", group_no=2)
            add_stage(work, run, status=StageStatus.SUSPENDED, group_no=2)
            add_stage(work, run, "done", status=StageStatus.COMPLETED)
            add_run(work, status=RunStatus.COMPLETED, definition="f1")

        await store.transact(add)
        counted = await store.read(lambda reads: reads.unfinished())
        assert sum(one.runs for one in counted) == 4
        assert {(one.workflow_id, one.definition) for one in counted} == {(WORKFLOW, "f1")}
        (found,) = await store.read(lambda reads: reads.open_stages())
        assert tuple(found) == (WORKFLOW, "f1", "step", True)

    async def test_what_stages_cost_is_told_from_the_newest_runs(self, store: Persistence) -> None:
        def add(work: UnitOfWork) -> None:
            for hour, cost in ((0, 1), (1, 2), (2, 4)):
                run = add_run(work, status=RunStatus.COMPLETED, created_at=NOON + HOUR * hour)
                add_stage(work, run, status=StageStatus.COMPLETED, cost=Decimal(cost), completed_at=NOON)

        await store.transact(add)
        (found,) = await store.read(lambda reads: reads.stage_prices(WORKFLOW, ["step"], 2))
        assert (found.stage_id, found.runs, found.cost) == ("step", 2, Decimal(6))
        assert await store.read(lambda reads: reads.stage_prices(WORKFLOW, [], 2)) == []
