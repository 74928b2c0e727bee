"""The run list: pages, filters, hostile text, derived fields, and that an index serves it."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from inspected_store import NOW, InspectedStore, ago, make_flow, make_run

from engine.errors import InvalidInput
from engine.inspector import PageRequest, RunFilter, RunStatus, StageStatus
from engine.stores.sql.runs import RUN


@pytest.fixture
def store(url: str) -> InspectedStore:
    return InspectedStore(url)


async def ids(store: InspectedStore, page: PageRequest | None = None, **criteria: Any) -> list[str]:
    found = await store.inspector.runs(RunFilter(**criteria), page or PageRequest())
    return [run.id for run in found.items]


async def every_id(store: InspectedStore, limit: int, sort: str, **criteria: Any) -> list[str]:
    found: list[str] = []
    page = PageRequest(limit=limit, sort=sort)
    while True:
        answer = await store.inspector.runs(RunFilter(**criteria), page)
        found += [run.id for run in answer.items]
        if answer.next_cursor is None:
            return found
        page = page.model_copy(update={"cursor": answer.next_cursor})


async def test_an_empty_store_has_an_empty_last_page(store: InspectedStore) -> None:
    page = await store.inspector.runs()
    assert list(page.items) == []
    assert page.next_cursor is None


async def test_the_newest_come_first_and_the_last_page_says_so(store: InspectedStore) -> None:
    runs = [store.run(created_at=ago(seconds)).id for seconds in (30, 10, 20)]
    first = await store.inspector.runs(page=PageRequest(limit=2))
    assert [run.id for run in first.items] == [runs[1], runs[2]]
    last = await store.inspector.runs(page=PageRequest(limit=2, cursor=first.next_cursor))
    assert [run.id for run in last.items] == [runs[0]]
    assert last.next_cursor is None


async def test_a_page_that_is_exactly_full_has_no_next(store: InspectedStore) -> None:
    for _ in range(3):
        store.run()
    page = await store.inspector.runs(page=PageRequest(limit=3))
    assert (len(page.items), page.next_cursor) == (3, None)


async def test_paging_10_000_runs_is_complete_and_without_repeats_while_runs_arrive(
    store: InspectedStore,
) -> None:
    runs = [make_run(created_at=ago(1000 + index % 700)) for index in range(10_000)]
    store.put(RUN, *runs, input="{}")
    seen: list[str] = []
    cursor = None
    for _ in range(100):
        page = await store.inspector.runs(page=PageRequest(limit=997, cursor=cursor))
        seen += [run.id for run in page.items]
        store.run(created_at=NOW)
        store.run(created_at=ago(2000))
        cursor = page.next_cursor
        if cursor is None:
            break
    assert len(seen) == len(set(seen))
    assert {run.id for run in runs} <= set(seen)


@pytest.mark.parametrize(
    "sort",
    [
        "created_at",
        "updated_at",
        "started_at",
        "completed_at",
        "priority",
        "total_cost",
        "total_tokens",
        "workflow_id",
        "status",
        "error_code",
        "duration_ms",
    ],
)
@pytest.mark.parametrize("sign", ["", "-"])
async def test_every_sort_pages_through_equals_and_missing_values(store: InspectedStore, sort: str, sign: str) -> None:
    for index in range(40):
        started = None if index % 3 == 0 else ago(50 + index % 2)
        ended = ago(index % 4) if started and index % 5 else None
        store.run(
            workflow_id=f"flow{index % 3}",
            priority=index % 2,
            created_at=ago(index % 4),
            updated_at=ago(index % 5),
            started_at=started,
            completed_at=ended,
            status=RunStatus.FAILED if ended else RunStatus.PENDING,
            total_cost=None if index % 4 == 0 else Decimal(index % 3) / 1000,
            total_tokens=index % 3,
            error_code="BROKEN" if index % 3 == 1 else None,
        )
    answer = await store.inspector.runs(page=PageRequest(limit=1000, sort=sign + sort))
    assert await every_id(store, 7, sign + sort) == [run.id for run in answer.items]
    values = [getattr(run, sort) for run in answer.items] if sort not in ("updated_at", "total_cost") else []
    present = [value for value in values if value is not None]
    assert present == sorted(present, reverse=bool(sign))
    assert [value is None for value in values] == sorted(value is None for value in values)


async def test_paging_by_duration_holds_the_instant_of_its_first_page(store: InspectedStore) -> None:
    for seconds in (10, 20, 30, 40):
        store.run(started_at=ago(seconds))
    store.run(started_at=ago(100), completed_at=ago(75), status=RunStatus.COMPLETED)
    expected = await ids(store, PageRequest(sort="-duration_ms"))
    page = PageRequest(limit=1, sort="-duration_ms")
    seen = []
    for _ in expected:
        answer = await store.inspector.runs(page=page)
        seen += [run.id for run in answer.items]
        store.now += timedelta(seconds=15)
        page = page.model_copy(update={"cursor": answer.next_cursor})
    assert seen == expected


@pytest.mark.parametrize(
    "page",
    [
        {"sort": "input"},
        {"sort": "-id; DROP TABLE workflow_runs"},
        {"cursor": "x"},
        {"cursor": "é"},
        {"cursor": ""},
        {"cursor": "WzEsMl0"},
        {"cursor": "bnVsbA"},
    ],
)
async def test_a_wrong_sort_or_cursor_is_invalid(store: InspectedStore, page: dict[str, str]) -> None:
    store.run()
    if page == {"cursor": ""}:
        assert len((await store.inspector.runs(page=PageRequest(**page))).items) == 1
        return
    with pytest.raises(InvalidInput):
        await store.inspector.runs(page=PageRequest(**page))


async def test_a_cursor_belongs_to_its_sort(store: InspectedStore) -> None:
    for _ in range(3):
        store.run()
    cursor = (await store.inspector.runs(page=PageRequest(limit=1))).next_cursor
    with pytest.raises(InvalidInput, match="sorted by -created_at"):
        await store.inspector.runs(page=PageRequest(limit=1, cursor=cursor, sort="priority"))


async def test_stored_and_derived_status_words(store: InspectedStore) -> None:
    queued = store.run(status=RunStatus.PENDING, group_no=0).id
    failed = store.run(status=RunStatus.FAILED).id
    busy, waiting, mixed, retrying = (store.run() for _ in range(4))
    store.stage(busy, "a")
    store.stage(waiting, "a", status=StageStatus.SUSPENDED)
    store.stage(waiting, "b", status=StageStatus.COMPLETED)
    store.stage(mixed, "a", status=StageStatus.SUSPENDED)
    store.stage(mixed, "b")
    store.stage(retrying, "a", status=StageStatus.PENDING, retry_at=NOW)
    assert await ids(store, status=("PENDING",)) == [queued]
    assert set(await ids(store, status=("pending", "FAILED"))) == {queued, failed}
    assert await ids(store, status=("WAITING",)) == [waiting.id]
    assert await ids(store, status=("RETRYING",)) == [retrying.id]
    assert set(await ids(store, status=("RETRYING", "FAILED"))) == {retrying.id, failed}
    assert set(await ids(store, not_status=("RUNNING",))) == {queued, failed}
    assert set(await ids(store, not_status=("WAITING", "RETRYING"))) == {queued, failed, busy.id, mixed.id}
    assert await ids(store, status=("SKIPPED",)) == []
    shown = {run.id: run.waiting for run in (await store.inspector.runs()).items}
    assert [run for run, is_waiting in shown.items() if is_waiting] == [waiting.id]
    with pytest.raises(InvalidInput, match="BUSY"):
        await ids(store, status=("BUSY",))


async def test_exact_filters(store: InspectedStore) -> None:
    one = store.run(workflow_id="a", error_code="X", error_fingerprint="f1", idempotency_key="k/1").id
    two = store.run(workflow_id="b", error_code="Y", error_fingerprint="f2", idempotency_key="k/2").id
    three = store.run(workflow_id="c").id
    assert await ids(store, workflow_id=("a",)) == [one]
    assert set(await ids(store, workflow_id=("a", "b"))) == {one, two}
    assert set(await ids(store, not_workflow_id=("a", "b"))) == {three}
    assert set(await ids(store, code=("X", "Y"))) == {one, two}
    assert await ids(store, fingerprint=("f2",)) == [two]
    assert await ids(store, key=("k/1", "nothing", "\x00")) == [one]
    assert await ids(store, workflow_id=("a",), code=("Y",)) == []


async def test_stage_filter_finds_where_runs_stand(store: InspectedStore) -> None:
    at, past, failed = store.run(), store.run(group_no=2), store.run(status=RunStatus.FAILED)
    store.stage(at, "extract")
    store.stage(past, "extract", status=StageStatus.COMPLETED, group_no=1)
    store.stage(failed, "extract", status=StageStatus.FAILED)
    assert set(await ids(store, stage_id=("extract",))) == {at.id, failed.id}
    assert await ids(store, stage_id=("report",)) == []


async def test_ids_are_prefixes_and_none_matches_nothing(store: InspectedStore) -> None:
    one, two, three = (store.run(f"{head}{'0' * 17}").id for head in ("abc", "abd", "xyz"))
    assert set(await ids(store, ids=("ab",))) == {one, two}
    assert await ids(store, ids=("ABC",)) == [one]
    assert set(await ids(store, ids=(one, three))) == {one, three}
    assert set(await ids(store, ids=(one, "x"))) == {one, three}
    assert await ids(store, ids=()) == []
    for hostile in ("", "%", "_", "a'b", "\x00", "\ud800", "a" * 30, "abc\\"):
        assert await ids(store, ids=(hostile,)) == [], hostile


async def test_resolving_a_prefix(store: InspectedStore) -> None:
    runs = sorted(store.run(f"ab{index:02}{'z' * 16}").id for index in range(12))
    store.run("ac" + "0" * 18)
    assert await store.inspector.resolve("ab") == runs[:10]
    assert await store.inspector.resolve("AB03") == [runs[3]]
    assert await store.inspector.resolve(runs[4]) == [runs[4]]
    for hostile in ("", "ab%", "é", "\x00", "zzz" * 9):
        assert await store.inspector.resolve(hostile) == []


@pytest.mark.parametrize(
    "hostile",
    ["100%", "under_score", "back\\slash", "it's", 'say "hi"', "new\nline", "(a|b)*", "/slash", "Straße"],
)
async def test_text_search_is_literal(store: InspectedStore, hostile: str) -> None:
    import json

    found = store.run(input_text=json.dumps({"url": f"x {hostile} y"}, ensure_ascii=False)).id
    by_error = store.run(error=f"ValueError: {hostile}!").id
    store.run(input_text='{"url": "100 underXscore backslash its say hi newline"}')
    assert set(await ids(store, text=(hostile,))) == {found, by_error}
    assert await ids(store, error=(hostile,)) == [by_error]
    assert set(await ids(store, text=(hostile.upper(),))) >= {by_error} if hostile.isascii() else True
    assert found not in await ids(store, not_text=(hostile,))


async def test_text_search_in_any_case_and_every_word(store: InspectedStore) -> None:
    run = store.run(idempotency_key="Nightly-Import", error="Über alle Maßen").id
    other = store.run(input_text='{"nightly": 1}').id
    assert set(await ids(store, text=("NIGHTLY",))) == {run, other}
    assert await ids(store, text=("nightly", "import")) == [run]
    assert await ids(store, text=("über",)) == [run]
    assert await ids(store, text=(run[:9].upper(),)) == [run]
    assert await ids(store, not_text=("import",)) == [other]


async def test_text_that_no_store_can_hold_is_nowhere(store: InspectedStore) -> None:
    run = store.run(idempotency_key="key").id
    for impossible in ("\x00", "key\x00", "\ud800"):
        assert await ids(store, text=(impossible,)) == []
        assert await ids(store, not_text=(impossible,)) == [run]
        assert await ids(store, error=(impossible,), key=(impossible,), workflow_id=(impossible,)) == []
    with pytest.raises(InvalidInput, match="1000"):
        await ids(store, text=("x" * 1001,))
    assert await ids(store, text=("%" * 1000,)) == []


async def test_times_money_and_durations(store: InspectedStore) -> None:
    old = store.run(created_at=ago(100), started_at=ago(90), completed_at=ago(80), total_cost=Decimal("0.5")).id
    new = store.run(created_at=ago(10), started_at=ago(5)).id
    never = store.run(created_at=ago(50), started_at=None).id
    assert await ids(store, since=ago(10)) == [new]
    assert set(await ids(store, until=ago(10))) == {old, never}
    assert await ids(store, ended_since=ago(80)) == [old]
    assert await ids(store, min_cost=Decimal("0.5")) == [old]
    assert set(await ids(store, max_cost=Decimal("0.499999999"))) == {new, never}
    assert await ids(store, min_duration=timedelta(seconds=10)) == [old]
    assert await ids(store, max_duration=timedelta(seconds=5)) == [new]
    assert await ids(store, min_cost=Decimal(10) ** 30, min_duration=timedelta.max) == []
    with pytest.raises(InvalidInput, match="zone"):
        await ids(store, since=datetime(2026, 1, 1))  # noqa: DTZ001


async def test_derived_fields_of_a_running_run(store: InspectedStore) -> None:
    flow = make_flow()
    store.definition(flow)
    run = store.run(definition=flow.fingerprint, group_no=2, updated_at=ago(7))
    store.stage(run, "extract", group_no=1, number=1, status=StageStatus.COMPLETED, attempt=2, tries=2)
    store.stage(run, "left", number=2, progress=0.5, worker_id="w1")
    store.stage(run, "right", number=3, status=StageStatus.PENDING, attempt=4, tries=2, max_attempts=5, retry_at=NOW)
    (shown,) = (await store.inspector.runs()).items
    assert shown.current_stages == ["left", "right"]
    assert (shown.attempt, shown.tries, shown.max_attempts) == (4, 2, 5)
    assert shown.retry_at == NOW
    assert shown.progress == pytest.approx(1.5 / 4)
    assert (shown.duration_ms, shown.idle_ms) == (60_000, 7_000)
    assert shown.worker_id == "w1"
    assert shown.definition == flow.fingerprint
    assert shown.total_cost == 0
    assert not shown.waiting


async def test_derived_fields_of_the_others(store: InspectedStore) -> None:
    flow = make_flow()
    store.definition(flow)
    plan = {"definition": flow.fingerprint}
    queued = store.run(status=RunStatus.PENDING, started_at=None, group_no=0, **plan)
    failed = store.run(
        status=RunStatus.FAILED, completed_at=ago(30), group_no=2, failed_stage="left", error="E", **plan
    )
    store.stage(failed, "left", number=2, status=StageStatus.FAILED, attempt=3, tries=3)
    store.stage(failed, "right", number=3, status=StageStatus.COMPLETED)
    done = store.run(status=RunStatus.COMPLETED, completed_at=ago(20), group_no=3, **plan)
    planless = store.run(definition="gone")
    shown = {run.id: run for run in (await store.inspector.runs()).items}
    one = shown[queued.id]
    assert (one.progress, one.duration_ms, one.attempt, one.current_stages) == (0.0, None, 0, [])
    two = shown[failed.id]
    assert (two.progress, two.duration_ms, two.tries, two.idle_ms) == (0.5, 30_000, 3, None)
    assert two.current_stages == ["left"]
    assert (shown[done.id].progress, shown[done.id].duration_ms) == (1.0, 40_000)
    assert shown[planless.id].progress is None


async def test_a_run_with_an_unpriced_call_has_no_known_cost(store: InspectedStore) -> None:
    priced = store.run(total_cost=Decimal("0.25"))
    unpriced = store.run(total_cost=Decimal("0.25"))
    store.ai_call(run_id=priced.id, stage_id="a", attempt=1)
    store.ai_call(run_id=unpriced.id, stage_id="a", attempt=1, cost=None)
    shown = {run.id: run.total_cost for run in (await store.inspector.runs()).items}
    assert shown == {priced.id: Decimal("0.25"), unpriced.id: None}


async def test_a_page_costs_a_fixed_number_of_statements(store: InspectedStore) -> None:
    flow = make_flow()
    store.definition(flow)
    for _ in range(100):
        store.stage(store.run(definition=flow.fingerprint), "extract")
    await store.inspector.runs(page=PageRequest(limit=2))
    few = len(store.statements)
    await store.inspector.runs(page=PageRequest(limit=100))
    assert len(store.statements) <= few <= 4


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
async def test_pages_of_the_usual_kinds_are_served_by_an_index(store: InspectedStore) -> None:
    for index in range(60):
        store.stage(store.run(created_at=ago(index)), "extract")
    cursor = (await store.inspector.runs(page=PageRequest(limit=5))).next_cursor
    for criteria, page in (
        (RunFilter(), PageRequest(limit=5)),
        (RunFilter(), PageRequest(limit=5, cursor=cursor)),
        (RunFilter(status=("FAILED",)), PageRequest(limit=5)),
        (RunFilter(workflow_id=("flow",)), PageRequest(limit=5, cursor=cursor)),
        (RunFilter(since=ago(100)), PageRequest(limit=5, sort="created_at")),
    ):
        await store.inspector.runs(criteria, page)
        for plan in store.plans():
            assert "SCAN workflow_runs USING" in plan or "SCAN workflow_runs" not in plan, plan
            assert "SCAN workflow_stages" not in plan, plan
            assert "SCAN ai_calls" not in plan, plan
        choosing, _, widening = store.plans()[0].partition("SCAN chosen")
        assert "TEMP B-TREE" not in choosing, choosing
        assert "SEARCH workflow_runs" in widening, widening
    await store.inspector.resolve("abc")
    assert "SEARCH" in store.plans()[0]
