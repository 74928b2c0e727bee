"""The overview, workers, the queue, workflows, costs."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from inspected_store import NOW, InspectedStore, ago, make_flow

from engine.errors import InvalidInput
from engine.inspector import CostRow, JobStatus, RunFilter, RunStatus, StageStatus
from engine.model.records import RunRecord


@pytest.fixture
def store(url: str) -> InspectedStore:
    return InspectedStore(url)


def ended(store: InspectedStore, status: RunStatus, seconds: float) -> RunRecord:
    return store.run(status=status, completed_at=ago(seconds))


async def test_an_empty_store(store: InspectedStore) -> None:
    overview = await store.inspector.overview()
    assert overview.counts == {"PENDING": 0, "RUNNING": 0, "COMPLETED": 0, "FAILED": 0, "CANCELLED": 0}
    assert (overview.rate_per_s, overview.fail_rate, overview.queue) == (0.0, 0.0, 0)
    assert (overview.cost_today, overview.as_of) == (Decimal(0), NOW)
    assert await store.inspector.workers() == []
    assert await store.inspector.queue() == []
    assert await store.inspector.workflows() == []
    assert list((await store.inspector.costs("model")).items) == []


async def test_the_overview(store: InspectedStore) -> None:
    store.rollup(PENDING=3, RUNNING=2, COMPLETED=900)
    ended(store, RunStatus.COMPLETED, 30)
    ended(store, RunStatus.COMPLETED, 3000)
    failed = ended(store, RunStatus.FAILED, 60)
    ended(store, RunStatus.CANCELLED, 59)
    ended(store, RunStatus.FAILED, 4000)
    run = store.run()
    stage = store.stage(run, "a")
    store.job(stage, run)
    store.job(stage, run, status=JobStatus.SCHEDULED, due_at=NOW)
    store.job(stage, run, status=JobStatus.SCHEDULED, due_at=NOW + timedelta(seconds=1))
    store.job(stage, run, status=JobStatus.RUNNING)
    store.event(run, 1)
    store.event(run, 2, published_at=NOW)
    store.event(run, 3, dead_at=NOW)
    store.event(failed, 1, dead_at=NOW, discarded_at=NOW)
    store.worker("alive", {}, alive_until=NOW)
    store.worker("dead", {}, alive_until=ago(1))
    store.ai_call(cost=Decimal("0.000000001"))
    store.ai_call(cost=None)
    store.ai_call(cost=Decimal(7), created_at=ago(13 * 3600))
    overview = await store.inspector.overview()
    assert overview.counts["COMPLETED"] == 900
    assert overview.rate_per_s == pytest.approx(3 / 60)
    assert overview.fail_rate == pytest.approx(1 / 4)
    assert overview.queue == 3 + 2
    assert (overview.undelivered, overview.dead_letters) == (1, 1)
    assert (overview.workers_alive, overview.workers_known) == (1, 2)
    assert (overview.cost_today, overview.unpriced_today) == (Decimal("0.000000001"), 1)


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
async def test_the_overview_counts_no_runs_and_scans_no_large_table(store: InspectedStore) -> None:
    await store.inspector.overview()
    for plan in store.plans():
        assert "workflow_runs" not in plan or "INDEX ix_workflow_runs_ended" in plan, plan
        for table in ("workflow_runs", "ai_calls"):
            assert f"SCAN {table}" not in plan, plan
        for table in ("job_queue", "outbox_events", "workflow_stages"):
            assert f"SCAN {table}" not in plan or f"SCAN {table} USING" in plan, plan


async def test_workers(store: InspectedStore) -> None:
    store.worker("w2", {"flow": "abc"}, alive_until=NOW)
    store.worker("w1", {}, alive_until=ago(1))
    found = await store.inspector.workers()
    assert [(worker.id, worker.alive, worker.workflows) for worker in found] == [
        ("w1", False, {}),
        ("w2", True, {"flow": "abc"}),
    ]


async def test_the_queue(store: InspectedStore) -> None:
    store.rollup(PENDING=2, RUNNING=1)
    store.run(status=RunStatus.PENDING, created_at=ago(300))
    store.run(status=RunStatus.PENDING, created_at=ago(900), delayed=True, start_at=NOW + timedelta(hours=1))
    run = store.run(workflow_id="other", created_at=ago(500))
    stage = store.stage(run, "a")
    store.job(stage, run)
    store.job(stage, run, status=JobStatus.SCHEDULED, due_at=ago(1), created_at=ago(600))
    store.job(stage, run, status=JobStatus.SCHEDULED, due_at=NOW + timedelta(seconds=1))
    store.job(stage, run, status=JobStatus.RUNNING)
    store.job(stage, run, status=JobStatus.COMPLETED)
    flow, other = await store.inspector.queue()
    assert (flow.workflow_id, flow.pending, flow.scheduled, flow.running) == ("flow", 2, 0, 0)
    assert flow.oldest_pending_at == ago(300)
    assert (other.pending, other.scheduled, other.running) == (2, 1, 1)
    assert other.oldest_pending_at == ago(600)


async def test_workflows_known_here_and_elsewhere(url: str) -> None:
    flow, elsewhere = make_flow(), make_flow("elsewhere")
    store = InspectedStore(url, {"flow": flow})
    store.definition(elsewhere)
    store.rollup(PENDING=2, RUNNING=1, COMPLETED=5)
    store.worker("w1", {"flow": flow.fingerprint, "elsewhere": elsewhere.fingerprint})
    store.worker("w2", {"flow": flow.fingerprint}, alive_until=ago(1))
    other, here = await store.inspector.workflows()
    assert (here.id, here.registered, here.live_workers, here.unfinished) == ("flow", True, 1, 3)
    assert (here.fingerprint, here.description) == (flow.fingerprint, "Says little")
    assert [[stage.stage_id for stage in group] for group in here.groups] == [
        ["extract"],
        ["left", "right"],
        ["report"],
    ]
    assert here.input_schema["properties"].keys() == {"text"}
    assert (other.id, other.registered, other.live_workers, other.unfinished) == ("elsewhere", False, 1, 0)


async def test_of_a_stored_workflow_the_newest_definition_is_shown(store: InspectedStore) -> None:
    new = make_flow()
    store.definition(new)
    store.put_old_plan("flow", ago(100))
    (shown,) = await store.inspector.workflows()
    assert shown.fingerprint == new.fingerprint


async def rows(store: InspectedStore, by: str, **asked: Any) -> dict[str, CostRow]:
    return {row.key: row for row in (await store.inspector.costs(by, **asked)).items}


async def test_costs_by_every_key(store: InspectedStore) -> None:
    run = store.run(workflow_id="flow", status=RunStatus.FAILED)
    store.stage(run, "extract", attempt=2, status=StageStatus.COMPLETED)
    store.stage(run, "left", attempt=1, status=StageStatus.FAILED)
    of_run = {"run_id": run.id, "workflow_id": "flow"}
    store.ai_call(**of_run, stage_id="extract", attempt=1, cost=Decimal("0.1"), error="429")
    store.ai_call(**of_run, stage_id="extract", attempt=2, cost=Decimal("0.2"), reused=True)
    store.ai_call(**of_run, stage_id="left", attempt=1, cost=Decimal("0.4"), model="offline/large")
    store.ai_call(cost=None, created_at=ago(86_400), topic="other")
    by_model = await rows(store, "model")
    assert list(by_model) == ["offline/large", "offline/small"]
    small = by_model["offline/small"]
    assert (small.calls, small.runs, small.failed, small.reused, small.unpriced) == (3, 1, 1, 1, 1)
    assert (small.cost, small.wasted) == (Decimal("0.3"), Decimal("0.1"))
    assert (small.input_tokens, small.output_tokens) == (30, 15)
    assert by_model["offline/large"].wasted == Decimal("0.4")
    assert set(await rows(store, "day")) == {"2026-11-23", "2026-11-22"}
    assert set(await rows(store, "workflow")) == {"flow", "-"}
    assert set(await rows(store, "stage")) == {"extract", "left", "-"}
    assert set(await rows(store, "run")) == {run.id, "-"}
    assert set(await rows(store, "topic")) == {"t", "other"}
    assert set(await rows(store, "workflow, stage")) == {"flow · extract", "flow · left", "- · -"}
    assert set(await rows(store, "day", since=ago(3600))) == {"2026-11-23"}
    assert set(await rows(store, "day", until=ago(3600))) == {"2026-11-22"}
    assert set(await rows(store, "topic", filter=RunFilter(status=("FAILED", "PENDING")))) == {"t"}
    assert await rows(store, "topic", filter=RunFilter(workflow_id=("other",))) == {}


@pytest.mark.parametrize("by", ["", " , ", "colour", "model,colour", "prompt"])
async def test_costs_by_an_unknown_key_are_invalid(store: InspectedStore, by: str) -> None:
    with pytest.raises(InvalidInput, match="topic"):
        await store.inspector.costs(by)
