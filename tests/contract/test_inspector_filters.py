"""Every term of the filter grammar, asked of both databases; and what trends say."""

from __future__ import annotations

from datetime import UTC, timedelta
from decimal import Decimal

import pytest
from inspected_store import NOW, InspectedStore, ago

from engine.inspector import JobStatus, PageRequest, RunFilter, RunStatus, StageStatus
from engine.stores.sql.side_tables import audit_log
from wfconsole.filtering import FIELDS, parse_filter

RUNNING = "aaaaaaaaaaaaaaaaaaaa"
FAILED = "bbbbbbbbbbbbbbbbbbbb"
QUEUED = "cccccccccccccccccccc"
EVERY = {RUNNING, FAILED, QUEUED}

MATCHES = {
    "status": ("failed", {FAILED}),
    "wf": ("other", {FAILED}),
    "stage": ("left", {RUNNING}),
    "id": ("bbbb", {FAILED}),
    "key": ("doc:1", {RUNNING}),
    "model": ("offline/small", {RUNNING}),
    "code": ("AIRateLimited", {FAILED}),
    "fp": ("f1", {FAILED}),
    "bulk": ("b7", {FAILED}),
    "error": ("limited", {FAILED}),
    "cost": (">1", {FAILED}),
    "dur": (">50s", {RUNNING}),
    "idle": (">5m", {QUEUED}),
    "attempt": (">1", {FAILED}),
    "since": ("5m", {RUNNING, FAILED}),
    "until": ("5m", {QUEUED}),
    "ended": ("1h", {FAILED}),
}


@pytest.fixture
def store(url: str) -> InspectedStore:
    store = InspectedStore(url)
    run = store.run(RUNNING, idempotency_key="doc:1")
    store.stage(run, "left")
    store.ai_call(run_id=RUNNING)
    failed = store.run(
        FAILED,
        workflow_id="other",
        status=RunStatus.FAILED,
        completed_at=ago(30),
        error="AIRateLimited: rate limited",
        error_code="AIRateLimited",
        error_fingerprint="f1",
        failed_stage="embed",
        total_cost=Decimal(2),
    )
    store.stage(failed, "embed", status=StageStatus.FAILED, attempt=3)
    store.stage(failed, "later", status=StageStatus.CANCELLED, attempt=1, number=2)
    store.run(QUEUED, status=RunStatus.PENDING, created_at=ago(900), updated_at=ago(900), started_at=None, group_no=0)
    row = {"created_at": NOW, "actor": "me", "command": "run.retryFailed", "run_id": FAILED, "target": FAILED}
    with store.engine.connect() as connection:
        store._insert(connection, audit_log, [{**row, "bulk": "b7"}])
    return store


async def found(store: InspectedStore, text: str) -> set[str]:
    page = await store.inspector.runs(parse_filter(text, now=NOW, tz=UTC), PageRequest())
    return {run.id for run in page.items}


def test_every_field_of_the_grammar_has_an_example() -> None:
    assert set(MATCHES) == set(FIELDS)


@pytest.mark.parametrize("field", FIELDS)
async def test_a_term_finds_its_runs_and_its_negation_all_others(store: InspectedStore, field: str) -> None:
    value, expected = MATCHES[field]
    assert await found(store, f"{field}:{value}") == expected
    assert await found(store, f"-{field}:{value}") == EVERY - expected


async def test_terms_and_negations_combine(store: InspectedStore) -> None:
    assert await found(store, "since:5m -code:AIRateLimited,OTHER -fp:f2,f3") == {RUNNING}
    assert await found(store, "-model:offline/small -idle:>5m") == {FAILED}
    assert await found(store, "-stage:left,embed -stage:nowhere,here") == {QUEUED}


async def test_a_model_is_found_without_its_provider(store: InspectedStore) -> None:
    assert await found(store, "model:small") == {RUNNING}
    assert await found(store, "model:mall,offline") == set()


