"""What `engine.ports.reads.ReadStore` promises about leases, what unfinished runs have reached, and dead letters."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from engine.model.criteria import PageRequest
from engine.model.ids import new_id
from engine.model.read_records import LeaseRow, LetterGroup, OpenStage, UnfinishedCount
from engine.model.records import EventRecord, JobRecord, RunRecord
from engine.model.status import JobStatus, RunStatus, StageStatus
from engine.ports.persistence import Persistence
from engine.ports.work import UnitOfWork
from engine.testing.conformance.records import NOON, WORKFLOW, add_events, add_job, add_run, add_stage, soon

HOUR = timedelta(hours=1)
LEASE = "lease"
DONE = [StageStatus.COMPLETED, StageStatus.SKIPPED]


def add_lease(work: UnitOfWork, worker_id: str, hour: int) -> JobRecord:
    """A job that this worker has been at since then."""
    run = add_run(work, status=RunStatus.RUNNING, group_no=1)
    stage = add_stage(work, run, status=StageStatus.RUNNING, attempt=3, started_at=NOON + hour * HOUR)
    held: dict[str, Any] = {"worker_id": worker_id, "lease_token": LEASE, "leased_until": soon(work)}
    return add_job(work, run, stage_ref=stage.id, status=JobStatus.RUNNING, attempt=3, **held)


def add_dead(work: UnitOfWork, run: RunRecord, number: int, **fields: Any) -> EventRecord:
    """A dead letter of the cause `f`, given up at that hour."""
    event = EventRecord(new_id(), run.id, number, "stage:failed", "{}", "cause", NOON, fingerprint="f", sink="hook")
    event = event._replace(dead_at=NOON + number * HOUR, last_error=f"no, for the {number}.")._replace(**fields)
    work.outbox.append([event])
    return event


class FleetPromises:
    """Needs the fixture `store`: an empty `Persistence`."""

    async def test_an_empty_store_has_nothing_to_tell(self, store: Persistence) -> None:
        found = await store.read(lambda reads: (reads.leases(9), reads.unfinished(), reads.open_stages()))
        assert found == ([], [], [])
        assert await store.read(lambda reads: (reads.dead_letter_groups(9), reads.events_by_id([]))) == ([], [])

    # --- leases ---

    async def test_what_is_executed_is_listed_by_worker_the_longest_first(self, store: Persistence) -> None:
        def add(work: UnitOfWork) -> list[LeaseRow]:
            jobs = [(add_lease(work, worker, hour), hour) for worker, hour in (("b", 1), ("a", 3), ("a", 2), ("c", 0))]
            rows = [
                LeaseRow(job.id, job.worker_id, job.run_id, WORKFLOW, "step", 3, NOON + hour * HOUR, job.leased_until)
                for job, hour in jobs
            ]
            return [rows[2], rows[1], rows[0], rows[3]]

        expected = await store.transact(add)
        assert await store.read(lambda reads: reads.leases(9)) == expected
        assert await store.read(lambda reads: reads.leases(2)) == expected[:2]

    async def test_a_job_nobody_executes_is_not_leased(self, store: Persistence) -> None:
        def add(work: UnitOfWork) -> None:
            for status in JobStatus:
                if status is not JobStatus.RUNNING:
                    add_job(work, add_run(work), status=status)

        await store.transact(add)
        assert await store.read(lambda reads: reads.leases(9)) == []

    async def test_a_lease_without_its_stage_is_told_all_the_same(self, store: Persistence) -> None:
        job = await store.transact(lambda work: add_job(work, add_run(work), status=JobStatus.RUNNING, worker_id="w"))
        (found,) = await store.read(lambda reads: reads.leases(9))
        assert (found.job_id, found.since) == (job.id, None)

    # --- unfinished runs ---

    async def test_unfinished_runs_are_counted_by_definition_and_group(self, store: Persistence) -> None:
        def add(work: UnitOfWork) -> None:
            for status in RunStatus:
                add_run(work, status=status, workflow_id="b", definition="new")
            add_run(work, status=RunStatus.RUNNING, workflow_id="b", definition="new", group_no=2)
            add_run(work, workflow_id="b", definition="mid", delayed=True, start_at=soon(work))
            add_run(work, status=RunStatus.RUNNING, workflow_id="a", definition="z", group_no=1)

        await store.transact(add)
        assert await store.read(lambda reads: reads.unfinished()) == [
            UnfinishedCount("a", "z", 1, 1),
            UnfinishedCount("b", "mid", 0, 1),
            UnfinishedCount("b", "new", 0, 2),
            UnfinishedCount("b", "new", 2, 1),
        ]

    async def test_open_stages_are_those_of_the_groups_that_running_runs_have_reached(self, store: Persistence) -> None:
        def add(work: UnitOfWork) -> None:
            waits, goes_on = StageStatus.SUSPENDED, StageStatus.RUNNING
            for stages in ({"y": waits, "x": goes_on}, {"y": goes_on, "x": StageStatus.FAILED}):
                run = add_run(work, status=RunStatus.RUNNING, workflow_id="b", group_no=2)
                add_stage(work, run, "before", status=goes_on, group_no=1)
                for name, status in stages.items():
                    add_stage(work, run, name, status=status, group_no=2)
            late = add_run(work, status=RunStatus.RUNNING, workflow_id="b", definition="late", group_no=1)
            add_stage(work, late)
            add_stage(work, add_run(work, status=RunStatus.RUNNING, workflow_id="a", group_no=1))

        await store.transact(add)
        assert await store.read(lambda reads: reads.open_stages()) == [
            OpenStage("a", "none", "step", suspended=False),
            OpenStage("b", "late", "step", suspended=False),
            OpenStage("b", "none", "x", suspended=False),
            OpenStage("b", "none", "y", suspended=True),
        ]

    @pytest.mark.parametrize("status", StageStatus)
    async def test_a_stage_is_open_until_it_is_done(self, store: Persistence, status: StageStatus) -> None:
        def add(work: UnitOfWork) -> None:
            for of_run in (RunStatus.RUNNING, RunStatus.CANCELLED):
                add_stage(work, add_run(work, status=of_run, group_no=1, definition=of_run), status=status)

        await store.transact(add)
        found = await store.read(lambda reads: reads.open_stages())
        waits = status is StageStatus.SUSPENDED
        assert found == ([] if status in DONE else [OpenStage(WORKFLOW, "RUNNING", "step", waits)])

    # --- dead letters ---

    async def test_dead_letters_are_folded_by_cause_and_sink_the_most_first(self, store: Persistence) -> None:
        def add(work: UnitOfWork) -> None:
            run, other = add_run(work), add_run(work)
            add_dead(work, run, 2)
            add_dead(work, run, 5, type="stage:completed")
            add_dead(work, other, 3)
            add_dead(work, other, 1, last_error=None)
            add_dead(work, run, 7, sink="second")
            add_dead(work, run, 8, sink="second")
            add_dead(work, run, 9, fingerprint=None, sink=None)
            work.outbox.close([add_dead(work, run, 10).id], "seen")
            add_events(work, run, 11)

        await store.transact(add)
        first, second, third = await store.read(lambda reads: reads.dead_letter_groups(9))
        assert sorted(first.types.split(",")) == ["stage:completed", "stage:failed"]
        said, instants = "no, for the 5.", (NOON + HOUR, NOON + 5 * HOUR)
        assert first._replace(types="") == LetterGroup("f", "hook", said, "", 4, 2, *instants)
        said, instants = "no, for the 8.", (NOON + 7 * HOUR, NOON + 8 * HOUR)
        assert second == LetterGroup("f", "second", said, "stage:failed", 2, 1, *instants)
        instants = (NOON + 9 * HOUR, NOON + 9 * HOUR)
        assert third == LetterGroup(None, None, "no, for the 9.", "stage:failed", 1, 1, *instants)
        assert await store.read(lambda reads: reads.dead_letter_groups(1)) == [first]

    async def test_dead_letters_are_counted_by_run(self, store: Persistence) -> None:
        def add(work: UnitOfWork) -> list[str]:
            one, two, well, unasked = (add_run(work) for _ in range(4))
            add_dead(work, one, 1)
            add_dead(work, one, 2, sink="second")
            add_dead(work, two, 3)
            add_dead(work, unasked, 4)
            add_events(work, one, 5)
            work.outbox.close([add_dead(work, two, 6).id], "seen")
            return [one.id, two.id, well.id]

        one, two, well = await store.transact(add)
        found = await store.read(lambda reads: reads.dead_letters_of([one, two, well, "nobody"]))
        assert found == {one: 2, two: 1}
        assert await store.read(lambda reads: reads.dead_letters_of([])) == {}

    async def test_dead_letters_are_found_by_what_is_asked(self, store: Persistence) -> None:
        expected: list[tuple[dict[str, str], list[int]]] = [
            ({"fingerprint": "f"}, [4, 3, 1]),
            ({"fingerprint": "F"}, []),
            ({"sink": "hook"}, [4, 2, 1]),
            ({"fingerprint": "f", "sink": "hook"}, [4, 1]),
            ({"prefix": "a"}, [2, 1]),
            ({"prefix": "A"}, []),
            ({"prefix": "%"}, []),
        ]

        def add(work: UnitOfWork) -> None:
            run = add_run(work)
            add_dead(work, run, 1, id="aa")
            add_dead(work, run, 2, id="ab", fingerprint="other")
            add_dead(work, run, 3, id="ba", sink="second")
            add_dead(work, run, 4, id="bb")

        await store.transact(add)
        lists = await store.read(
            lambda reads: [reads.dead_letters(None, PageRequest(), **asked).items for asked, _ in expected]
        )
        found = [[event.sequence for event in events] for events in lists]
        assert found == [sequences for _, sequences in expected]

    async def test_events_are_found_by_id_in_the_order_of_their_ids(self, store: Persistence) -> None:
        def add(work: UnitOfWork) -> list[EventRecord]:
            dead = add_dead(work, add_run(work), 9)
            return sorted([*add_events(work, add_run(work), 1, 2, 3), dead], key=lambda event: event.id)

        events = await store.transact(add)
        asked = [events[3].id, "nothing", events[0].id, events[2].id, events[0].id]
        assert await store.read(lambda reads: reads.events_by_id(asked)) == [events[0], events[2], events[3]]
