"""A stage around a batch: it hands the requests in, waits as long as it takes, and collects each answer once."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeAlias

from engine.definition.ai import BatchItem, BatchRequest
from engine.definition.context import StageContext
from engine.definition.retry import RetryPolicy
from engine.definition.signature import UNSAID, read_signature
from engine.definition.stage import Estimator, Stage, async_batch_stage
from engine.definition.suspension import Completion, Suspend
from engine.errors import AIBadResponse, DefinitionError
from engine.model.json import Json

Context: TypeAlias = StageContext[Any, Any]

_SUBMITTED = "ai-batch"


def ai_batch_stage(
    *,
    id: str,
    model: str | Callable[[Context], str],
    requests: Callable[[Context], Any],
    collect: Callable[[list[BatchItem], Context], Any],
    schema: Any = None,
    name: str | None = None,
    description: str | None = None,
    input: Any = None,  # noqa: A002
    output: Any = None,
    config: Any = None,
    poll_every: timedelta = timedelta(minutes=1),
    max_wait: timedelta = timedelta(hours=24),
    dependencies: Iterable[Stage[Any, Any, Any] | str] = (),
    retry: RetryPolicy | None = None,
    estimate_cost: Estimator | None = None,
) -> Stage[Any, Any, Any]:
    """A stage that sends what `requests(ctx)` gives as one batch and makes its output with `collect(items, ctx)`.

    Both may be plain or async. `model` is a name or a function of the context. The stage's schemas come from the
    annotations of `requests` (`StageContext[Input, Config]`) and of `collect` (what it returns), or from `input`,
    `config` and `output`. With `schema` every answer is an object of it. Items come in the order of the requests;
    failed ones are for `collect` to judge. Without requests there is no batch. A delivery that comes again takes up the
    batch that was handed in before. Raises `DefinitionError`.
    """
    declared = read_signature(requests, {})
    work = _BatchWork(model, requests, collect, schema, poll_every, max_wait)
    made: Stage[Any, Any, Any] = async_batch_stage(
        id=id,
        name=name,
        description=description if description is not None else (inspect.getdoc(requests) or "").partition("\n")[0],
        input=declared.input if input is None and declared.input is not UNSAID else input,
        config=declared.config if config is None and declared.config is not UNSAID else config,
        output=_returned(collect, id) if output is None else output,
        dependencies=dependencies,
        retry=retry,
        estimate_cost=estimate_cost,
    )(work.execute)
    made.check_completion(work.check)
    return made


@dataclass(frozen=True, slots=True)
class _BatchWork:
    """The two halves of the stage: before the wait and after it."""

    model: str | Callable[[Context], str]
    requests: Callable[[Context], Any]
    collect: Callable[[list[BatchItem], Context], Any]
    schema: Any
    poll_every: timedelta
    max_wait: timedelta

    async def execute(self, ctx: Context) -> Any:
        state = await _handed_in(ctx)
        if state is None:
            wanted: Sequence[BatchRequest | str] = await _awaited(self.requests(ctx))
            if not wanted:
                return await _awaited(self.collect([], ctx))
            state = await self._hand_in(ctx, wanted)
        return Suspend(state=state, poll_every=self.poll_every, max_wait=self.max_wait)

    async def _hand_in(self, ctx: Context, wanted: Sequence[BatchRequest | str]) -> Json:
        asked = [_with_schema(one, self.schema, number) for number, one in enumerate(wanted, start=1)]
        used = self.model if isinstance(self.model, str) else self.model(ctx)
        status = await ctx.ai.batch(used).submit(asked)
        state = {
            "model": used,
            "batch_id": status.id,
            "ids": [one.id for one in asked],
            "own_schemas": any(not isinstance(one, str) and one.schema is not None for one in wanted),
        }
        # Kept before the suspension is: a worker that dies between the two doesn't pay for a second batch.
        await ctx.storage.put(_key(ctx), state)
        return state

    async def check(self, state: Json, ctx: Context) -> Completion[Any]:
        batch = ctx.ai.batch(state["model"])
        status = await batch.status(state["batch_id"])
        if not status.ended:
            return Completion.waiting()
        schemas = _schemas(await _awaited(self.requests(ctx))) if state["own_schemas"] else {}
        try:
            items = await batch.results(status, schema=self.schema, schemas=schemas)
        except AIBadResponse as error:
            # Whoever retries the stage wants a new batch, not to be told of this one again.
            await ctx.storage.delete(_key(ctx))
            return Completion.failed(str(error))
        place = {item: number for number, item in enumerate(state["ids"])}
        items.sort(key=lambda item: place.get(item.id, len(place)))
        return Completion.ready(await _awaited(self.collect(items, ctx)))


async def _handed_in(ctx: Context) -> Json | None:
    """What an earlier delivery of the same round handed in."""
    return await ctx.storage.get(_key(ctx)) if await ctx.storage.has(_key(ctx)) else None


def _key(ctx: Context) -> str:
    return f"{_SUBMITTED}/{ctx.idempotency_key}"


def _with_schema(one: BatchRequest | str, schema: Any, number: int) -> BatchRequest:
    asked = BatchRequest(prompt=one) if isinstance(one, str) else one
    return BatchRequest(
        **{**vars(asked), "id": asked.id or f"request-{number}", "schema": asked.schema if schema is None else schema}
    )


def _schemas(wanted: Sequence[BatchRequest | str]) -> dict[str, Any]:
    asked = [_with_schema(one, None, number) for number, one in enumerate(wanted, start=1)]
    return {one.id: one.schema for one in asked if one.schema is not None}


async def _awaited(value: Any) -> Any:
    return await value if inspect.isawaitable(value) else value


def _returned(collect: Callable[..., Any], id: str) -> Any:
    try:
        hints = typing.get_type_hints(collect, include_extras=True)
    except (NameError, TypeError) as error:
        raise DefinitionError(f"stage {id!r}: the annotations of collect can't be resolved: {error}") from error
    if "return" not in hints:
        raise DefinitionError(f"stage {id!r}: declare what collect returns, by its annotation or by output=")
    return hints["return"]
