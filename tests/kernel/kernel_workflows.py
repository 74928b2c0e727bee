"""Small workflows made to order: each stage does what its test tells it to."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from engine import (
    Completion,
    NoConfig,
    RetryPolicy,
    Stage,
    StageContext,
    Suspend,
    Workflow,
    WorkflowBuilder,
    async_batch_stage,
    stage,
)

AnyStage = Stage[Any, Any, Any]
AnyContext = StageContext[Any, Any]
STEADY = RetryPolicy(jitter=False)
"""The default policy without its jitter: pauses of 1 s, 2 s."""


class Acts:
    """A body that does one thing a delivery, the last one again and again: raise it, call it, or return it."""

    def __init__(self, *acts: Any) -> None:
        self.acts = acts
        self.seen: list[AnyContext] = []

    @property
    def calls(self) -> int:
        return len(self.seen)

    def __call__(self, *arguments: Any) -> Any:
        act = self.acts[min(self.calls, len(self.acts) - 1)]
        self.seen.append(arguments[-1])
        if isinstance(act, BaseException):
            raise act
        return act(*arguments) if callable(act) else act


def given(ctx: AnyContext) -> Any:
    """A body that hands its input on."""
    return ctx.input


def step(
    id: str,
    act: Callable[[AnyContext], Any] = given,
    *,
    plain: bool = False,
    input: Any = Any,  # noqa: A002
    output: Any = Any,
    config: Any = NoConfig,
    retry: RetryPolicy = STEADY,
    **options: Any,
) -> AnyStage:
    """A stage whose body is `act`, on the loop or (`plain`) on a thread."""

    async def on_the_loop(ctx: AnyContext) -> Any:
        result = act(ctx)
        return await result if inspect.isawaitable(result) else result

    def on_a_thread(ctx: AnyContext) -> Any:
        return act(ctx)

    make = stage(id=id, input=input, output=output, config=config, retry=retry, **options)
    return make(on_a_thread if plain else on_the_loop)


MINUTE = timedelta(minutes=1)
SUBMITTED = Suspend(state={"batch": "b-1"}, poll_every=MINUTE, max_wait=timedelta(hours=1))


def batch(
    id: str,
    check: Callable[[Any, AnyContext], Any] = lambda state, ctx: Completion.waiting(),
    submit: Any = SUBMITTED,
    *,
    plain_check: bool = False,
    output: Any = Any,
    retry: RetryPolicy = STEADY,
    **options: Any,
) -> AnyStage:
    """An async-batch stage: its body does `submit`, its completion check `check`."""
    act = submit if callable(submit) else Acts(submit)

    async def body(ctx: AnyContext) -> Any:
        result = act(ctx)
        return await result if inspect.isawaitable(result) else result

    async def on_the_loop(state: Any, ctx: AnyContext) -> Any:
        result = check(state, ctx)
        return await result if inspect.isawaitable(result) else result

    def on_a_thread(state: Any, ctx: AnyContext) -> Any:
        return check(state, ctx)

    options.setdefault("config", NoConfig)
    made = async_batch_stage(id=id, input=Any, output=output, retry=retry, **options)(body)
    made.check_completion(on_a_thread if plain_check else on_the_loop)
    return made


def flow(*groups: AnyStage | list[AnyStage], id: str = "flow", input: Any = Any) -> Workflow:  # noqa: A002
    """A workflow of these groups: a stage alone, or a list side by side."""
    builder = WorkflowBuilder(id, id.title(), input=input)
    for group in groups:
        builder = builder.parallel(group) if isinstance(group, list) else builder.pipe(group)
    return builder.build()