@pytest.mark.parametrize("text", ["attempt:>=3", "-attempt:<3", "attempt:>2 attempt:<4"])
async def test_the_attempt_is_the_one_the_summary_shows(store: InspectedStore, text: str) -> None:
    assert await found(store, text) == {FAILED}
    page = await store.inspector.runs(parse_filter(text, now=NOW, tz=UTC))
    assert [run.attempt for run in page.items] == [3]


@pytest.mark.parametrize("text", ["idle:>9999999d", "idle:<9999999d", "attempt:<999999999"])
async def test_extreme_bounds_are_answered(store: InspectedStore, text: str) -> None:
    assert await found(store, text) <= EVERY


async def test_retrying_and_waiting_are_counted_apart(store: InspectedStore) -> None:
    backing = store.run()
    job = store.stage(backing, "a", status=StageStatus.PENDING, retry_at=NOW)
    store.job(job, backing, status=JobStatus.SCHEDULED, due_at=NOW + timedelta(seconds=9))
    waiting = store.run()
    store.stage(waiting, "a", status=StageStatus.SUSPENDED)
    both = store.run()
    store.stage(both, "a", status=StageStatus.SUSPENDED)
    store.stage(both, "b")
    overview = await store.inspector.overview()
    assert (overview.retrying, overview.waiting) == (1, 1)


async def test_trends_count_ended_runs_by_the_hour(store: InspectedStore) -> None:
    for hours in (0.5, 0.6, 5.5, 30):
        store.run(status=RunStatus.COMPLETED, completed_at=ago(3600 * hours))
    trends = await store.inspector.trends()
    assert len(trends.ended) == 24
    assert trends.ended[22:] == [3, 0]
    assert trends.ended[17] == 1
    assert sum(trends.ended) == 4


async def test_a_cause_is_hot_after_more_than_five_failures_in_ten_minutes(store: InspectedStore) -> None:
    def fail(seconds: float, fingerprint: str = "f1") -> None:
        store.run(
            status=RunStatus.FAILED,
            completed_at=ago(seconds),
            created_at=ago(seconds + 1),
            error_code="AIRateLimited",
            error_fingerprint=fingerprint,
            failed_stage="embed",
        )

    fail(7200)
    for second in range(4):
        fail(second)
        fail(second, "f2")
    assert (await store.inspector.trends()).hot is None
    fail(500)
    hot = (await store.inspector.trends()).hot
    assert hot is not None
    assert (hot.fingerprint, hot.code, hot.stage_id, hot.runs) == ("f1", "AIRateLimited", "embed", 7)
    assert hot.first_at == ago(7200)


async def test_trends_walk_over_recent_runs_only(store: InspectedStore) -> None:
    await store.inspector.trends()
    if store.engine.dialect.name == "sqlite":
        walks = [plan for plan in store.plans() if "SCAN workflow_runs" in plan]
        assert walks == []
        assert "ix_workflow_runs_ended" in store.plans()[0]


async def test_attention_means_failed_stuck_overdue_or_with_a_dead_letter(store: InspectedStore) -> None:
    stuck = store.run(updated_at=ago(3600))
    store.stage(stuck, "a")
    patient = store.run(updated_at=ago(3600))
    store.stage(patient, "a", status=StageStatus.SUSPENDED, next_poll_at=NOW + timedelta(hours=1))
    overdue = store.run()
    store.stage(overdue, "a", status=StageStatus.SUSPENDED, next_poll_at=ago(90))
    told = store.run(status=RunStatus.COMPLETED, completed_at=ago(5))
    store.event(told, 1, dead_at=NOW)
    settled = store.run(status=RunStatus.COMPLETED, completed_at=ago(5))
    store.event(settled, 1, dead_at=NOW, discarded_at=NOW)
    page = await store.inspector.runs(RunFilter(attention=True))
    assert {run.id for run in page.items} == {FAILED, stuck.id, overdue.id, told.id}
