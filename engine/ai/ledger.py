"""Every call gets one row, however it ends: opened before it is made, closed when it is over."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, TypeVar
from weakref import WeakSet

from engine.ai.cost import own_prices, price_of
from engine.ai.directory import Found
from engine.ai.kept_answers import kept
from engine.ai.requests import request_key, shown, shown_texts
from engine.definition.ai import Cache
from engine.errors import (
    AIAuthError,
    AIBadRequest,
    AIBadResponse,
    AIError,
    AIRateLimited,
    AIUnavailable,
    EngineError,
    StoreUnavailable,
    UnknownModel,
)
from engine.model.ids import new_id
from engine.model.json import clean_text
from engine.model.records import AICallRecord
from engine.model.redaction import fit_to_write
from engine.ports.ai_calls import AICallLog
from engine.ports.ai_providers import EmbedAnswer, EmbedRequest, TextAnswer, TextRequest, Usage

T = TypeVar("T")
A = TypeVar("A", TextAnswer, EmbedAnswer)

SETTLE_SECONDS = 1.0
_UNPAID = (AIAuthError, AIRateLimited, AIBadRequest, UnknownModel)


class Abandoned(AIError):
    """Whoever read the stream left before its end."""


@dataclass(eq=False)
class Ledger:
    """Where the calls of one helper and its children are noted."""

    log: AICallLog
    calls: set[Call] = field(default_factory=set)
    streams: WeakSet[Any] = field(default_factory=WeakSet)

    def begin(
        self, call_type: str, topic: str, found: Found, request: TextRequest | EmbedRequest, cache: Cache
    ) -> Call:
        """A call that is about to be made; nothing is noted yet."""
        record = AICallRecord(
            id=new_id(),
            topic=topic,
            call_type=call_type,
            model=found.id,
            provider=found.provider,
            created_at=datetime.now(UTC),
            request_key=request_key("embed" if isinstance(request, EmbedRequest) else "text", found.provider, request),
            prompt=shown_texts(request) if isinstance(request, EmbedRequest) else shown(request),
        )
        return Call(self, record, cache)

    async def call(
        self,
        call: Call,
        remember: Callable[[AICallRecord], A | None],
        ask: Callable[[], Awaitable[A]],
        check: Callable[[A], T],
    ) -> tuple[A, AICallRecord, T]:
        """The answer, its row and what `check` makes of it: where that raises, the row says so, and what it cost."""
        await call.open()
        answer: A | None = None
        try:
            answer = await call.recalled(remember)
            if answer is None:
                answer = await ask()
            checked = check(answer)
        except BaseException as error:
            raised = await call.failed(error, answer)
            if raised is error:
                raise
            raise raised from error
        return answer, await call.answered(answer), checked

    async def settle(self) -> None:
        """Close the streams nobody reads any more and wait, for a moment, until what goes on is noted."""
        for stream in list(self.streams):
            await stream.aclose()
        going_on = [call.over.wait() for call in list(self.calls)]
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.gather(*going_on), SETTLE_SECONDS)


@dataclass(eq=False)
class Call:
    """One call on its way to its row."""

    ledger: Ledger
    record: AICallRecord
    cache: Cache
    reused: bool = False
    first_token_ms: int | None = None
    ended: AICallRecord | None = None
    """The row as it was written."""
    over: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self._began = time.monotonic()

    async def open(self) -> None:
        """Raises `BudgetExceeded`: then there is no row."""
        self.ledger.calls.add(self)
        try:
            await self.ledger.log.open(self.record)
        except asyncio.CancelledError as error:
            await self.failed(error, None)
            raise
        except BaseException:
            self._end()
            raise

    async def recalled(self, remember: Callable[[AICallRecord], A | None]) -> A | None:
        """The answer to an equal request, where the cache is on and has one."""
        if self.cache == "off" or self.record.request_key is None:
            return None
        try:
            before = await self.ledger.log.recall(self.record.request_key, self.cache)
        except StoreUnavailable:
            return None
        answer = remember(before) if before is not None and before.status == "ok" else None
        self.reused = answer is not None
        return answer

    def came(self) -> None:
        """The first piece of a stream is there."""
        if self.first_token_ms is None:
            self.first_token_ms = self._so_far()

    async def answered(self, answer: TextAnswer | EmbedAnswer) -> AICallRecord:
        """Note the answer; the row as it was written."""
        return await _to_its_end(self._close(self._of(answer)._replace(status="ok"), answer))

    async def failed(
        self, error: BaseException, answer: TextAnswer | EmbedAnswer | None, so_far: str | None = None
    ) -> BaseException:
        """Note the failure, with what came all the same; the error as it is to be raised."""
        raised = typed(error, self.record.provider)
        code = "Cancelled" if isinstance(raised, asyncio.CancelledError) else type(raised).__name__
        said = "cancelled" if isinstance(raised, asyncio.CancelledError) else str(raised)
        record = self.record if answer is None else self._of(answer)
        record = record._replace(
            status="error",
            error=fit_to_write(said) or code,
            error_code=code,
            cost=_price_of_nothing(raised),
            answer=None,
        )
        if so_far:
            record = record._replace(response=clean_text(so_far))
        await _to_its_end(self._close(record, answer))
        return raised

    def _of(self, answer: TextAnswer | EmbedAnswer) -> AICallRecord:
        usage = answer.usage or Usage()
        record = self.record._replace(
            answered_by=answer.answered_by,
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cached_tokens=usage.cached_tokens,
            reasoning_tokens=usage.reasoning_tokens,
            reused=self.reused,
            answer=kept(answer, wanted=self.cache != "off"),
        )
        if isinstance(answer, EmbedAnswer):
            return record._replace(response=f"[{len(answer.vectors)} vectors]")
        return record._replace(finish_reason=answer.finish_reason, response=clean_text(_said(answer)))

    async def _close(self, record: AICallRecord, answer: TextAnswer | EmbedAnswer | None) -> AICallRecord:
        try:
            if answer is not None:
                record = record._replace(cost=await cost_of(record, answer))
            record = record._replace(latency_ms=self._so_far(), first_token_ms=self.first_token_ms)
            self.ended = record
            await self.ledger.log.close(record)
        finally:
            self._end()
        return record

    def _end(self) -> None:
        self.ledger.calls.discard(self)
        self.over.set()

    def _so_far(self) -> int:
        return round((time.monotonic() - self._began) * 1000)


async def cost_of(record: AICallRecord, answer: TextAnswer | EmbedAnswer, *, batch: bool = False) -> Decimal | None:
    """What the provider says, or what the price list says of the model that was asked or of the one that answered."""
    if answer.cost is not None:
        return answer.cost
    usage = answer.usage
    if usage is None:
        return None

    def price() -> Decimal | None:
        cost = price_of(record.provider, record.model, usage, batch=batch, at=record.created_at)
        if cost is None and record.answered_by:
            cost = price_of(record.provider, record.answered_by, usage, batch=batch, at=record.created_at)
        return cost

    if record.model in own_prices() or "genai_prices.data" in sys.modules:
        return price()
    return await asyncio.to_thread(price)  # the list takes a while to load: the loop goes on meanwhile


def typed(error: BaseException, provider: str) -> BaseException:
    """What a call raises: our own errors as they are, a provider's surprises as ours."""
    if isinstance(error, EngineError) or not isinstance(error, Exception):
        return error
    said = f"{type(error).__name__}: {fit_to_write(str(error))[:500]}"
    if isinstance(error, ValueError | TypeError | LookupError | AttributeError):
        return AIBadResponse(f"the answer can't be read: {said}", provider=provider)
    return AIUnavailable(said, provider=provider)


def _price_of_nothing(error: BaseException) -> Decimal | None:
    """What a call without an answer cost: nothing where the provider refused it, otherwise nobody knows."""
    refused = isinstance(error, _UNPAID) or (
        isinstance(error, AIUnavailable) and (error.status is not None or not error.reached)
    )
    return Decimal(0) if refused else None


def _said(answer: TextAnswer) -> str:
    calls = [f"[calls {call.name}({call.arguments})]" for call in answer.calls]
    return "\n".join(part for part in (answer.text, *calls) if part)


_closing: set[asyncio.Task[Any]] = set()


async def _to_its_end(closing: Coroutine[Any, Any, T]) -> T:
    """Carry it out whole, also when whoever waits for it is cancelled meanwhile."""
    task = asyncio.ensure_future(closing)
    _closing.add(task)
    task.add_done_callback(_closing.discard)
    return await asyncio.shield(task)
