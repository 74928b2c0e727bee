"""A run put together again from its events, on runs that really happened."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from pydantic import BaseModel

from engine import (
    CancelRun,
    Completion,
    CreateRun,
    NonRetryable,
    RerunFrom,
    RetryFailed,
    RetryPolicy,
    StageContext,
    Suspend,
    WorkflowBuilder,
    async_batch_stage,
    stage,
)
from engine.hosts import ServerlessHost
from engine.inspector import EventView, Inspector, RunDetail, RunStatus, StageStatus
from engine.testing import FakeClock, make_kernel
from wfconsole.run_past import as_of

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
ONCE = RetryPolicy(max_attempts=2, initial_delay=timedelta(seconds=10), jitter=False)


class Number(BaseModel):
    n: int


class Asked(BaseModel):
    fail_until: int = 0


@stage(id="first", retry=ONCE)
async def first(ctx: StageContext[Number, Asked]) -> Number:
    ctx.progress(0.5, "half way")
    if ctx.attempt <= ctx.config.fail_until:
        raise ConnectionError(f"attempt {ctx.attempt}")
    return ctx.input


@stage(id="left")
async def left(ctx: StageContext[Number, Asked]) -> Number:
    return ctx.input


@async_batch_stage(id="right")
async def right(ctx: StageContext[Number, Asked]) -> Number | Suspend:
    return Suspend(state={"batch_id": "b1"}, poll_every=timedelta(seconds=30), max_wait=timedelta(hours=1))


@right.check_completion
async def ready(state: object, ctx: StageContext[Number, Asked]) -> Completion[Number]:
    return Completion.ready(Number(n=2))


@stage(id="last")
async def last(ctx: StageContext[dict[str, Number], Asked]) -> Number:
    if ctx.config.fail_until:
        raise NonRetryable("refused")
    return Number(n=3)


FLOW = WorkflowBuilder("flow", "Flow", input=Number).pipe(first).parallel([left, right]).pipe(last).build()


class Recorded:
    """A run driven step by step; after each step what the inspector said, by the last event's sequence."""

    def __init__(self) -> None:
        self.clock = FakeClock(START)
        self.kernel = make_kernel([FLOW], clock=self.clock)
        self.inspector: Inspector = self.kernel.inspector
        self.host = ServerlessHost(self.kernel, "w")
        self.seen: dict[int, RunDetail] = {}
        self.run_id = ""

    async def create(self, fail_until: int = 0, last_fails: bool = False) -> None:
        config = {"first": {"fail_until": fail_until}, "last": {"fail_until": int(last_fails)}}
        command = CreateRun(idempotency_key="k", workflow_id="flow", input={"n": 1}, config=config)
        self.run_id = (await self.kernel.dispatch(command)).run_id
        await self.look()

    async def look(self) -> None:
        events = await self.events()
        self.seen[events[-1].sequence] = await self.inspector.run(self.run_id)

    async def events(self) -> list[EventView]:
        return list((await self.inspector.events(self.run_id)).items)

    async def step(self, advance: float = 0.0) -> None:
        """One job, or one tick where none is due."""
        self.clock.advance(timedelta(seconds=1 + advance))
        if not (await self.host.process_available_jobs()).processed:
            await self.host.run_maintenance_tick()
        await self.look()

    async def check(self) -> None:
        events, final = await self.events(), await self.inspector.run(self.run_id)
        assert [event.sequence for event in events] == list(range(1, len(events) + 1))
        for sequence, then in self.seen.items():
            past = as_of(final, events, sequence)
            known = {stage.stage_id for stage in final.stages}
            assert told(past, known) == told(then, known), f"after event {sequence}"
        await self.kernel.close()


def told(run: RunDetail, known: set[str]) -> tuple[object, ...]:
    """All that events tell; of a stage that a rerun took away the attempts stand nowhere until it is reached again."""
    stages = [
        (
            stage.stage_id,
            stage.status,
            stage.attempt,
            stage.tries,
            stage.error if stage.status in (StageStatus.FAILED, StageStatus.PENDING) else None,
            stage.retry_at,
            stage.started_at if stage.status is not StageStatus.PENDING else None,
            stage.completed_at,
            [(one.attempt, one.status, one.completed_at) for one in stage.attempts if stage.stage_id in known],
        )
        for stage in run.stages
    ]
    whole = (run.status, run.waiting, run.started_at, run.completed_at, run.error, run.current_stages, run.output)
    return *whole, stages


async def test_r27_every_moment_of_a_run_that_retries_waits_and_ends() -> None:
    recorded = Recorded()
    await recorded.create(fail_until=1)
    for advance in (0, 0, 20, 0, 0, 60, 0, 60, 0):
        await recorded.step(advance)
    assert recorded.seen[max(recorded.seen)].status is RunStatus.COMPLETED
    assert len(recorded.seen) >= 7
    await recorded.check()


async def test_r27_a_failed_run_retried_then_rerun_then_cancelled() -> None:
    recorded = Recorded()
    await recorded.create(last_fails=True)
    for advance in (0, 0, 0, 60, 60, 0):
        await recorded.step(advance)
    assert recorded.seen[max(recorded.seen)].status is RunStatus.FAILED
    await recorded.kernel.dispatch(RetryFailed(run_id=recorded.run_id))
    await recorded.step()
    await recorded.step()
    await recorded.kernel.dispatch(RerunFrom(run_id=recorded.run_id, from_stage_id="left"))
    await recorded.step()
    await recorded.kernel.dispatch(CancelRun(run_id=recorded.run_id))
    await recorded.look()
    assert recorded.seen[max(recorded.seen)].status is RunStatus.CANCELLED
    await recorded.check()


async def test_r27_the_first_event_shows_a_run_that_nobody_took_and_values_come_with_their_attempt() -> None:
    recorded = Recorded()
    await recorded.create()
    for advance in (0, 0, 0, 60, 60, 0):
        await recorded.step(advance)
    events, final = await recorded.events(), await recorded.inspector.run(recorded.run_id)
    nothing = as_of(final, events, 0)
    assert (nothing.status, nothing.stages, nothing.output, nothing.started_at) == (RunStatus.PENDING, [], None, None)
    halfway = next(event.sequence for event in events if event.type == "stage:progress")
    then = as_of(final, events, halfway).stages[0]
    assert (then.progress, then.progress_message, then.output) == (0.5, "half way", None)
    assert as_of(final, events, 10_000).stages[0].output == {"n": 1}
    await recorded.kernel.close()
