"""Answers that are used again: by a rerun that was told to, and where the cache is on."""

from __future__ import annotations

from decimal import Decimal
from itertools import count
from typing import Any

import pytest
from kernel_driver import Drive, Driver
from kernel_workflows import Acts, AnyContext, flow, step

from engine import Budgets, RerunFrom
from engine.ai import Providers
from engine.ai.opening import HelperOpener
from engine.inspector import AICallView
from engine.model.criteria import PageRequest
from engine.testing import FakeAIProvider

EVERY_CALL = PageRequest(limit=1000, sort="created_at")
PRICE = Decimal("0.001")


class Numbering(FakeAIProvider):
    """Never says the same twice."""

    def __init__(self) -> None:
        numbers = count(1)
        super().__init__(default=lambda *_: f"answer {next(numbers)}")


def asking(*prompts: str, **options: Any) -> Any:
    async def act(ctx: AnyContext) -> list[str]:
        return [(await ctx.ai.generate_text("fake/small", prompt, **options)).text for prompt in prompts]

    return act


def on(provider: FakeAIProvider, cache: Any = "off") -> HelperOpener:
    return HelperOpener(Providers(everything=provider), cache)


async def rows(d: Driver, run_id: str | None = None) -> list[AICallView]:
    return list((await d.inspector.ai_calls(run_id, page=EVERY_CALL)).items)


async def rerun(d: Driver, run_id: str, stage_id: str, **fields: Any) -> Any:
    await d.dispatch(RerunFrom(run_id=run_id, from_stage_id=stage_id, **fields))
    await d.drain()
    return await d.run(run_id)


async def test_a_rerun_answers_from_what_was_recorded(drive: Drive) -> None:
    provider = Numbering()
    d = drive(flow(step("one", asking("a", "b", "a")), step("two", asking("a"))), ai=on(provider))
    run = await d.through()
    first = [stage.output for stage in run.stages]
    assert first == [["answer 1", "answer 2", "answer 3"], ["answer 4"]]
    again = await rerun(d, run.id, "one", reuse_ai=True)
    assert [stage.output for stage in again.stages] == first, "each recorded answer once, in order"
    assert len(provider.calls) == 4
    assert again.total_cost == 4 * PRICE
    reused = [row for row in await rows(d, run.id) if row.reused]
    assert [(row.cost, row.status, row.input_tokens) for row in reused] == [(0, "ok", 0)] * 4
    (summed,) = (await d.inspector.costs("run")).items
    assert (summed.calls, summed.reused, summed.unpriced) == (8, 4, 0)
    third = await rerun(d, run.id, "one", reuse_ai=True)
    assert [stage.output for stage in third.stages] == first
    fresh = await rerun(d, run.id, "two")
    assert (fresh.stages[1].output, len(provider.calls)) == (["answer 5"], 5)


async def test_what_was_not_asked_before_is_asked_and_paid(drive: Drive) -> None:
    provider = Numbering()
    said = Acts(asking("a"), asking("a", "a", "new"))
    d = drive(flow(step("one", said)), ai=on(provider))
    run = await d.through()
    again = await rerun(d, run.id, "one", reuse_ai=True)
    assert again.stages[0].output == ["answer 1", "answer 2", "answer 3"]
    assert again.total_cost == 3 * PRICE


async def test_the_latest_attempts_answers_come_first(drive: Drive) -> None:
    async def act(ctx: AnyContext) -> str:
        text = (await ctx.ai.generate_text("fake/small", "a")).text
        if ctx.attempt == 1:
            raise RuntimeError("not yet")
        return text

    d = drive(flow(step("one", act)), ai=on(Numbering()))
    run_id = await d.create()
    assert (await d.exhaust(run_id)).output == "answer 2"
    assert (await rerun(d, run_id, "one", reuse_ai=True)).output == "answer 2"


async def test_a_retry_within_a_rerun_begins_again_at_the_first_answer(drive: Drive) -> None:
    async def act(ctx: AnyContext) -> str:
        text = (await ctx.ai.generate_text("fake/small", "a")).text
        if ctx.attempt == 2:
            raise RuntimeError("not yet")
        return text

    provider = Numbering()
    d = drive(flow(step("one", act)), ai=on(provider))
    run = await d.through()
    await rerun(d, run.id, "one", reuse_ai=True)
    assert (await d.exhaust(run.id)).output == "answer 1"
    assert len(provider.calls) == 1


async def test_a_spent_budget_pays_no_new_call_but_replays(drive: Drive) -> None:
    d = drive(
        flow(step("one", Acts(asking("a"), asking("a"), asking("a", "b")))),
        ai=on(Numbering()),
        budgets=Budgets(run=PRICE),
    )
    run = await d.through()
    assert (await rerun(d, run.id, "one", reuse_ai=True)).status == "COMPLETED"
    refused = await rerun(d, run.id, "one", reuse_ai=True)
    assert (refused.status, refused.error_code, refused.total_cost) == ("FAILED", "BudgetExceeded", PRICE)


@pytest.mark.parametrize(("cache", "asked"), [("off", 4), ("run", 2), ("global", 1)])
async def test_a_cache_answers_equal_requests(drive: Drive, cache: str, asked: int) -> None:
    provider = Numbering()
    d = drive(flow(step("one", asking("a", "a"))), ai=on(provider, cache))
    first, second = await d.through(), await d.through()
    assert len(provider.calls) == asked
    assert first.total_cost is not None
    assert second.total_cost is not None
    assert first.total_cost + second.total_cost == asked * PRICE
    if cache == "global":
        assert second.output == ["answer 1", "answer 1"]


async def test_a_call_says_for_itself_whether_it_may_be_answered_from_the_cache(drive: Drive) -> None:
    provider = Numbering()
    d = drive(flow(step("one", Acts(asking("a", "a", cache="run"), asking("a", cache="off")))), ai=on(provider))
    assert (await d.through()).output == ["answer 1", "answer 1"]
    assert (await d.through()).output == ["answer 2"]


async def test_what_was_recorded_without_words_is_asked_again(drive: Drive) -> None:
    provider = Numbering()
    d = drive(flow(step("one", asking("a"))), ai=on(provider, "global"), ai_recording="metadata")
    await d.through()
    await d.through()
    assert len(provider.calls) == 2
    assert {(row.prompt, row.response) for row in await rows(d)} == {(None, None)}
