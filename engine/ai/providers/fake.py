"""A provider for tests: it answers what it was told to, and remembers what it was asked."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal, TypeAlias

from pydantic import BaseModel

from engine.ai.extractive import value_of, vector
from engine.definition.ai import BatchStatus
from engine.ports.ai_providers import BatchAnswer, EmbedAnswer, EmbedRequest, Piece, TextAnswer, TextRequest, Usage

Response: TypeAlias = Any
"""Text; an object, as JSON; a whole `TextAnswer`; an exception to raise; or a function from the prompt to one."""

Kind = Literal["text", "stream", "embed", "batch"]


@dataclass(frozen=True, slots=True)
class FakeCall:
    """One call as the provider saw it."""

    kind: Kind
    model: str
    prompt: str
    request: TextRequest | EmbedRequest


class FakeAIProvider:
    """`engine.ports.ai_providers.BatchProvider` for tests.

    `responses` maps a piece of the prompt, or a compiled pattern, to what is answered; the first that fits counts, and
    `default` where none does (an object that was asked for is made up). Each answer uses `input_tokens` and
    `output_tokens` and costs `cost`; None leaves the price to the price list. `latency` is seconds.
    """

    def __init__(
        self,
        responses: Mapping[str | re.Pattern[str], Response] | None = None,
        *,
        default: Response = "fake answer",
        input_tokens: int = 10,
        output_tokens: int = 20,
        cost: Decimal | None = Decimal("0.001"),
        latency: float = 0.0,
    ) -> None:
        self._responses: list[tuple[str | re.Pattern[str], Response]] = list((responses or {}).items())
        self._failures: list[Exception] = []
        self._batches: dict[str, list[BatchAnswer]] = {}
        self.default = default
        self.usage = Usage(input_tokens, output_tokens)
        self.cost = cost
        self.latency = latency
        self.batch_status: Literal["pending", "processing", "completed", "failed"] = "completed"
        """What every batch says of itself."""
        self.calls: list[FakeCall] = []

    def respond(self, pattern: str | re.Pattern[str], response: Response) -> None:
        """From now on, before all others."""
        self._responses.insert(0, (pattern, response))

    def fail(self, error: Exception, times: int = 1) -> None:
        """The next calls raise this."""
        self._failures += [error] * times

    def calls_of(self, kind: Kind | None = None, model: str | None = None) -> list[FakeCall]:
        return [one for one in self.calls if kind in (None, one.kind) and model in (None, one.model)]

    def reset(self) -> None:
        """Forget calls, failures and responses."""
        self.calls.clear()
        self._failures.clear()
        self._responses.clear()

    async def generate(self, request: TextRequest) -> TextAnswer:
        return await self._answer("text", request)

    async def stream(self, request: TextRequest) -> AsyncIterator[Piece | TextAnswer]:
        whole = await self._answer("stream", request)
        for word in re.findall(r"\s*\S+", whole.text):
            yield Piece(word)
        yield whole

    async def embed(self, request: EmbedRequest) -> EmbedAnswer:
        await self._called("embed", request, "\n".join(request.texts))
        vectors = tuple(vector(text, request.dimensions or 16) for text in request.texts)
        return EmbedAnswer(vectors, Usage(self.usage.input_tokens), request.model, self.cost)

    async def submit(self, requests: Sequence[tuple[str, TextRequest]]) -> BatchStatus:
        answers = []
        for id, request in requests:
            try:
                answers.append(BatchAnswer(id, await self._answer("batch", request)))
            except Exception as error:
                answers.append(BatchAnswer(id, error=str(error)))
        batch_id = f"fake-batch-{len(self._batches) + 1}"
        self._batches[batch_id] = answers
        return BatchStatus(id=batch_id, status="pending", provider="fake", total=len(answers), done=0)

    async def batch(self, model: str, batch_id: str) -> BatchStatus:
        return BatchStatus(id=batch_id, status=self.batch_status, provider="fake")

    async def collect(self, model: str, batch_id: str) -> Sequence[BatchAnswer]:
        return [] if self.batch_status == "failed" else self._batches[batch_id]

    async def _called(self, kind: Kind, request: TextRequest | EmbedRequest, prompt: str) -> None:
        self.calls.append(FakeCall(kind, request.model, prompt, request))
        if self.latency:
            await asyncio.sleep(self.latency)
        if self._failures:
            raise self._failures.pop(0)

    async def _answer(self, kind: Kind, request: TextRequest) -> TextAnswer:
        prompt = "\n".join(part for turn in request.turns for part in turn.parts if isinstance(part, str))
        await self._called(kind, request, prompt)
        response = next((said for pattern, said in self._responses if _fits(pattern, prompt)), None)
        if response is None:
            response = self.default if request.schema is None else value_of(request.schema, prompt)
        if callable(response) and not isinstance(response, type):
            response = response(prompt)
        if isinstance(response, BaseException):
            raise response
        if isinstance(response, TextAnswer):
            return response
        return TextAnswer(_text(response), self.usage, answered_by=request.model, cost=self.cost)


def _fits(pattern: str | re.Pattern[str], prompt: str) -> bool:
    return pattern in prompt if isinstance(pattern, str) else pattern.search(prompt) is not None


def _text(response: object) -> str:
    if isinstance(response, str):
        return response
    return response.model_dump_json() if isinstance(response, BaseModel) else json.dumps(response, default=str)
