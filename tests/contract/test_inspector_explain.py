"""Why a run is where it is: every reason, from rows."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from inspected_store import NOW, InspectedStore, ago, make_flow, step

from engine.definition.builder import WorkflowBuilder
from engine.inspector import Explanation, JobStatus, RunStatus, StageStatus
from engine.inspector.reasons import span
from engine.model.records import JobRecord, RunRecord, StageRecord

FLOW = make_flow()
SOON = NOW + timedelta(seconds=20)


@pytest.fixture
def store(url: str) -> InspectedStore:
    store = InspectedStore(url)
    store.definition(FLOW)
    return store


@pytest.fixture
def worker(store: InspectedStore) -> None:
    store.worker("w1", {"flow": FLOW.fingerprint})


def queued(store: InspectedStore, **job: Any) -> tuple[RunRecord, StageRecord, JobRecord]:
    run = store.run(definition=FLOW.fingerprint)
    stage = store.stage(run, "extract", status=StageStatus.PENDING, error="OSError: no")
    return run, stage, store.job(stage, run, **job)


def executing(store: InspectedStore, run: RunRecord, stage_id: str, **fields: Any) -> StageRecord:
    stage = store.stage(run, stage_id, started_at=ago(12), worker_id="w1", **fields)
    store.job(stage, run, status=JobStatus.RUNNING, worker_id="w1", leased_until=SOON, renewed_at=ago(3))
    return stage


async def why(store: InspectedStore, run: RunRecord) -> Explanation:
    return await store.inspector.explain(run.id)


def words(explanation: Explanation) -> list[str]:
    return [step.cli for step in explanation.next]


async def test_a_pending_run_without_a_worker(store: InspectedStore) -> None:
    run = store.run(status=RunStatus.PENDING, group_no=0)
    store.worker("other", {"elsewhere": "x"})
    store.worker("dead", {"flow": FLOW.fingerprint}, alive_until=ago(1))
    explanation = await why(store, run)
    assert explanation.code == "no_worker"
    assert "flow" in explanation.summary
    assert (explanation.facts["workers_alive"], explanation.facts["workers_able"]) == (1, 0)
    assert words(explanation) == ["wfconsole worker", f"wfconsole cancel {run.id}"]
    assert [step.key for step in explanation.next] == ["5", "c"]


@pytest.mark.usefixtures("worker")
async def test_a_pending_run_counts_those_before_it(store: InspectedStore) -> None:
    pending = {"status": RunStatus.PENDING, "group_no": 0}
    store.run(created_at=ago(1), priority=9, **pending)
    store.run(created_at=ago(200), **pending)
    store.run(created_at=ago(200), priority=1, **pending)
    store.run(created_at=ago(300), delayed=True, start_at=SOON, **pending)
    run = store.run(created_at=ago(100), **pending)
    explanation = await why(store, run)
    assert (explanation.code, explanation.facts["ahead"]) == ("queue", 2)
    assert "2 runs go first" in explanation.summary
    assert (explanation.facts["slots"], explanation.facts["slots_busy"]) == (8, 2)


async def test_a_run_that_starts_later(store: InspectedStore) -> None:
    run = store.run(status=RunStatus.PENDING, delayed=True, start_at=SOON)
    explanation = await why(store, run)
    assert (explanation.code, explanation.until) == ("queue", SOON)
    assert "20s" in explanation.summary


@pytest.mark.usefixtures("worker")
async def test_a_due_job_waits_for_a_slot(store: InspectedStore) -> None:
    first, _, _ = queued(store, created_at=ago(500))
    run, _, _ = queued(store)
    explanation = await why(store, run)
    assert (explanation.code, explanation.facts["ahead"]) == ("queue", 1)
    assert "1 job goes first" in explanation.summary
    assert "next to be claimed" in (await why(store, first)).summary


async def test_a_due_job_of_a_workflow_nobody_has(store: InspectedStore) -> None:
    run, _, _ = queued(store)
    explanation = await why(store, run)
    assert explanation.code == "no_worker"
    assert explanation.facts["stage_id"] == "extract"
    assert "wfconsole worker" in words(explanation)


async def test_a_stage_that_vanished_from_the_workers_definition(store: InspectedStore) -> None:
    from inspected_store import Text

    newer = WorkflowBuilder("flow", "Flow", input=Text).pipe(step("other")).build()
    store.definition(newer)
    store.worker("w1", {"flow": newer.fingerprint})
    run, _, _ = queued(store)
    explanation = await why(store, run)
    assert explanation.code == "definition_gone"
    assert explanation.facts["fingerprints"] == [newer.fingerprint]
    assert words(explanation)[0] == "wfconsole workers"
    store.worker("w2", {"flow": FLOW.fingerprint})
    assert (await why(store, run)).code == "queue"


@pytest.mark.usefixtures("worker")
async def test_executing(store: InspectedStore) -> None:
    run = store.run(definition=FLOW.fingerprint)
    executing(store, run, "extract", progress=0.5, tries=2)
    explanation = await why(store, run)
    assert (explanation.code, explanation.since) == ("executing", ago(12))
    assert explanation.summary == "w1 executes extract for 12s, 50% done (try 2 of 3)."
    assert f"wfconsole logs {run.id} -f" in words(explanation)


async def test_an_unregistered_worker_with_a_live_lease_executes(store: InspectedStore) -> None:
    run = store.run(definition=FLOW.fingerprint)
    executing(store, run, "extract")
    assert (await why(store, run)).code == "executing"


@pytest.mark.usefixtures("worker")
async def test_a_lease_that_ended(store: InspectedStore) -> None:
    run = store.run()
    stage = store.stage(run, "extract")
    store.job(stage, run, status=JobStatus.RUNNING, worker_id="w1", leased_until=ago(5))
    explanation = await why(store, run)
    assert (explanation.code, explanation.since) == ("lease_held", ago(5))
    assert "5s ago" in explanation.summary


async def test_a_worker_whose_beats_are_missing(store: InspectedStore) -> None:
    store.worker("w1", {"flow": FLOW.fingerprint}, alive_until=ago(10), last_seen_at=ago(40))
    run = store.run()
    executing(store, run, "extract")
    explanation = await why(store, run)
    assert (explanation.code, explanation.since, explanation.until) == ("lease_held", ago(40), SOON)
    assert words(explanation)[0] == "wfconsole worker"


@pytest.mark.usefixtures("worker")
async def test_backoff(store: InspectedStore) -> None:
    run, _, _ = queued(store, status=JobStatus.SCHEDULED, due_at=SOON)
    explanation = await why(store, run)
    assert (explanation.code, explanation.until) == ("backoff", SOON)
    assert "OSError: no" in explanation.summary
    late, _, _ = queued(store, status=JobStatus.SCHEDULED, due_at=ago(1))
    assert (await why(store, late)).code == "queue"


@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize(
    ("stage", "code", "until"),
    [
        ({"next_poll_at": SOON, "max_wait_until": NOW + timedelta(hours=1)}, "poll_wait", SOON),
        ({"next_poll_at": ago(3)}, "poll_due", None),
        ({"next_poll_at": SOON, "poll_token": "t"}, "poll_due", None),
        ({"next_poll_at": None}, "poll_wait", None),
    ],
)
async def test_suspended(store: InspectedStore, stage: dict[str, Any], code: str, until: object) -> None:
    run = store.run(definition=FLOW.fingerprint)
    suspended = store.stage(run, "extract", status=StageStatus.SUSPENDED, **stage)
    store.job(suspended, run, status=JobStatus.SUSPENDED)
    explanation = await why(store, run)
    assert (explanation.code, explanation.until) == (code, until)


async def test_a_due_poll_without_a_worker(store: InspectedStore) -> None:
    run = store.run(definition=FLOW.fingerprint)
    store.stage(run, "extract", status=StageStatus.SUSPENDED, next_poll_at=ago(3))
    assert (await why(store, run)).code == "no_worker"


@pytest.mark.usefixtures("worker")
async def test_a_failed_sibling_is_told_while_the_others_go_on(store: InspectedStore) -> None:
    run = store.run(definition=FLOW.fingerprint, group_no=2)
    store.stage(run, "left", status=StageStatus.FAILED, completed_at=ago(8))
    executing(store, run, "right", number=2)
    explanation = await why(store, run)
    assert (explanation.code, explanation.since) == ("stage_wait", ago(8))
    assert explanation.summary.startswith("left failed for good; right still runs. Then the run fails.")
    assert (explanation.facts["failed"], explanation.facts["active"]) == (["left"], ["right"])


@pytest.mark.usefixtures("worker")
async def test_a_done_sibling(store: InspectedStore) -> None:
    run = store.run(definition=FLOW.fingerprint, group_no=2)
    store.stage(run, "left", status=StageStatus.COMPLETED, completed_at=ago(8))
    executing(store, run, "right", number=2)
    explanation = await why(store, run)
    assert (explanation.code, explanation.facts["waits_for"]) == ("stage_wait", "executing")


async def test_what_blocks_goes_before_what_moves(store: InspectedStore) -> None:
    store.worker("w1", {"elsewhere": "x"})
    run = store.run(definition=FLOW.fingerprint, group_no=2)
    executing(store, run, "left")
    stuck = store.stage(run, "right", number=2, status=StageStatus.PENDING)
    store.job(stuck, run)
    assert (await why(store, run)).code == "no_worker"


@pytest.mark.usefixtures("worker")
async def test_a_group_that_is_over_and_a_stage_without_a_job(store: InspectedStore) -> None:
    run = store.run(definition=FLOW.fingerprint)
    store.stage(run, "extract", status=StageStatus.COMPLETED)
    assert (await why(store, run)).code == "stage_wait"
    lost = store.run(definition=FLOW.fingerprint)
    store.stage(lost, "extract", status=StageStatus.PENDING)
    assert "no job" in (await why(store, lost)).summary


async def test_the_ends(store: InspectedStore) -> None:
    over = {"definition": FLOW.fingerprint, "completed_at": ago(30)}
    failed = store.run(status=RunStatus.FAILED, failed_stage="left", error="ValueError: no", **over)
    explanation = await why(store, failed)
    assert explanation.code == "failed"
    assert explanation.summary == "Failed in left after 30s: ValueError: no"
    assert words(explanation) == [
        f"wfconsole retry {failed.id}",
        f"wfconsole logs {failed.id}",
        f"wfconsole rerun {failed.id} --from left",
    ]
    done = await why(store, store.run(status=RunStatus.COMPLETED, **over))
    assert (done.code, done.summary) == ("done", "Completed after 30s.")
    cancelled = await why(store, store.run(status=RunStatus.CANCELLED, started_at=None, **over))
    assert (cancelled.code, cancelled.summary) == ("done", "Cancelled after 1m 30s.")
    assert len(cancelled.next) == 1


def test_every_explanation_is_json() -> None:
    explanation = Explanation(run_id="x", code="done", summary="s", since=NOW, until=None, facts={"at": NOW}, next=[])
    assert '"at":"2026-11-23T12:00:00Z"' in explanation.model_dump_json()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0ms"),
        (0, "0ms"),
        (0.25, "250ms"),
        (59.9, "59s"),
        (60, "1m"),
        (3725, "1h 2m"),
        (90_061, "1d 1h"),
        (86_460, "1d"),
    ],
)
def test_spans(seconds: float, text: str) -> None:
    assert span(timedelta(seconds=seconds)) == text
