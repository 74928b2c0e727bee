"""Questions about AI calls and money, on rows put in directly."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from inspected_store import NOW, InspectedStore, ago

from engine.errors import EngineError, InvalidInput, RunNotFound
from engine.inspector import CallNotFound, Inspector, RunStatus, StageStatus
from engine.model.criteria import PageRequest
from engine.model.records import AICallRecord

DAY = 86_400
TENTH = Decimal("0.1")


@pytest.fixture
def store(url: str) -> InspectedStore:
    return InspectedStore(url)


async def ids(store: InspectedStore, **wanted: Any) -> list[str]:
    return [call.id for call in (await store.inspector.ai_calls(**wanted)).items]


async def test_calls_are_found_by_what_they_are(store: InspectedStore) -> None:
    run = store.run()
    store.ai_call(id="a", run_id=run.id, workflow_id="flow", stage_id="x", topic="workflow.1.stage.x")
    store.ai_call(id="b", run_id=run.id, workflow_id="flow", stage_id="y", topic="workflow.1.stage.y", status="error")
    store.ai_call(id="c", topic="workflow.10.stage.x", model="openai/big", answered_by="big-2026", created_at=ago(DAY))
    store.ai_call(id="d", topic="workflow.1", status="open", cost=None, batch_id="batch", created_at=ago(30))
    assert await ids(store) == ["d", "b", "a", "c"]
    assert await ids(store, run_id=run.id) == ["b", "a"]
    assert await ids(store, run_id=run.id, stage_id="x") == ["a"]
    assert await ids(store, workflow_id="flow") == ["b", "a"]
    assert await ids(store, status="error") == ["b"]
    assert await ids(store, model="openai/big") == await ids(store, model="big-2026") == ["c"]
    assert await ids(store, batch_id="batch") == ["d"]
    assert await ids(store, since=ago(45)) == ["d"]
    assert await ids(store, until=ago(DAY - 1)) == ["c"]
    assert await ids(store, topic="workflow.1") == ["d", "b", "a"], "whole segments only"
    assert await ids(store, topic="workflow.1.stage") == ["b", "a"]
    assert await ids(store, topic="workflow") == ["d", "b", "a", "c"]
    assert await ids(store, topic="work") == []
    assert await ids(store, topic="workflow.1.stage.%") == []


async def test_pages_and_sorts(store: InspectedStore) -> None:
    for number in range(5):
        store.ai_call(id=f"id-{number}", cost=None if number == 2 else Decimal(number), created_at=ago(9))
    seen: list[str] = []
    cursor = None
    while True:
        page = await store.inspector.ai_calls(page=PageRequest(limit=2, cursor=cursor, sort="-cost"))
        seen += [call.id for call in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == ["id-4", "id-3", "id-1", "id-0", "id-2"], "unknown prices come last"
    with pytest.raises(InvalidInput, match="no sort field"):
        await store.inspector.ai_calls(page=PageRequest(sort="prompt"))


async def test_a_list_may_be_brief_and_one_call_is_whole(store: InspectedStore) -> None:
    store.ai_call(id="a", prompt="p" * 5000, response="r" * 5000, error_code="AIUnavailable", reasoning_tokens=3)
    (brief,) = (await store.inspector.ai_calls(brief=True)).items
    assert (len(brief.prompt or ""), len(brief.response or "")) == (200, 200)
    whole = await store.inspector.ai_call("a")
    assert (len(whole.prompt or ""), whole.error_code, whole.reasoning_tokens) == (5000, "AIUnavailable", 3)
    for unknown in ("b", "", "\x00", "a' --"):
        with pytest.raises(CallNotFound):
            await store.inspector.ai_call(unknown)
    with pytest.raises(RunNotFound):
        await store.inspector.ai_calls("nobody")
    with pytest.raises(InvalidInput, match="open, ok, error"):
        await store.inspector.ai_calls(status="fine")


async def test_a_period_is_set_beside_the_one_before(store: InspectedStore) -> None:
    store.ai_call(model="m/new", cost=Decimal(1), created_at=ago(60))
    store.ai_call(model="m/both", cost=Decimal(2), created_at=ago(60))
    store.ai_call(model="m/both", cost=Decimal(5), created_at=ago(DAY + 60))
    store.ai_call(model="m/old", cost=Decimal(3), created_at=ago(DAY + 60))
    store.ai_call(model="m/old", cost=Decimal(7), created_at=ago(2 * DAY + 60))
    rows = (await store.inspector.costs_compared("model", since=ago(DAY))).items
    assert [(row.key, row.cost, row.previous_cost, row.change, row.previous_calls) for row in rows] == [
        ("m/both", 2, 5, -3, 1),
        ("m/old", 0, 3, -3, 1),
        ("m/new", 1, 0, 1, 0),
    ]
    assert rows[1].calls == 0
    with pytest.raises(InvalidInput, match="before it begins"):
        await store.inspector.costs_compared("model", since=NOW, until=ago(1))


async def test_the_months_money_and_where_it_leads(store: InspectedStore) -> None:
    """Now is noon on the 23rd of a month of 30 days."""
    empty = await store.inspector.spending()
    assert (empty.today, empty.month, empty.projected, empty.previous_month) == (0, 0, 0, 0)
    store.ai_call(cost=Decimal("1.5"), created_at=ago(60))
    store.ai_call(cost=Decimal(3), created_at=NOW - timedelta(days=20))
    store.ai_call(cost=Decimal(8), created_at=NOW - timedelta(days=30))
    store.ai_call(cost=Decimal(99), created_at=NOW - timedelta(days=70))
    store.ai_call(cost=None, created_at=ago(60))
    found = await store.inspector.spending()
    assert (found.today, found.month, found.previous_month, found.unpriced) == (Decimal("1.5"), Decimal("4.5"), 8, 1)
    assert found.projected == pytest.approx(Decimal("4.5") * 30 / Decimal("22.5"), abs=Decimal("0.001"))


async def test_what_a_rerun_will_likely_cost(store: InspectedStore) -> None:
    for number in range(3):
        run = store.run(status=RunStatus.COMPLETED, created_at=ago(100 + number))
        store.stage(run, "a", status=StageStatus.COMPLETED, attempt=1, cost=Decimal(number))
        store.stage(run, "b", status=StageStatus.FAILED, attempt=1, cost=Decimal(50))
    other = store.run(workflow_id="other", status=RunStatus.COMPLETED)
    store.stage(other, "a", status=StageStatus.COMPLETED, attempt=1, cost=Decimal(1000))
    found = await store.inspector.expected_cost("flow", ["a"])
    assert (found.cost, found.runs, found.unpriced) == (1, 3, False)
    both = await store.inspector.expected_cost("flow", ["a", "b"])
    assert (both.cost, both.runs) == (None, 0), "of one nobody knows"
    assert [(one.stage_id, one.cost) for one in both.stages] == [("a", 1), ("b", None)]
    store.ai_call(run_id=run.id, stage_id="a", attempt=1, cost=None)
    assert (await store.inspector.expected_cost("flow", ["a"])).unpriced
    nothing = await store.inspector.expected_cost("flow", [])
    assert (nothing.cost, nothing.stages) == (None, [])


async def test_reprice(store: InspectedStore) -> None:
    run = store.run()
    of_run = {"run_id": run.id, "workflow_id": "flow"}
    store.ai_call(**of_run, stage_id="a", input_tokens=100, output_tokens=10, cost=TENTH)
    store.ai_call(**of_run, stage_id="a", input_tokens=50, output_tokens=5, cost=None)
    store.ai_call(**of_run, stage_id="b", input_tokens=7, output_tokens=0, cost=TENTH, model="m/other")
    store.ai_call(**of_run, stage_id="b", cost=Decimal(0), reused=True)
    store.ai_call(**of_run, stage_id="b", cost=None, status="open")

    def price_of(model: str, usage: AICallRecord) -> Decimal | None:
        return Decimal(usage.input_tokens) if model == "m/known" else None

    inspector = Inspector(store, store.blobs, dict, price_of)
    found = await inspector.reprice(run.id, "m/known")
    assert (found.calls, found.cost, found.unpriced, found.repriced) == (3, 2 * TENTH, 1, 157)
    assert [(row.stage_id, row.model, row.calls, row.cost, row.repriced) for row in found.rows] == [
        ("a", "offline/small", 2, None, 150),
        ("b", "m/other", 1, TENTH, 7),
    ]
    assert (await inspector.reprice(run.id, "m/unknown")).repriced is None
    with pytest.raises(RunNotFound):
        await inspector.reprice("nobody", "m/known")
    with pytest.raises(EngineError, match="no prices"):
        await store.inspector.reprice(run.id, "m/known")


async def test_what_a_run_may_spend(store: InspectedStore) -> None:
    run = store.run(total_cost=TENTH)
    found = await store.inspector.budget(run.id)
    assert (found.max_cost, found.spent, found.stages, found.unpriced) == (None, TENTH, {}, False)
    with pytest.raises(RunNotFound):
        await store.inspector.budget("nobody")


async def test_a_call_under_way_is_neither_failed_nor_unpriced(store: InspectedStore) -> None:
    run = store.run()
    store.ai_call(run_id=run.id, cost=None, status="open")
    store.ai_call(run_id=run.id, cost=None, status="interrupted")
    (row,) = (await store.inspector.costs("run")).items
    assert (row.calls, row.failed, row.unpriced) == (2, 1, 1)
    assert (await store.inspector.overview()).unpriced_today == 1


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
async def test_lists_and_sums_are_served_by_an_index(store: InspectedStore) -> None:
    run = store.run()
    store.stage(run, "a")
    store.ai_call(run_id=run.id, workflow_id="flow", stage_id="a", attempt=1)
    ask = store.inspector
    for question in (
        ask.ai_calls(),
        ask.ai_calls(run.id),
        ask.ai_calls(run.id, status="open"),
        ask.explain(run.id),
        ask.expected_cost("flow", ["a"]),
        ask.overview(),
        ask.costs("model", since=ago(60)),
    ):
        await question
        for plan in store.plans():
            assert "SCAN ai_calls" not in plan or "SCAN ai_calls USING" in plan, plan
    await store.read(lambda reads: reads.recall("key", None))
    assert "ix_ai_calls_request" in store.plans()[0]
    await store.read(lambda reads: reads.recorded("batch"))
    assert "ix_ai_calls_batch" in store.plans()[0]
