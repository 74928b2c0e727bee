"""What `engine.ports.reads.ReadStore` promises about AI calls."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from engine.errors import InvalidInput
from engine.model.criteria import CallFilter, PageRequest
from engine.model.read_records import Slice, StagePrice
from engine.model.records import AICallRecord, RunRecord
from engine.model.status import StageStatus
from engine.ports.persistence import Persistence
from engine.ports.work import UnitOfWork
from engine.testing.conformance.records import NOON, add_call, add_run, add_stage, only

HOUR = timedelta(hours=1)
LONG = "word " * 2000
RUN_ID = "0123456789abcdefghjk"

SORTS: dict[str, list[Any]] = {
    "created_at": [NOON, NOON + HOUR, NOON + 2 * HOUR],
    "cost": [Decimal("0.1"), Decimal("0.25"), Decimal(3)],
    "latency_ms": [1, 2, 2**40],
    "input_tokens": [0, 10, 2**40],
    "output_tokens": [0, 10, 2**40],
}
MATCHES: list[tuple[dict[str, Any], str]] = [
    ({}, "edcba"),
    ({"run_id": RUN_ID}, "cba"),
    ({"run_id": RUN_ID.upper()}, ""),
    ({"workflow_id": "other"}, "d"),
    ({"stage_id": "step"}, "dba"),
    ({"model": "maker/model"}, "dba"),
    ({"model": "model-0823"}, "a"),
    ({"model": "model"}, ""),
    ({"status": "open"}, "b"),
    ({"topic": "talk"}, "dc"),
    ({"topic": "talk.small"}, "d"),
    ({"topic": "tal"}, ""),
    ({"topic": "%"}, ""),
    ({"batch_id": "b1"}, "c"),
    ({"since": NOON + HOUR}, "edcb"),
    ({"until": NOON + HOUR}, "a"),
    ({"run_id": RUN_ID, "topic": "talk"}, "c"),
    ({"model": "' OR 1=1 --"}, ""),
    ({"topic": "\x00"}, ""),
]
REQUEST = {"request_key": "q", "answer": '{"text": "so"}'}
"""Of a call that may answer a later one."""


def add_five(work: UnitOfWork) -> None:
    """Calls `a` to `e`, an hour apart: three of one run, one of another, one of nobody."""
    run, other = add_run(work, RUN_ID), add_run(work, workflow_id="other")
    add_call(work, run, id="a", answered_by="model-0823")
    add_call(work, run, id="b", status="open", cost=None, created_at=NOON + HOUR)
    fields: dict[str, Any] = {"stage_id": "other", "model": "maker/big", "topic": "talk", "batch_id": "b1"}
    add_call(work, run, id="c", created_at=NOON + 2 * HOUR, **fields)
    add_call(work, other, id="d", topic="talk.small", created_at=NOON + 3 * HOUR)
    add_call(work, None, id="e", model="maker/big", topic="talks", created_at=NOON + 4 * HOUR)


async def listed(store: Persistence, page: PageRequest, criteria: CallFilter | None = None) -> Slice[AICallRecord]:
    return await store.read(lambda reads: reads.ai_calls(criteria or CallFilter(), page, brief=True))


async def every_page(store: Persistence, sort: str, limit: int) -> list[str]:
    """The ids of all calls, a page read after the other."""
    answer = await listed(store, PageRequest(sort=sort, limit=limit))
    found = [call.id for call in answer.items]
    while answer.next_cursor is not None:
        answer = await listed(store, PageRequest(sort=sort, limit=limit, cursor=answer.next_cursor))
        found += [call.id for call in answer.items]
    return found


async def recalled(store: Persistence, request_key: str, run_id: str | None) -> str | None:
    found = await store.read(lambda reads: reads.recall(request_key, run_id))
    return None if found is None else found.id


class CallReadPromises:
    """Needs the fixture `store`: an empty `Persistence`."""

    # --- lists ---

    @pytest.mark.parametrize("name", SORTS)
    async def test_pages_are_sorted_complete_and_without_repeats(self, store: Persistence, name: str) -> None:
        values = SORTS[name]

        def add(work: UnitOfWork) -> list[AICallRecord]:
            run = add_run(work)
            return [add_call(work, run, **{name: value}) for value in (*values, *values, values[1])]

        calls = await store.transact(add)
        expected = [call.id for call in sorted(calls, key=lambda call: (getattr(call, name), call.id))]
        assert await every_page(store, name, 2) == expected
        assert await every_page(store, f"-{name}", 2) == expected[::-1]
        assert await every_page(store, name, 7) == expected

    @pytest.mark.parametrize("sort", ["cost", "-cost", "latency_ms", "-latency_ms"])
    async def test_calls_without_the_sort_value_come_last(self, store: Persistence, sort: str) -> None:
        name = sort.removeprefix("-")

        def add(work: UnitOfWork) -> tuple[set[str], list[str]]:
            there = {add_call(work, None, **{name: value}).id for value in SORTS[name]}
            empty: dict[str, Any] = {name: None}
            return there, sorted((add_call(work, None, **empty).id for _ in range(3)), reverse=sort[0] == "-")

        there, without = await store.transact(add)
        found = await every_page(store, sort, 2)
        assert (set(found[:3]), found[3:]) == (there, without)

    @pytest.mark.parametrize("wrong", [{"sort": "prompt"}, {"sort": ""}, {"cursor": "x"}])
    async def test_a_wrong_sort_field_or_cursor_is_said(self, store: Persistence, wrong: dict[str, Any]) -> None:
        with pytest.raises(InvalidInput, match=only(wrong)):
            await listed(store, PageRequest(**wrong))

    async def test_calls_are_found_by_what_is_asked_the_newest_first(self, store: Persistence) -> None:
        await store.transact(add_five)
        asked = [CallFilter(**criteria) for criteria, _ in MATCHES]
        pages = await store.read(
            lambda reads: [reads.ai_calls(criteria, PageRequest(), brief=True).items for criteria in asked]
        )
        found = ["".join(call.id for call in page) for page in pages]
        assert list(zip(asked, found, strict=True)) == [(CallFilter(**one), ids) for one, ids in MATCHES]

    @pytest.mark.parametrize("name", ["since", "until"])
    async def test_an_instant_without_a_zone_is_said(self, store: Persistence, name: str) -> None:
        naive: dict[str, Any] = {name: NOON.replace(tzinfo=None)}
        with pytest.raises(InvalidInput, match="zone"):
            await listed(store, PageRequest(), CallFilter(**naive))

    async def test_a_brief_list_has_the_beginnings_of_words_and_all_the_rest(self, store: Persistence) -> None:
        def add(work: UnitOfWork) -> AICallRecord:
            return add_call(work, add_run(work), prompt=LONG, response=LONG, answer='"a"', latency_ms=3, error="no")

        call = await store.transact(add)
        run_id = call.run_id or ""
        (whole,) = await store.read(lambda reads: reads.ai_calls(CallFilter(), PageRequest(), brief=False).items)
        assert whole == call
        lists = await store.read(
            lambda reads: (reads.ai_calls(CallFilter(), PageRequest(), brief=True).items, reads.calls_of_run(run_id))
        )
        for (brief,) in lists:
            assert brief.prompt == brief.response != ""
            assert LONG.startswith(brief.prompt or "no")
            assert len(brief.prompt or "") < len(LONG)
            assert brief == call._replace(prompt=brief.prompt, response=brief.response, answer=None)

    async def test_one_that_is_not_there_is_none(self, store: Persistence) -> None:
        await store.transact(add_five)
        asked = ["", "nothing", "A", "%", "\x00", "\ud800", "' OR 1=1 --"]
        found = await store.read(lambda reads: [one for one in asked if reads.ai_call(one) is not None])
        assert found == []

    async def test_calls_under_way_are_listed_the_oldest_first(self, store: Persistence) -> None:
        def add(work: UnitOfWork) -> str:
            run, other = add_run(work), add_run(work)
            for name, hour in (("c", 2), ("a", 1), ("b", 1)):
                add_call(work, run, id=name, status="open", created_at=NOON + hour * HOUR, prompt=LONG)
            add_call(work, run, id="ended")
            add_call(work, run, id="cut off", status="open")
            work.ai_calls.interrupt(["cut off"])
            add_call(work, other, id="other", status="open")
            return run.id

        run_id = await store.transact(add)
        found = await store.read(lambda reads: reads.open_calls(run_id))
        assert [call.id for call in found] == ["a", "b", "c"]
        assert {len(call.prompt or "") < len(LONG) for call in found} == {True}
        assert await store.read(lambda reads: reads.open_calls("0" * 20)) == []

    async def test_the_calls_of_a_run_are_those_a_model_was_asked_for_the_oldest_first(
        self, store: Persistence
    ) -> None:
        def add(work: UnitOfWork) -> str:
            run = add_run(work)
            add_call(work, run, id="late", created_at=NOON + HOUR)
            add_call(work, run, id="failed", status="error")
            add_call(work, run, id="reused", reused=True, cost=Decimal(0))
            add_call(work, run, id="early", created_at=NOON - HOUR, status="open")
            add_call(work, add_run(work), id="other")
            return run.id

        run_id = await store.transact(add)
        found = await store.read(lambda reads: reads.calls_of_run(run_id))
        assert [call.id for call in found] == ["early", "failed", "late"]

    # --- answers given before ---

    async def test_the_newest_answer_to_an_equal_request_is_recalled_whole(self, store: Persistence) -> None:
        def add(work: UnitOfWork) -> tuple[AICallRecord, AICallRecord, str]:
            run, other = add_run(work), add_run(work)
            newest = add_call(work, other, created_at=NOON + HOUR, **REQUEST)
            mine = add_call(work, run, prompt=LONG, response=LONG, **REQUEST)
            add_call(work, run, created_at=NOON - HOUR, **REQUEST)
            return newest, mine, add_run(work).id

        newest, mine, empty = await store.transact(add)
        assert await recalled(store, "q", None) == newest.id
        assert await store.read(lambda reads: reads.recall("q", mine.run_id)) == mine
        assert await recalled(store, "q", empty) is None
        assert await recalled(store, "Q", None) is None

    @pytest.mark.parametrize(
        "fields",
        [
            {"status": "error"},
            {"status": "open"},
            {"reused": True},
            {"answer": None},
            {"request_key": None},
            {"request_key": "other"},
        ],
    )
    async def test_what_no_model_answered_or_was_not_kept_is_not_recalled(
        self, store: Persistence, fields: dict[str, Any]
    ) -> None:
        run = await store.transact(lambda work: add_run(work))
        await store.transact(lambda work: add_call(work, run, **{**REQUEST, **fields}))
        assert await recalled(store, "q", None) is None
        assert await recalled(store, "q", run.id) is None
        assert await store.read(lambda reads: reads.answers("q", run.id, "step", 2)) == []

    async def test_answers_of_earlier_attempts_come_the_latest_attempt_first(self, store: Persistence) -> None:
        def add(work: UnitOfWork) -> str:
            run = add_run(work)
            for name, attempt, hour in (("d", 1, 0), ("c", 2, 9), ("b", 2, 1), ("a", 2, 1), ("now", 3, 0)):
                add_call(work, run, id=name, attempt=attempt, created_at=NOON + hour * HOUR, **REQUEST)
            add_call(work, run, id="other stage", stage_id="other", **REQUEST)
            add_call(work, run, id="other request", **{**REQUEST, "request_key": "r"})
            add_call(work, add_run(work), id="other run", **REQUEST)
            return run.id

        run_id = await store.transact(add)
        found = await store.read(lambda reads: [reads.answers("q", run_id, "step", before) for before in (3, 2, 1)])
        assert ["".join(call.id for call in one) for one in found] == ["abcd", "d", ""]
        assert found[1][0].answer == REQUEST["answer"]

    async def test_the_calls_of_a_batch_that_ended_are_known_by_id(self, store: Persistence) -> None:
        def add(work: UnitOfWork) -> None:
            run = add_run(work)
            add_call(work, run, id="ok", batch_id="b1")
            add_call(work, None, id="failed", batch_id="b1", status="error")
            add_call(work, run, id="open", batch_id="b1", status="open")
            add_call(work, run, id="other", batch_id="b2")
            add_call(work, run, id="alone")

        await store.transact(add)
        asked = ["b1", "B1", "", "\x00", "\ud800"]
        found = await store.read(lambda reads: [reads.recorded(one) for one in asked])
        assert found == [{"ok", "failed"}, set(), set(), set(), set()]

    # --- what stages usually cost ---

    async def test_stages_cost_what_they_did_in_the_newest_runs_that_completed_them(self, store: Persistence) -> None:
        def add_done(work: UnitOfWork, hour: int, cost: Decimal | None, **fields: Any) -> RunRecord:
            run = add_run(work, created_at=NOON + hour * HOUR)
            add_stage(work, run, **{"status": StageStatus.COMPLETED, "attempt": 2, **fields})
            add_call(work, run, attempt=2, cost=cost)
            return run

        def add(work: UnitOfWork) -> None:
            add_done(work, 1, Decimal(100))
            add_done(work, 2, Decimal(1))
            # An earlier attempt is no part of what the last one cost.
            add_call(work, add_done(work, 3, Decimal(2)), attempt=1, cost=None)
            add_done(work, 4, None)
            add_done(work, 5, Decimal(1000), status=StageStatus.FAILED)
            free = add_run(work)
            add_stage(work, free, "free", status=StageStatus.COMPLETED, attempt=1)
            other = add_run(work, workflow_id="other", created_at=NOON + 9 * HOUR)
            add_stage(work, other, status=StageStatus.COMPLETED, attempt=1)

        await store.transact(add)
        asked = ["step", "nothing", "free"]
        found = await store.read(lambda reads: reads.stage_prices("flow", asked, 3))
        nothing = StagePrice("nothing", 0, Decimal(0), 0)
        assert found == [StagePrice("step", 3, Decimal(3), 1), nothing, StagePrice("free", 1, Decimal(0), 0)]
        (widest,) = await store.read(lambda reads: reads.stage_prices("flow", ["step"], 9))
        assert widest == StagePrice("step", 4, Decimal(103), 1)
        assert await store.read(lambda reads: reads.stage_prices("flow", [], 3)) == []
