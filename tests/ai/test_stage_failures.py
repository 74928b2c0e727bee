"""What an AI error does to the stage it is raised in."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from engine import (
    AIAuthError,
    AIBadRequest,
    AIBadResponse,
    AIError,
    AIRateLimited,
    AIUnavailable,
    BudgetExceeded,
    CreateRun,
    NoConfig,
    NoInput,
    RetryPolicy,
    StageContext,
    UnknownModel,
    WorkflowBuilder,
    stage,
)
from engine.hosts import ServerlessHost
from engine.inspector import RunDetail
from engine.testing import make_kernel

RAISED: list[AIError] = []


@stage(id="ask", retry=RetryPolicy(max_attempts=2))
async def ask(ctx: StageContext[NoInput, NoConfig]) -> str:
    raise RAISED[-1]


asking = WorkflowBuilder("asking", "Asking", input=NoInput).pipe(ask).build()


async def run_that_raises(error: AIError) -> RunDetail:
    RAISED.append(error)
    kernel = make_kernel([asking])
    try:
        created = await kernel.dispatch(CreateRun(idempotency_key="k", workflow_id="asking", input={}))
        host = ServerlessHost(kernel, "w")
        await host.run_maintenance_tick()
        await host.process_available_jobs()
        return await kernel.inspector.run(created.run_id)
    finally:
        await kernel.close()


@pytest.mark.parametrize(
    "error",
    [
        AIAuthError("no key", provider="openai"),
        AIBadRequest("too long", provider="openai", status=400),
        UnknownModel("opnai/x", ["openai/x"]),
        BudgetExceeded("run r", Decimal(1), Decimal(2)),
    ],
)
async def test_what_would_fail_again_fails_the_stage_at_once(error: AIError) -> None:
    run = await run_that_raises(error)
    assert (run.status, run.error_code) == ("FAILED", type(error).__name__)
    assert run.error == f"{type(error).__name__}: {error}"


@pytest.mark.parametrize("error", [AIRateLimited("busy", status=429), AIUnavailable("down"), AIBadResponse("no JSON")])
async def test_what_may_pass_is_retried_under_its_name(error: AIError) -> None:
    run = await run_that_raises(error)
    assert run.status == "RUNNING"
    (stage_view,) = run.stages
    assert stage_view.retry_at is not None
    assert (stage_view.error_code, stage_view.error) == (type(error).__name__, f"{type(error).__name__}: {error}")


@pytest.mark.parametrize("seconds", [300, 1e300, float("inf")])
async def test_a_provider_that_asks_for_time_gets_it(seconds: float) -> None:
    run = await run_that_raises(AIRateLimited("busy", status=429, retry_after=seconds))
    (stage_view,) = run.stages
    assert stage_view.retry_at is not None
    assert stage_view.started_at is not None
    assert timedelta(minutes=5) <= stage_view.retry_at - stage_view.started_at <= timedelta(minutes=61)
