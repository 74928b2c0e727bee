"""Budgets: a warning, then no more calls; whoever may allows more, and the run goes on."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from kernel_driver import Drive, Driver
from kernel_workflows import AnyContext, batch, flow, step
from stub_ai import CENT, StubAI, StubOpener

from engine import AIConfig, BudgetExceeded, Completion, PollNow, RerunFrom, RetryFailed, SetBudget
from engine.kernel.call_log import CallLog
from engine.model.budgets import Budgets


def ai(ctx: AnyContext) -> StubAI:
    found: Any = ctx.ai
    return found


def ask_times(many: int, cost: Decimal = CENT) -> Any:
    async def act(ctx: AnyContext) -> int:
        for number in range(many):
            await ai(ctx).ask(str(number), cost=cost)
        return many

    return act


async def warnings(d: Driver, run_id: str) -> list[str]:
    return [line.message for line in (await d.inspector.logs(run_id, level="WARN")).items][::-1]


async def test_a_run_stops_at_the_first_call_after_its_limit(drive: Drive) -> None:
    opener = StubOpener()
    d = drive(flow(step("one", ask_times(10))), ai=opener, budgets=Budgets(run=5 * CENT))
    run = await d.through()
    assert (run.status, run.error_code, run.total_cost) == ("FAILED", "BudgetExceeded", 5 * CENT)
    assert len(opener.opened) == 5
    assert run.stages[0].tries == 1, "no try helps"
    assert run.error is not None
    assert "the budget of run" in run.error
    assert "0.05 of 0.05" in run.error
    assert await warnings(d, run.id) == [f"the budget of run {run.id} is nearly spent"]
    found = await d.inspector.explain(run.id)
    assert found.code == "budget"
    assert (found.facts["spent"], found.facts["allowed"]) == (5 * CENT, None)
    assert any("budget" in step.cli for step in found.next)


async def test_raising_it_goes_on(drive: Drive) -> None:
    d = drive(flow(step("one", ask_times(4))), ai=StubOpener(), budgets=Budgets(run=2 * CENT))
    run = await d.through()
    assert run.status == "FAILED"
    answer = await d.dispatch(SetBudget(run_id=run.id, max_cost=Decimal("0.04"), reason="worth it"))
    assert (answer.max_cost, answer.spent, answer.released) == (Decimal("0.04"), 2 * CENT, [])
    await d.dispatch(RetryFailed(run_id=run.id))
    await d.drain()
    run = await d.run(run.id)
    assert (run.status, run.total_cost) == ("FAILED", 4 * CENT), "the first attempt's money is spent"
    await d.dispatch(SetBudget(run_id=run.id, max_cost=None))
    await d.dispatch(RetryFailed(run_id=run.id))
    await d.drain()
    run = await d.run(run.id)
    assert (run.status, run.total_cost) == ("COMPLETED", 8 * CENT)
    (last, first) = (await d.inspector.audit(run.id, command="run.setBudget")).items
    assert (first.reason, first.before, first.after) == (
        "worth it",
        {"max_cost": None},
        {"max_cost": "0.04", "released": []},
    )
    assert last.before == {"max_cost": "0.04"}


async def test_a_stage_may_wait_for_an_operator_instead(drive: Drive) -> None:
    budgets = Budgets(run=2 * CENT, on_exceeded="suspend")
    d = drive(flow(step("one", ask_times(3))), ai=StubOpener(), budgets=budgets)
    run = await d.through()
    stage = run.stages[0]
    assert (run.status, stage.status, stage.tries, stage.retry_at) == ("RUNNING", "PENDING", 0, None)
    assert stage.error_code == "BudgetExceeded"
    found = await d.inspector.explain(run.id)
    assert (found.code, found.until, found.facts["stage_id"]) == ("budget", None, "one")
    assert found.summary.startswith("one waits until somebody allows more.")
    d.clock.advance(timedelta(days=300))
    assert await d.drain() == 0
    answer = await d.dispatch(SetBudget(run_id=run.id, max_cost=Decimal(1)))
    assert answer.released == ["one"]
    await d.drain()
    run = await d.run(run.id)
    assert (run.status, run.stages[0].tries, run.stages[0].attempt) == ("COMPLETED", 1, 2)
    assert run.total_cost == 5 * CENT


async def test_what_waits_for_money_can_be_tried_now_and_waits_again(drive: Drive) -> None:
    d = drive(flow(step("one", ask_times(3))), ai=StubOpener(), budgets=Budgets(run=CENT, on_exceeded="suspend"))
    run = await d.through()
    assert (await d.dispatch(PollNow(run_id=run.id))).stages == ["one"]
    assert await d.drain() == 1
    run = await d.run(run.id)
    assert (run.status, run.stages[0].attempt, run.total_cost) == ("RUNNING", 2, CENT)


async def test_a_days_budget_is_there_again_the_next_day(drive: Drive) -> None:
    d = drive(flow(step("one", ask_times(3))), ai=StubOpener(), budgets=Budgets(day=2 * CENT, on_exceeded="suspend"))
    run = await d.through()
    found = await d.inspector.explain(run.id)
    assert found.code == "budget"
    assert found.until is not None
    assert found.until == d.clock.now().replace(hour=0) + timedelta(days=1)
    other = await d.through()
    assert (other.status, other.total_cost) == ("RUNNING", 0)
    d.clock.set(found.until)
    await d.drain()
    assert {(await d.run(one)).total_cost for one in (run.id, other.id)} == {4 * CENT, 0}, "one of them had it all"


async def test_a_workflows_budget_leaves_the_others_alone(drive: Drive) -> None:
    poor, rich = flow(step("one", ask_times(2)), id="poor"), flow(step("one", ask_times(2)), id="rich")
    d = drive(poor, rich, ai=StubOpener(), budgets=Budgets(workflow=2 * CENT))
    assert (await d.through("poor")).status == "COMPLETED"
    assert (await d.through("rich")).status == "COMPLETED"
    refused = await d.through("poor")
    assert refused.error is not None
    assert "workflow poor today" in refused.error


async def test_a_stages_own_max_cost_goes_before_the_settings(drive: Drive) -> None:
    one, two = step("one", ask_times(3), config=AIConfig), step("two", ask_times(3))
    d = drive(flow(one, two), ai=StubOpener(), budgets=Budgets(stage=2 * CENT))
    run = await d.through(config={"one": {"max_cost": "0.03"}})
    assert [stage.status for stage in run.stages] == ["COMPLETED", "FAILED"]
    assert [stage.cost for stage in run.stages] == [3 * CENT, 2 * CENT]
    await d.dispatch(SetBudget(run_id=run.id, stage_id="two", max_cost=Decimal(1)))
    await d.dispatch(RetryFailed(run_id=run.id))
    await d.drain()
    assert (await d.run(run.id)).status == "COMPLETED"
    await d.dispatch(RerunFrom(run_id=run.id, from_stage_id="one"))
    await d.drain()
    again = await d.run(run.id)
    assert again.status == "FAILED"
    assert again.error is not None
    assert "stage one" in again.error, "all its attempts together"


async def test_nothing_may_be_spent_at_all(drive: Drive) -> None:
    opener = StubOpener()
    d = drive(flow(step("one", ask_times(1), config=AIConfig)), ai=opener)
    run = await d.through(config={"one": {"max_cost": 0}})
    assert (run.status, run.error_code, opener.opened) == ("FAILED", "BudgetExceeded", [])


async def test_two_kernels_share_one_purse(drive: Drive, tmp_path: Any) -> None:
    path = tmp_path / "runs.db"
    made = flow(step("one", ask_times(3)))
    one = drive(made, path=path, ai=StubOpener(), budgets=Budgets(day=4 * CENT))
    other = drive(made, path=path, ai=StubOpener(), budgets=Budgets(day=4 * CENT), clock=one.clock)
    assert (await one.through()).status == "COMPLETED"
    refused = await other.through()
    assert (refused.status, refused.total_cost) == ("FAILED", CENT)


async def test_calls_under_way_when_the_limit_is_reached_still_end(drive: Drive) -> None:
    opener = StubOpener()
    opener.gate = asyncio.Event()

    async def act(ctx: AnyContext) -> list[str]:
        together = [asyncio.create_task(ai(ctx).ask(str(number))) for number in range(3)]
        while len(opener.opened) < 3:
            await asyncio.sleep(0)
        assert opener.gate is not None
        opener.gate.set()
        await asyncio.gather(*together)
        return [await ai(ctx).ask("one too many")]

    d = drive(flow(step("one", act)), ai=opener, budgets=Budgets(run=CENT))
    run = await d.through()
    assert (run.status, run.total_cost, len(opener.opened)) == ("FAILED", 3 * CENT, 3)


async def test_a_topic_outside_of_runs_pays_from_the_day(drive: Drive) -> None:
    d = drive(flow(step("one")), ai=StubOpener(), budgets=Budgets(day=CENT))
    helper: Any = CallLog(d.kernel.desk).helper("tools.mine")
    await helper.ask("once")
    with pytest.raises(BudgetExceeded, match="today"):
        await helper.ask("twice")
    (row,) = (await d.inspector.ai_calls(topic="tools")).items
    assert (row.run_id, row.topic, row.cost) == (None, "tools.mine", CENT)


@pytest.mark.parametrize(("on_exceeded", "status"), [("fail", "FAILED"), ("suspend", "SUSPENDED")])
async def test_a_check_without_money_fails_or_goes_on_waiting(drive: Drive, on_exceeded: Any, status: str) -> None:
    async def check(_: Any, ctx: AnyContext) -> Completion[Any]:
        return Completion.ready(await ai(ctx).ask("done?"))

    d = drive(flow(batch("one", check)), ai=StubOpener(), budgets=Budgets(run=Decimal(0), on_exceeded=on_exceeded))
    run_id = await d.begun()
    await d.drain()
    for _ in range(7):
        d.clock.advance(timedelta(minutes=5))
        await d.poll()
    assert (await d.stage(run_id, "one")).status == status
    if on_exceeded == "suspend":
        await d.dispatch(SetBudget(run_id=run_id, max_cost=CENT))
        d.clock.advance(timedelta(minutes=5))
        await d.poll()
        assert (await d.run(run_id)).output == "yes"


async def test_a_batch_is_not_handed_in_once_the_budget_is_spent(drive: Drive) -> None:
    async def act(ctx: AnyContext) -> str:
        await ai(ctx).ask("one", cost=CENT)
        await ai(ctx).log.afford()
        return "handed in"

    d = drive(flow(step("one", act)), ai=StubOpener(), budgets=Budgets(run=CENT))
    run = await d.through()
    assert (run.status, run.error_code) == ("FAILED", "BudgetExceeded")
    rich = drive(flow(step("one", act)), ai=StubOpener(), budgets=Budgets(run=2 * CENT))
    run = await rich.through()
    assert run.output == "handed in"
    assert len((await rich.inspector.ai_calls(run.id)).items) == 1, "to ask leaves no row"


@pytest.mark.parametrize("wrong", [{"run": Decimal(-1)}, {"day": Decimal("NaN")}, {"warn": 0.0}, {"warn": 1.5}])
def test_a_budget_is_an_amount_of_money(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="budget"):
        Budgets(**wrong)
