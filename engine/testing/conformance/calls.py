"""What `engine.ports.ai_calls.CallStore` promises."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any, TypeVar

from engine.model.criteria import CallFilter, PageRequest
from engine.model.ids import new_id
from engine.model.read_records import StagePrice
from engine.model.records import AICallRecord, RunRecord, StageRecord
from engine.model.status import RunStatus, StageStatus
from engine.ports.persistence import Persistence
from engine.ports.work import UnitOfWork
from engine.testing.conformance.records import WORKFLOW, add_run

R = TypeVar("R")
TENTH = Decimal("0.1")


def add_running(work: UnitOfWork) -> RunRecord:
    """A RUNNING run whose stage `step` is in its first attempt."""
    run = add_run(work, status=RunStatus.RUNNING)
    stage = StageRecord(
        new_id(), run.id, "step", "Step", 1, 1, StageStatus.RUNNING, 0, queued_at=work.now, attempt=1, tries=1
    )
    work.stages.insert([(stage, None)])
    return run


def call_of(run: RunRecord | None, work: UnitOfWork, **fields: Any) -> AICallRecord:
    call = AICallRecord(new_id(), "topic", "text", "fake/small", "fake", work.now)
    if run is not None:
        call = call._replace(run_id=run.id, workflow_id=run.workflow_id, stage_id="step", attempt=1)
    return call._replace(**fields)


def ended(call: AICallRecord, cost: Decimal | None = TENTH, **fields: Any) -> AICallRecord:
    return call._replace(status="ok", cost=cost, input_tokens=2, output_tokens=1, **fields)


class CallPromises:
    """Give a fixture `store`: a `Persistence` on an empty database."""

    async def do(self, store: Persistence, fn: Callable[[UnitOfWork], R]) -> R:
        return await store.transact(fn)

    async def rows(self, store: Persistence) -> list[AICallRecord]:
        page = PageRequest(limit=100, sort="created_at")
        return (await store.read(lambda reads: reads.ai_calls(CallFilter(), page, brief=False))).items

    async def money(self, store: Persistence, run_id: str) -> tuple[Decimal | None, int, Decimal | None, int]:
        """Of the run, and of its stage."""

        def ask(work: UnitOfWork) -> tuple[Decimal | None, int, Decimal | None, int]:
            run, (stage,) = work.runs.lock({run_id})[run_id], work.stages.of_run(run_id)
            return run.total_cost, run.total_tokens, stage.cost, stage.tokens

        return await self.do(store, ask)

    async def test_a_call_comes_back_as_it_was_written(self, store: Persistence) -> None:
        def write(work: UnitOfWork) -> AICallRecord:
            whole = call_of(add_running(work), work)._replace(
                status="ok", answered_by="m", input_tokens=1, output_tokens=2, cached_tokens=1, reasoning_tokens=1,
                cost=Decimal("0.000000001"), latency_ms=3, first_token_ms=2, finish_reason="stop", error="e",
                error_code="E", reused=True, request_key="k", batch_id="b", prompt="p", response="r", answer='"r"',
            )  # fmt: skip
            work.ai_calls.close([whole])
            return whole

        written = await self.do(store, write)
        assert await self.rows(store) == [written]

    async def test_an_ended_call_takes_the_place_of_the_open_one(self, store: Persistence) -> None:
        def begin(work: UnitOfWork) -> AICallRecord:
            call = call_of(add_running(work), work)
            work.ai_calls.open([call, call])
            return call

        call = await self.do(store, begin)
        assert call.run_id is not None
        assert await self.money(store, call.run_id) == (None, 0, None, 0)
        await self.do(store, lambda work: work.ai_calls.close([ended(call)]))
        await self.do(store, lambda work: work.ai_calls.open([call]))
        assert [row.status for row in await self.rows(store)] == ["ok"]
        assert await self.money(store, call.run_id) == (TENTH, 3, TENTH, 3)

    async def test_the_same_call_twice_counts_once(self, store: Persistence) -> None:
        def write(work: UnitOfWork) -> AICallRecord:
            call = ended(call_of(add_running(work), work))
            work.ai_calls.close([call, call])
            work.ai_calls.close([call._replace(cost=Decimal(9))])
            return call

        call = await self.do(store, write)
        await self.do(store, lambda work: work.ai_calls.close([call._replace(cost=Decimal(9))]))
        assert [row.cost for row in await self.rows(store)] == [TENTH]
        assert await self.money(store, call.run_id or "") == (TENTH, 3, TENTH, 3)

    async def test_money_goes_to_the_attempt_that_spent_it(self, store: Persistence) -> None:
        """The row of a stage is the current attempt's; the one before is archived with what it cost."""

        def retry(work: UnitOfWork) -> RunRecord:
            run = add_running(work)
            work.ai_calls.close([ended(call_of(run, work))])
            (stage,) = work.stages.of_run(run.id)
            work.stages.archive([stage._replace(status=StageStatus.FAILED)])
            work.stages.save([stage._replace(attempt=2)])
            late = ended(call_of(run, work))
            work.ai_calls.close([late, ended(call_of(run, work, attempt=2), cost=Decimal(1))])
            return run

        run = await self.do(store, retry)
        assert await self.money(store, run.id) == (Decimal("1.2"), 9, Decimal(1), 3)
        attempts = await store.read(lambda reads: reads.attempts(run.id))
        assert [(one.attempt, one.cost) for one in attempts] == [(1, Decimal("0.2"))]
        spent = await self.do(store, lambda work: work.ai_calls.spent_by_stage(run.id, "step"))
        assert spent == Decimal("1.2")

    async def test_an_unknown_price_adds_nothing_but_its_tokens(self, store: Persistence) -> None:
        def write(work: UnitOfWork) -> RunRecord:
            run = add_running(work)
            work.ai_calls.close([ended(call_of(run, work), cost=None)])
            return run

        run = await self.do(store, write)
        assert (await self.money(store, run.id))[1] == 3
        assert await store.read(lambda reads: reads.unpriced_runs([run.id])) == {run.id}

    async def test_what_is_open_can_be_interrupted_and_still_end(self, store: Persistence) -> None:
        def begin(work: UnitOfWork) -> list[AICallRecord]:
            run = add_running(work)
            calls = [call_of(run, work) for _ in range(3)] + [call_of(None, work)]
            work.ai_calls.open(calls)
            work.ai_calls.close([ended(calls[0])])
            return calls

        calls = await self.do(store, begin)
        first = calls[1]
        await self.do(store, lambda work: work.ai_calls.interrupt([calls[0].id, first.id]))
        statuses = {row.id: row.status for row in await self.rows(store)}
        assert [statuses[one.id] for one in calls] == ["ok", "interrupted", "open", "open"]
        assert first.run_id is not None
        of_first = (first.run_id, "step", 1)
        await self.do(store, lambda work: work.ai_calls.interrupt_attempts([of_first, ("none", "step", 1)]))
        later = timedelta(seconds=1)
        assert await self.do(store, lambda work: work.ai_calls.interrupt_orphans(work.now + later)) == 1
        assert [row.status for row in await self.rows(store) if row.status == "open"] == []
        await self.do(store, lambda work: work.ai_calls.close([ended(first)]))
        assert (await self.money(store, first.run_id))[:2] == (2 * TENTH, 6)

    async def test_the_open_calls_of_a_run_are_interrupted_together(self, store: Persistence) -> None:
        def begin(work: UnitOfWork) -> None:
            runs = [add_running(work), add_running(work)]
            work.ai_calls.open([call_of(run, work) for run in runs])
            work.ai_calls.interrupt_runs([runs[0].id])

        await self.do(store, begin)
        assert sorted(row.status for row in await self.rows(store)) == ["interrupted", "open"]

    async def test_limits_are_the_last_that_was_said(self, store: Persistence) -> None:
        def say(work: UnitOfWork) -> tuple[str, dict[tuple[str, str], Decimal | None]]:
            run = add_running(work)
            work.ai_calls.allow(run.id, "", TENTH)
            work.ai_calls.allow(run.id, "", Decimal(2))
            work.ai_calls.allow(run.id, "step", None)
            return run.id, work.ai_calls.limits([run.id, "nobody"])

        run_id, limits = await self.do(store, say)
        assert limits == {(run_id, ""): Decimal(2), (run_id, "step"): None}
        assert await store.read(lambda reads: reads.limits(run_id)) == {"": Decimal(2), "step": None}

    async def test_spending_is_summed_from_a_moment_on(self, store: Persistence) -> None:
        def spend(work: UnitOfWork) -> list[Decimal]:
            run = add_running(work)
            before = work.now - timedelta(days=1)
            calls = [call_of(run, work), call_of(None, work), call_of(run, work, created_at=before)]
            work.ai_calls.close([ended(call) for call in calls])
            since = work.now - timedelta(hours=1)
            return [
                work.ai_calls.spent_since(since, None),
                work.ai_calls.spent_since(since, run.workflow_id),
                work.ai_calls.spent_since(since, "other"),
                work.ai_calls.spent_since(before, None),
            ]

        assert await self.do(store, spend) == [2 * TENTH, TENTH, 0, 3 * TENTH]

    async def test_words_are_forgotten_the_oldest_first(self, store: Persistence) -> None:
        def write(work: UnitOfWork) -> None:
            for days in (3, 2, 1):
                at = work.now - timedelta(days=days)
                work.ai_calls.close([ended(call_of(None, work), created_at=at, prompt="p", response="r", answer='"r"')])

        await self.do(store, write)
        cut = timedelta(days=1, hours=12)
        assert await self.do(store, lambda work: work.ai_calls.forget_texts(work.now - cut, 1)) == 1
        assert [row.prompt for row in await self.rows(store)] == [None, "p", "p"]
        assert await self.do(store, lambda work: work.ai_calls.forget_texts(work.now - cut, 9)) == 1
        assert await self.do(store, lambda work: work.ai_calls.forget_texts(work.now - cut, 9)) == 0
        assert [(row.answer, row.cost) for row in await self.rows(store)] == [
            (None, TENTH),
            (None, TENTH),
            ('"r"', TENTH),
        ]

    async def test_an_answer_is_recalled_by_its_request(self, store: Persistence) -> None:
        def write(work: UnitOfWork) -> list[AICallRecord]:
            run, other = add_running(work), add_running(work)
            asked = {"request_key": "key", "answer": '"a"'}
            calls = [
                ended(call_of(run, work, **asked)),
                ended(call_of(run, work, **asked)),
                ended(call_of(other, work, **asked)),
                ended(call_of(other, work, **asked, reused=True)),
                ended(call_of(other, work, request_key="key")),
                call_of(other, work, **asked),
                ended(call_of(other, work, request_key="another", answer='"b"')),
            ]
            later = [call._replace(created_at=work.now + timedelta(seconds=at)) for at, call in enumerate(calls)]
            work.ai_calls.close([call for call in later if call.status == "ok"])
            work.ai_calls.open(later)
            return later

        calls = await self.do(store, write)
        run_id = calls[0].run_id
        assert run_id is not None
        assert await store.read(lambda reads: reads.recall("key", None)) == calls[2]
        assert await store.read(lambda reads: reads.recall("key", run_id)) == calls[1]
        assert await store.read(lambda reads: reads.recall("nobody asked", None)) is None
        assert await store.read(lambda reads: reads.answers("key", run_id, "step", 2)) == calls[:2]
        assert await store.read(lambda reads: reads.answers("key", run_id, "step", 1)) == []
        assert await store.read(lambda reads: reads.answers("key", run_id, "other", 2)) == []

    async def test_calls_are_found_one_by_one_and_by_run(self, store: Persistence) -> None:
        def write(work: UnitOfWork) -> list[AICallRecord]:
            run = add_running(work)
            calls = [
                ended(call_of(run, work, batch_id="b")),
                ended(call_of(run, work, reused=True)),
                call_of(run, work),
            ]
            work.ai_calls.close(calls[:2])
            work.ai_calls.open([calls[2]])
            return calls

        calls = await self.do(store, write)
        run_id = calls[0].run_id or ""
        assert await store.read(lambda reads: reads.ai_call(calls[0].id)) == calls[0]
        assert await store.read(lambda reads: reads.ai_call("nobody's")) is None
        assert await store.read(lambda reads: reads.recorded("b")) == {calls[0].id}
        assert await store.read(lambda reads: reads.recorded("c")) == set()
        assert [one.id for one in await store.read(lambda reads: reads.open_calls(run_id))] == [calls[2].id]
        paid = await store.read(lambda reads: reads.calls_of_run(run_id))
        assert {one.id for one in paid} == {calls[0].id, calls[2].id}

    async def test_what_a_stage_cost_when_it_completed(self, store: Persistence) -> None:
        def write(work: UnitOfWork) -> None:
            run = add_running(work)
            work.ai_calls.close([ended(call_of(run, work)), ended(call_of(run, work), cost=None)])
            (stage,) = work.stages.of_run(run.id)
            work.stages.save([stage._replace(status=StageStatus.COMPLETED)])
            add_running(work)

        await self.do(store, write)
        found = await store.read(lambda reads: reads.stage_prices(WORKFLOW, ["step", "other"], 10))
        assert found == [StagePrice("step", 1, TENTH, 1), StagePrice("other", 0, Decimal(0), 0)]
