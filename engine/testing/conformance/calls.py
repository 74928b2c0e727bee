"""What `engine.ports.ai_calls.CallStore` promises, and the `ReadStore` about AI calls."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from engine.model.criteria import CallFilter, PageRequest
from engine.model.ids import new_id
from engine.model.records import AICallRecord, RunRecord
from engine.ports.persistence import Persistence
from engine.ports.work import UnitOfWork
from engine.testing.conformance.records import NOON, WORKFLOW, add_run, add_stage, another

FREE = ("run_id", "reused")
FIELDS = [name for name in AICallRecord._fields if name not in ("id", "status", *FREE)]


def call_of(run: RunRecord | None = None, **fields: Any) -> AICallRecord:
    """An open call of that run's stage `step`; `fields` say otherwise."""
    call = AICallRecord(new_id(), "topic", "text", "offline/small", "offline", NOON)
    if run is not None:
        call = call._replace(run_id=run.id, workflow_id=run.workflow_id, stage_id="step", attempt=1)
    return call._replace(**fields)


async def stored(store: Persistence, call: AICallRecord) -> AICallRecord:
    found = await store.read(lambda reads: reads.ai_call(call.id))
    assert found is not None
    return found


class CallPromises:
    """Needs the fixture `store`: an empty `Persistence`."""

    @pytest.mark.parametrize("field", FIELDS)
    async def test_a_call_that_ended_is_kept_with_every_field(self, store: Persistence, field: str) -> None:
        call = call_of(status="ok")._replace(**{field: another(AICallRecord, field)})
        await store.transact(lambda work: work.ai_calls.close([call]))
        assert await stored(store, call) == call

    async def test_the_end_takes_the_place_of_the_open_one_and_stays(self, store: Persistence) -> None:
        call = call_of()
        done = call._replace(status="ok", cost=Decimal("0.5"))
        await store.transact(lambda work: work.ai_calls.open([call, call._replace(model="other/one")]))
        assert await stored(store, call) == call
        await store.transact(lambda work: work.ai_calls.close([done]))
        await store.transact(lambda work: work.ai_calls.close([done._replace(status="error", cost=Decimal(9))]))
        await store.transact(lambda work: work.ai_calls.open([call]))
        assert await stored(store, call) == done

    async def test_what_it_cost_is_added_to_its_run_and_stage_once(self, store: Persistence) -> None:
        def spend(work: UnitOfWork) -> RunRecord:
            run = add_run(work)
            stage = add_stage(work, run, attempt=1)
            done = call_of(run, status="ok", cost=Decimal("0.25"), input_tokens=3, output_tokens=4)
            work.ai_calls.close([done, done._replace(id=new_id())])
            work.ai_calls.close([done])
            work.ai_calls.close([])
            found = work.stages.get([stage.id])[stage.id]
            assert (found.cost, found.tokens) == (Decimal("0.5"), 14)
            assert work.ai_calls.spent_by_stage(run.id, "step") == Decimal("0.5")
            assert work.ai_calls.spent_by_stage(run.id, "other") == 0
            whole = work.runs.get(run.id)
            assert whole is not None
            return whole

        run = await store.transact(spend)
        assert (run.total_cost, run.total_tokens) == (Decimal("0.5"), 14)

    async def test_what_was_spent_since_is_of_a_workflow_or_of_all(self, store: Persistence) -> None:
        def check(work: UnitOfWork) -> None:
            one, other = add_run(work), add_run(work, workflow_id="other")
            cents: dict[str, Any] = {"status": "ok", "cost": Decimal("0.01")}
            work.ai_calls.close([call_of(one, **cents), call_of(other, **cents), call_of(**cents)])
            work.ai_calls.close([call_of(one, **cents, created_at=NOON - timedelta(seconds=1))])
            assert work.ai_calls.spent_since(NOON, None) == Decimal("0.03")
            assert work.ai_calls.spent_since(NOON, WORKFLOW) == Decimal("0.01")
            assert work.ai_calls.spent_since(NOON, "nobody") == 0

        await store.transact(check)

    @pytest.mark.parametrize("amount", [Decimal("0.000000001"), Decimal(1000), None])
    async def test_what_operators_allow_is_kept_and_replaced(self, store: Persistence, amount: Decimal | None) -> None:
        def check(work: UnitOfWork) -> str:
            run = add_run(work)
            work.ai_calls.allow(run.id, "", Decimal(1))
            work.ai_calls.allow(run.id, "", amount)
            work.ai_calls.allow(run.id, "step", Decimal(2))
            assert work.ai_calls.limits([run.id]) == {(run.id, ""): amount, (run.id, "step"): Decimal(2)}
            assert work.ai_calls.limits([]) == {}
            return run.id

        run_id = await store.transact(check)
        assert await store.read(lambda reads: reads.limits(run_id)) == {"": amount, "step": Decimal(2)}

    @pytest.mark.parametrize("way", ["ids", "attempts", "runs", "orphans"])
    async def test_open_calls_are_interrupted_and_ended_ones_are_not(self, store: Persistence, way: str) -> None:
        def check(work: UnitOfWork) -> tuple[AICallRecord, AICallRecord]:
            run = None if way == "orphans" else add_run(work)
            opened, ended = call_of(run), call_of(run, status="ok")
            work.ai_calls.open([opened])
            work.ai_calls.close([ended])
            if run is None:
                assert work.ai_calls.interrupt_orphans(NOON) == 0
                assert work.ai_calls.interrupt_orphans(NOON + timedelta(seconds=1)) == 1
            elif way == "ids":
                work.ai_calls.interrupt([opened.id, ended.id])
            elif way == "runs":
                work.ai_calls.interrupt_runs([run.id])
            else:
                work.ai_calls.interrupt_attempts([(run.id, "step", 2)])
                work.ai_calls.interrupt_attempts([(run.id, "step", 1)])
            return opened, ended

        opened, ended = await store.transact(check)
        assert (await stored(store, opened)).status == "interrupted"
        assert (await stored(store, ended)).status == "ok"

    async def test_texts_are_forgotten_the_oldest_first(self, store: Persistence) -> None:
        words: dict[str, Any] = {"status": "ok", "prompt": "p", "response": "r", "answer": "{}"}
        calls = [call_of(**words, created_at=NOON + timedelta(hours=hour)) for hour in (0, 1, 2)]
        await store.transact(lambda work: work.ai_calls.close(calls))
        later = NOON + timedelta(hours=2)
        assert await store.transact(lambda work: work.ai_calls.forget_texts(later, 1)) == 1
        assert [(await stored(store, call)).prompt for call in calls] == [None, "p", "p"]
        assert await store.transact(lambda work: work.ai_calls.forget_texts(later, 9)) == 1
        kept = [await stored(store, call) for call in calls]
        assert [(call.prompt, call.response, call.answer) for call in kept[1:]] == [
            (None, None, None),
            ("p", "r", "{}"),
        ]

    # --- reading ---

    @pytest.mark.parametrize(
        ("asked", "found"),
        [
            ({}, "ba"),
            ({"model": "offline/small"}, "a"),
            ({"model": "real-1"}, "b"),
            ({"status": "error"}, "b"),
            ({"topic": "one"}, "a"),
            ({"topic": "one.two"}, "a"),
            ({"topic": "one.tw"}, ""),
            ({"batch_id": "batch"}, "b"),
            ({"workflow_id": WORKFLOW}, "a"),
            ({"stage_id": "step"}, "a"),
            ({"since": NOON + timedelta(hours=1)}, "b"),
            ({"until": NOON + timedelta(hours=1)}, "a"),
        ],
    )
    async def test_calls_are_found_by_what_is_asked(
        self, store: Persistence, asked: dict[str, Any], found: str
    ) -> None:
        def add(work: UnitOfWork) -> None:
            later = NOON + timedelta(hours=1)
            first = call_of(add_run(work), status="ok", response="a", topic="one.two")
            second = call_of(status="error", response="b", model="x/y", answered_by="real-1", created_at=later)
            work.ai_calls.close([first, second._replace(batch_id="batch")])

        await store.transact(add)
        criteria = CallFilter(**asked)
        page = await store.read(lambda reads: reads.ai_calls(criteria, PageRequest(), brief=True))
        assert "".join(call.response or "" for call in page.items) == found

    async def test_the_calls_of_a_run_are_told_apart(self, store: Persistence) -> None:
        def add(work: UnitOfWork) -> tuple[str, list[str], list[str]]:
            run = add_run(work)
            opened = [call_of(run, created_at=NOON + timedelta(hours=hour)) for hour in (0, 1)]
            paid = call_of(run, status="ok", cost=Decimal(1))
            work.ai_calls.open(opened[::-1])
            work.ai_calls.close([paid, call_of(run, status="ok"), call_of(add_run(work), status="ok", cost=Decimal(1))])
            return run.id, [call.id for call in opened], [paid.id]

        run_id, opened, paid = await store.transact(add)
        assert [call.id for call in await store.read(lambda reads: reads.open_calls(run_id))] == opened
        assert paid[0] in [call.id for call in await store.read(lambda reads: reads.calls_of_run(run_id))]
        assert await store.read(lambda reads: reads.unpriced_runs([run_id])) == {run_id}

    async def test_an_answer_is_recalled_from_its_run_or_from_anybody(self, store: Persistence) -> None:
        def add(work: UnitOfWork) -> tuple[str, str]:
            run = add_run(work)
            answered = {"status": "ok", "request_key": "same", "answer": "{}"}
            work.ai_calls.close([call_of(run, **answered, response="old")])
            newer = call_of(run, **answered, response="new", created_at=NOON + timedelta(hours=1), attempt=2)
            work.ai_calls.close([newer, call_of(run, **{**answered, "status": "error"}, created_at=newer.created_at)])
            return run.id, add_run(work).id

        run_id, other_id = await store.transact(add)
        mine = await store.read(lambda reads: reads.recall("same", run_id))
        anybodys = await store.read(lambda reads: reads.recall("same", None))
        assert mine is not None
        assert anybodys is not None
        assert (mine.response, anybodys.response) == ("new", "new")
        assert await store.read(lambda reads: reads.recall("same", other_id)) is None
        assert await store.read(lambda reads: reads.recall("other", None)) is None
        earlier = await store.read(lambda reads: reads.answers("same", run_id, "step", 2))
        assert [call.response for call in earlier] == ["old"]

    async def test_the_calls_of_a_batch_that_ended_are_known(self, store: Persistence) -> None:
        calls = [call_of(status="ok", batch_id="b"), call_of(status="error", batch_id="b"), call_of(batch_id="other")]
        await store.transact(lambda work: work.ai_calls.close(calls))
        assert await store.read(lambda reads: reads.recorded("b")) == {call.id for call in calls[:2]}
