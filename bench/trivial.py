"""The workflow that is measured: three stages that do nothing, so that everything seen is the engine."""

from __future__ import annotations

from pydantic import BaseModel

from engine import CreateRun, NoConfig, StageContext, WorkflowBuilder, stage

WORKFLOW_ID = "bench-trivial"


class Step(BaseModel):
    n: int


@stage(id="first")
async def first(ctx: StageContext[Step, NoConfig]) -> Step:
    return Step(n=ctx.input.n + 1)


@stage(id="second")
async def second(ctx: StageContext[Step, NoConfig]) -> Step:
    return Step(n=ctx.input.n + 1)


@stage(id="third")
async def third(ctx: StageContext[Step, NoConfig]) -> Step:
    return Step(n=ctx.input.n + 1)


trivial = WorkflowBuilder(WORKFLOW_ID, "Bench", input=Step).pipe(first).pipe(second).pipe(third).build()


def create(key: str) -> CreateRun:
    """The command for one run; a key makes one run only."""
    return CreateRun(idempotency_key=key, workflow_id=WORKFLOW_ID, input={"n": 0})
