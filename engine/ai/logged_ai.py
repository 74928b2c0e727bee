"""`ctx.ai`: requests out of a stage body's words, answers as results, a row for every call."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any, TypeVar

from engine.ai.batches import RecordedBatch
from engine.ai.directory import Found, Providers
from engine.ai.json_answers import AskedObject, problems_with
from engine.ai.kept_answers import text_in, vectors_in
from engine.ai.ledger import Ledger
from engine.ai.requests import options_for, text_request
from engine.ai.streams import RecordedStream
from engine.ai.tools import Toolbox
from engine.definition.ai import (
    AIBatch,
    Cache,
    EmbedResult,
    ObjectResult,
    Prompt,
    Reasoning,
    TextResult,
    TextStream,
    Tool,
    ToolChoice,
)
from engine.errors import AIBadResponse
from engine.model.json import Json, clean_text
from engine.model.records import AICallRecord
from engine.ports.ai_providers import EmbedAnswer, EmbedRequest, TextAnswer, TextRequest, Turn

T = TypeVar("T")
R = TypeVar("R")

MOST_PROBLEMS = 2_000


class LoggedAI:
    """`engine.definition.context.AIHelper` over the providers and a log of calls."""

    def __init__(self, topic: str, ledger: Ledger, providers: Providers, cache: Cache = "off") -> None:
        self._topic = topic
        self._ledger = ledger
        self._providers = providers
        self._cache: Cache = cache

    @property
    def topic(self) -> str:
        return self._topic

    def child(self, segment: str) -> LoggedAI:
        return LoggedAI(f"{self._topic}.{segment}", self._ledger, self._providers, self._cache)

    async def settle(self) -> None:
        """When its body is over: close the streams it left open, and see that every call is noted."""
        await self._ledger.settle()

    async def generate_text(
        self,
        model: str,
        prompt: Prompt,
        *,
        system: str | None = None,
        temperature: float | None = 0.7,
        max_tokens: int | None = None,
        tools: Sequence[Tool] | None = None,
        tool_choice: ToolChoice = "auto",
        max_steps: int = 8,
        reasoning: Reasoning | None = None,
        stop: str | Sequence[str] | None = None,
        provider_options: Mapping[str, Json] | None = None,
        timeout: float | None = None,
        cache: Cache | None = None,
    ) -> TextResult:
        found = self._providers.find(model)
        toolbox = Toolbox(tools or ())
        request = replace(
            text_request(
                found.model, prompt, system=system, temperature=temperature, max_tokens=max_tokens, stop=stop,
                reasoning=reasoning, options=self._options(found, provider_options), timeout=timeout,
            ),
            tools=toolbox.specs,
            tool_choice=tool_choice,
        )  # fmt: skip
        turns: list[AICallRecord] = []
        while True:
            answer, _ = await self._ask(found, request, "text", cache, lambda answer: None, turns)
            if not answer.calls or not toolbox.specs or len(turns) >= max_steps:
                return _text_result(answer, turns)
            outcomes = await toolbox.carry_out(answer.calls)
            request = replace(
                request,
                turns=(*request.turns, _assistant(answer), Turn("user", outcomes=outcomes)),
                # Whoever has to call a tool would call it for ever.
                tool_choice="auto",
            )

    async def generate_object(
        self,
        model: str,
        prompt: Prompt,
        schema: type[T],
        *,
        system: str | None = None,
        temperature: float | None = 0.0,
        max_tokens: int | None = None,
        reasoning: Reasoning | None = None,
        provider_options: Mapping[str, Json] | None = None,
        timeout: float | None = None,
        cache: Cache | None = None,
    ) -> ObjectResult[T]:
        found = self._providers.find(model)
        asked = AskedObject(schema)
        request = replace(
            text_request(
                found.model, prompt, system=system, temperature=temperature, max_tokens=max_tokens,
                reasoning=reasoning, options=self._options(found, provider_options), timeout=timeout,
            ),
            schema=asked.json_schema,
        )  # fmt: skip
        turns: list[AICallRecord] = []
        reader = _ObjectReader(found.provider, asked)
        try:
            answer, value = await self._ask(found, request, "object", cache, reader, turns)
        except AIBadResponse:
            if reader.misfit is None:
                raise
            again = f"That does not fit: {reader.problems}\nAnswer again, whole, with the JSON alone."
            more = (_assistant(reader.misfit), Turn("user", (again,)))
            request = replace(request, turns=(*request.turns, *more))
            answer, value = await self._ask(found, request, "object", cache, reader, turns)
        return ObjectResult(**vars(_text_result(answer, turns)), object=value)

    def stream_text(
        self,
        model: str,
        prompt: Prompt,
        *,
        system: str | None = None,
        temperature: float | None = 0.7,
        max_tokens: int | None = None,
        reasoning: Reasoning | None = None,
        stop: str | Sequence[str] | None = None,
        provider_options: Mapping[str, Json] | None = None,
        timeout: float | None = None,
        cache: Cache | None = None,
    ) -> TextStream:
        found = self._providers.find(model)
        request = text_request(
            found.model, prompt, system=system, temperature=temperature, max_tokens=max_tokens, stop=stop,
            reasoning=reasoning, options=self._options(found, provider_options), timeout=timeout,
        )  # fmt: skip
        ledger, topic, used = self._ledger, self._topic, cache or self._cache
        stream = RecordedStream(
            lambda: ledger.begin("stream", topic, found, request, used),
            lambda: found.adapter.stream(request),
            lambda answer, record: _text_result(answer, [record]),
        )
        ledger.streams.add(stream)
        return stream

    async def embed(
        self,
        model: str,
        texts: str | Sequence[str],
        *,
        dimensions: int | None = None,
        provider_options: Mapping[str, Json] | None = None,
        timeout: float | None = None,
        cache: Cache | None = None,
    ) -> EmbedResult:
        found = self._providers.find(model)
        many = (texts,) if isinstance(texts, str) else tuple(texts)
        if not many:
            return EmbedResult(embeddings=[], cost=Decimal(0))
        options = self._options(found, provider_options)
        request = EmbedRequest(found.model, many, dimensions, options, timeout)
        call = self._ledger.begin("embed", self._topic, found, request, cache or self._cache)
        answer, record, _ = await self._ledger.call(
            call, vectors_in, lambda: found.adapter.embed(request), lambda answer: _as_many(answer, len(many))
        )
        return EmbedResult(
            embeddings=[list(vector) for vector in answer.vectors],
            input_tokens=record.input_tokens,
            cost=record.cost,
            call_id=record.id,
            model=record.answered_by or found.model,
            reused=record.reused,
        )

    def batch(self, model: str) -> AIBatch:
        return RecordedBatch(self._providers.find(model), self._ledger, self._topic, self._providers.names())

    def _options(self, found: Found, options: Mapping[str, Json] | None) -> dict[str, Json]:
        return options_for(found.provider, options, self._providers.names())

    async def _ask(
        self,
        found: Found,
        request: TextRequest,
        call_type: str,
        cache: Cache | None,
        check: Callable[[TextAnswer], R],
        turns: list[AICallRecord],
    ) -> tuple[TextAnswer, R]:
        """One call; its row is added to `turns`, however it ended."""
        call = self._ledger.begin(call_type, self._topic, found, request, cache or self._cache)
        try:
            answer, _, checked = await self._ledger.call(call, text_in, lambda: found.adapter.generate(request), check)
            return answer, checked
        finally:
            if call.ended is not None:
                turns.append(call.ended)


class _ObjectReader:
    """Reads the asked object out of an answer, and keeps what is wrong with one that has none."""

    def __init__(self, provider: str, asked: AskedObject) -> None:
        self._provider = provider
        self._asked = asked
        self.misfit: TextAnswer | None = None
        """An answer that another turn may mend."""
        self.problems = ""

    def __call__(self, answer: TextAnswer) -> Any:
        self.misfit = None
        if answer.finish_reason == "length":
            raise AIBadResponse("the answer was cut off: it needs more max_tokens", provider=self._provider)
        if answer.finish_reason == "content_filter":
            said = clean_text(answer.text)[:MOST_PROBLEMS]
            raise AIBadResponse(f"the answer was refused: {said}", provider=self._provider)
        try:
            return self._asked.read(answer.text)
        except (ValueError, RecursionError) as error:
            self.misfit, self.problems = answer, problems_with(error)
            raise AIBadResponse(f"not the object asked for: {self.problems}", provider=self._provider) from error


def _assistant(answer: TextAnswer) -> Turn:
    return Turn("assistant", (answer.text,) if answer.text else (), answer.calls, echo=answer.echo)


def _as_many(answer: EmbedAnswer, texts: int) -> None:
    if len(answer.vectors) != texts:
        raise AIBadResponse(f"{len(answer.vectors)} vectors for {texts} texts")


def _text_result(answer: TextAnswer, turns: Sequence[AICallRecord]) -> TextResult:
    """The last answer with what all turns used."""
    costs = [turn.cost for turn in turns]
    return TextResult(
        text=clean_text(answer.text),
        input_tokens=sum(turn.input_tokens for turn in turns),
        output_tokens=sum(turn.output_tokens for turn in turns),
        cached_tokens=sum(turn.cached_tokens for turn in turns),
        cost=None if None in costs else sum((cost for cost in costs if cost is not None), Decimal(0)),
        reasoning=clean_text(answer.reasoning) if answer.reasoning else None,
        finish_reason=answer.finish_reason,
        call_id=turns[-1].id,
        call_ids=tuple(turn.id for turn in turns),
        model=answer.answered_by or turns[-1].model,
        reused=turns[-1].reused,
    )
