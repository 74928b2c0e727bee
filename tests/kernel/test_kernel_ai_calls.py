"""AI calls in the store: a row each, and the money of runs, stages and attempts is theirs."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from kernel_driver import LEASE, Drive, Driver
from kernel_workflows import AnyContext, batch, flow, given, step
from stub_ai import CENT, StubAI, StubOpener

from engine import Completion, FailStage, NonRetryable, RerunFrom, Suspend
from engine.errors import StoreUnavailable
from engine.inspector import AICallView
from engine.kernel.call_log import CallLog, Owner
from engine.model.criteria import PageRequest, RunFilter
from engine.model.ids import new_id

EVERY_CALL = PageRequest(limit=1000, sort="created_at")


def ai(ctx: AnyContext) -> StubAI:
    found: Any = ctx.ai
    return found


def asking(*prompts: str, **options: Any) -> Callable[[AnyContext], Any]:
    async def act(ctx: AnyContext) -> list[str]:
        return [await ai(ctx).ask(prompt, **options) for prompt in prompts]

    return act


async def calls(d: Driver, run_id: str | None = None, **wanted: Any) -> list[AICallView]:
    return list((await d.inspector.ai_calls(run_id, page=EVERY_CALL, **wanted)).items)


async def test_a_call_is_a_row_before_and_after_its_answer(drive: Drive) -> None:
    opener = StubOpener()
    opener.gate = asyncio.Event()
    d = drive(flow(step("one", asking("why?"))), ai=opener)
    run_id = await d.begun()
    claimed = await d.take_one()
    body = asyncio.create_task(d.carry_out(claimed))
    while not opener.opened:
        await asyncio.sleep(0)
    (row,) = await calls(d, run_id)
    assert (row.status, row.cost, row.stage_id, row.attempt, row.prompt) == ("open", None, "one", 1, "why?")
    run = await d.run(run_id)
    assert run.total_cost == 0, "a call under way has no unknown price"
    opener.gate.set()
    delivery = await body
    (row,) = await calls(d, run_id)
    assert (row.status, row.cost, row.response, row.input_tokens) == ("ok", CENT, "yes", 10)
    assert row.topic == f"workflow.{run_id}.stage.one"
    live = await d.run(run_id)
    assert (live.status, live.total_cost, live.total_tokens) == ("RUNNING", CENT, 15)
    assert (live.stages[0].cost, live.stages[0].tokens) == (CENT, 15)
    assert await d.settle(delivery) == ["completed"]
    assert (await d.run(run_id)).total_cost == CENT


async def test_an_unknown_price_is_never_nothing(drive: Drive) -> None:
    async def act(ctx: AnyContext) -> None:
        await ai(ctx).ask("cheap")
        await ai(ctx).ask("who knows", cost=None)

    d = drive(flow(step("one", act), step("two", asking("more"))), ai=StubOpener())
    run = await d.through()
    assert run.total_cost is None
    assert [stage.cost for stage in run.stages] == [None, CENT]
    assert run.total_tokens == 45
    (row,) = (await d.inspector.costs("run")).items
    assert (row.cost, row.unpriced, row.calls) == (2 * CENT, 1, 3)


async def test_d12_a_retry_and_a_rerun_add(drive: Drive) -> None:
    async def act(ctx: AnyContext) -> str:
        await ai(ctx).ask("once")
        if ctx.attempt == 1:
            raise RuntimeError("not yet")
        return await ai(ctx).ask("twice")

    d = drive(flow(step("one", act), step("two", asking("a", "b"))), ai=StubOpener())
    run_id = await d.create()
    run = await d.exhaust(run_id)
    assert (run.status, run.total_cost, run.total_tokens) == ("COMPLETED", 5 * CENT, 75)
    one = run.stages[0]
    assert [(attempt.cost, attempt.wasted) for attempt in one.attempts] == [(CENT, CENT), (2 * CENT, 0)]
    assert (one.cost, one.tokens) == (2 * CENT, 30)
    await d.dispatch(RerunFrom(run_id=run_id, from_stage_id="two"))
    assert (await d.run(run_id)).total_cost == 5 * CENT
    await d.drain()
    again = await d.run(run_id)
    assert again.total_cost == 7 * CENT
    assert [(attempt.cost, attempt.wasted) for attempt in again.stages[1].attempts] == [
        (2 * CENT, 2 * CENT),
        (2 * CENT, 0),
    ]
    (row,) = (await d.inspector.costs("workflow")).items
    assert (row.cost, row.wasted) == (7 * CENT, 3 * CENT)


async def test_what_failed_is_wasted_while_its_retry_waits_too(drive: Drive) -> None:
    async def act(ctx: AnyContext) -> None:
        await ai(ctx).ask("once")
        raise RuntimeError("not yet")

    d = drive(flow(step("one", act)), ai=StubOpener())
    await d.through()
    (row,) = (await d.inspector.costs("stage")).items
    assert (row.cost, row.wasted) == (CENT, CENT)


async def test_calls_of_a_lost_lease_and_of_a_cancelled_run_are_money_too(drive: Drive) -> None:
    d = drive(flow(step("one", asking("why?"))), ai=StubOpener())
    run_id = await d.begun()
    late = await d.carry_out(await d.take_one("w1"))
    d.clock.advance(LEASE)
    await d.reap()
    assert await d.settle(late) == ["ghost"]
    assert (await d.run(run_id)).total_cost == CENT
    second = await d.take_one()
    await d.cancel(run_id)
    log = CallLog(d.kernel.desk, Owner(run_id, "flow", "one", second.job.attempt))
    call = StubAI("t", log, StubOpener(), reuse=False).a_call("too late", status="ok", cost=CENT, input_tokens=1)
    await log.close(call)
    run = await d.run(run_id)
    assert (run.status, run.total_cost) == ("CANCELLED", 2 * CENT)
    (row,) = (await d.inspector.costs("run")).items
    assert row.wasted == 2 * CENT
    assert [attempt.wasted for attempt in run.stages[0].attempts] == [CENT, CENT]


async def test_a_call_whose_worker_died_is_interrupted_and_its_cost_unknown(drive: Drive) -> None:
    d = drive(flow(step("one", asking("why?"))), ai=StubOpener())
    run_id = await d.begun()
    claimed = await d.crash("w1")
    log = CallLog(d.kernel.desk, Owner(run_id, "flow", "one", claimed.job.attempt))
    await log.open(StubAI("t", log, StubOpener(), reuse=False).a_call("never answered"))
    await d.reap()
    (row,) = await calls(d, run_id)
    assert (row.status, row.cost) == ("interrupted", None)
    assert (await d.run(run_id)).total_cost is None
    (summed,) = (await d.inspector.costs("run")).items
    assert (summed.unpriced, summed.failed) == (1, 1)


async def test_a_call_cut_off_with_its_body_is_interrupted(drive: Drive) -> None:
    async def act(ctx: AnyContext) -> None:
        log = ai(ctx).log
        await log.open(ai(ctx).a_call("forgotten"))
        raise NonRetryable("gave up")

    d = drive(flow(step("one", act)), ai=StubOpener())
    run = await d.through()
    await d.kernel.calls.flush()
    assert [row.status for row in await calls(d, run.id)] == ["interrupted"]


async def test_a_call_under_way_when_its_worker_stops_is_interrupted(drive: Drive) -> None:
    opener = StubOpener()
    opener.gate = asyncio.Event()
    d = drive(flow(step("one", asking("why?"))), ai=opener)
    run_id = await d.begun()
    stopped = asyncio.create_task(d.kernel.carry_out(await d.take_one(), LEASE))
    while not opener.opened:
        await asyncio.sleep(0)
    stopped.cancel()
    delivery = await stopped
    assert delivery is not None
    assert await d.settle(delivery) == ["given-back"]
    assert [row.status for row in await calls(d, run_id)] == ["interrupted"]


async def test_the_same_id_twice_is_one_row_and_counts_once(drive: Drive) -> None:
    async def act(ctx: AnyContext) -> None:
        log = ai(ctx).log
        call = ai(ctx).a_call("why?", status="ok", cost=CENT, input_tokens=3, output_tokens=4)
        await log.close(call, call)
        await log.close(call._replace(cost=5 * CENT))
        await log.open(call)

    d = drive(flow(step("one", act)), ai=StubOpener())
    run = await d.through()
    assert [(row.status, row.cost) for row in await calls(d, run.id)] == [("ok", CENT)]
    assert (run.total_cost, run.total_tokens) == (CENT, 7)


async def test_what_the_store_could_not_take_comes_with_the_outcome(
    drive: Drive, monkeypatch: pytest.MonkeyPatch
) -> None:
    d = drive(flow(step("one", asking("why?"))), ai=StubOpener())
    store = d.kernel.persistence
    submit = store.submit

    def down(*_: Any, **__: Any) -> Any:
        raise StoreUnavailable("no database")

    run_id = await d.begun()
    claimed = await d.take_one()
    monkeypatch.setattr(store, "submit", down)
    delivery = await d.carry_out(claimed)
    assert len(d.kernel.calls.unwritten()) == 1
    monkeypatch.setattr(store, "submit", submit)
    assert await calls(d, run_id) == []
    assert await d.settle(delivery) == ["completed"]
    assert d.kernel.calls.unwritten() == []
    run = await d.run(run_id)
    assert (run.total_cost, [row.status for row in await calls(d, run_id)]) == (CENT, ["ok"])


async def test_a_check_asks_too(drive: Drive) -> None:
    async def check(_: Any, ctx: AnyContext) -> Completion[Any]:
        return Completion.ready(await ai(ctx).ask("done?"))

    d = drive(flow(batch("one", check)), ai=StubOpener())
    run_id = await d.begun()
    await d.drain()
    d.clock.advance(LEASE)
    await d.poll()
    run = await d.run(run_id)
    assert (run.output, run.total_cost, run.stages[0].cost) == ("yes", CENT, CENT)


async def test_a_call_of_a_poller_that_died_is_interrupted_by_the_next(drive: Drive) -> None:
    d = drive(flow(batch("one")), ai=StubOpener())
    run_id = await d.begun()
    await d.drain()
    log = CallLog(d.kernel.desk, Owner(run_id, "flow", "one", 1))
    await log.open(StubAI("t", log, StubOpener(), reuse=False).a_call("half a check"))
    d.clock.advance(LEASE)
    await d.poll()
    assert [row.status for row in await calls(d, run_id)] == ["interrupted"]


async def test_a_call_of_no_run_that_nobody_ends_is_interrupted_in_the_end(drive: Drive) -> None:
    d = drive(flow(step("one", given)), ai=StubOpener())
    log = CallLog(d.kernel.desk)
    await log.open(StubAI("tools", log, StubOpener(), reuse=False).a_call("why?"))
    await d.reap()
    assert [row.status for row in await calls(d)] == ["open"]
    d.clock.advance(timedelta(hours=7))
    await d.reap()
    assert [row.status for row in await calls(d)] == ["interrupted"]


async def test_runs_are_found_by_the_models_they_asked(drive: Drive) -> None:
    d = drive(flow(step("one", asking("why?"))), flow(step("one", given), id="quiet"), ai=StubOpener())
    run = await d.through()
    await d.through("quiet")
    for wanted, found in ((("stub/small", "x"), [run.id]), (("stub",), [])):
        assert [one.id for one in (await d.inspector.runs(RunFilter(model=wanted))).items] == found


async def test_explain_names_the_model_that_is_waited_for(drive: Drive) -> None:
    opener = StubOpener()
    opener.gate = asyncio.Event()
    d = drive(flow(step("one", asking("why?"))), ai=opener)
    run_id = await d.begun()
    body = asyncio.create_task(d.carry_out(await d.take_one()))
    while not opener.opened:
        await asyncio.sleep(0)
    found = await d.inspector.explain(run_id)
    assert (found.code, found.facts["open_ai_calls"]) == ("executing", 1)
    assert found.facts["ai_call"]["model"] == "stub/small"
    assert "It asks stub/small for" in found.summary
    opener.gate.set()
    await d.settle(await body)


async def test_a_plain_body_asks_through_block_on(drive: Drive) -> None:
    d = drive(flow(step("one", lambda ctx: ctx.block_on(ai(ctx).ask("why?")), plain=True)), ai=StubOpener())
    assert (await d.through()).total_cost == CENT


async def test_a_stage_given_up_keeps_its_money(drive: Drive) -> None:
    async def act(ctx: AnyContext) -> Suspend:
        await ai(ctx).ask("start")
        return Suspend(state={})

    d = drive(flow(batch("one", submit=act)), ai=StubOpener())
    run = await d.through()
    await d.dispatch(FailStage(run_id=run.id, stage_id="one", reason="enough"))
    (row,) = (await d.inspector.costs("stage")).items
    assert (row.cost, row.wasted) == (CENT, CENT)


async def test_d13_a_runs_money_is_the_sum_of_its_calls_whatever_happens(drive: Drive) -> None:
    """Retries, ghosts, reaps, reruns and cancels in any order."""
    draw = random.Random(7)

    async def act(ctx: AnyContext) -> None:
        for number in range(draw.randrange(4)):
            await ai(ctx).ask(f"{number}", cost=draw.choice([CENT, Decimal("0.000000123"), Decimal(0)]))
        if draw.random() < 0.4:
            raise RuntimeError("unlucky")

    d = drive(flow(step("one", act), [step("two", act), step("three", act)]), ai=StubOpener())
    ids = [await d.create() for _ in range(4)]
    for _ in range(40):
        choice = draw.random()
        if choice < 0.2 and (taken := await d.take("w1")):
            late = await d.carry_out(taken[0])
            d.clock.advance(LEASE * 2)
            await d.reap()
            await d.settle(late)
        elif choice < 0.3:
            await d.cancel(draw.choice(ids))
        elif choice < 0.5:
            chosen = await d.run(draw.choice(ids))
            if chosen.status in ("FAILED", "COMPLETED", "CANCELLED") and chosen.stages:
                await d.dispatch(RerunFrom(run_id=chosen.id, from_stage_id="one"))
        else:
            await d.drain()
            d.clock.advance(LEASE)
        rows = await calls(d)
        for run_id in ids:
            run = await d.run(run_id)
            assert run.total_cost == sum(row.cost or 0 for row in rows if row.run_id == run_id)
            attempts = [one for stage in run.stages for one in stage.attempts]
            if run.stages and all(one.status not in ("PENDING",) for one in run.stages):
                assert run.total_cost >= sum(one.cost or 0 for one in attempts)
    assert len(rows) > 20
    assert await d.sql("SELECT count(*) FROM ai_calls WHERE status = 'open'") == [(0,)]


async def test_money_of_a_removed_run_is_not_lost(drive: Drive) -> None:
    d = drive(flow(step("one", given)), ai=StubOpener())
    log = CallLog(d.kernel.desk, Owner(new_id(), "flow", "one", 1))
    call = StubAI("workflow.gone.stage.one", log, StubOpener(), reuse=False).a_call("why?", status="ok", cost=CENT)
    await log.close(call)
    (row,) = await calls(d)
    assert (row.run_id, row.workflow_id, row.cost) == (None, "flow", CENT)
