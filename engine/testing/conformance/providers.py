"""What a provider of AI models promises its helper, whoever answers behind it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

from engine.errors import AIBadRequest
from engine.ports.ai_providers import (
    AIProvider,
    BatchProvider,
    EmbedRequest,
    Piece,
    TextAnswer,
    TextRequest,
    Turn,
)

_SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "count": {"type": "integer"}},
    "required": ["name", "count"],
    "additionalProperties": False,
}


def _request(model: str, prompt: str, schema: object = None) -> TextRequest:
    return TextRequest(model, (Turn("user", (prompt,)),), system="Be brief.", max_tokens=200, schema=schema)


async def _closed(stream: AsyncIterator[Piece | TextAnswer]) -> None:
    close = getattr(stream, "aclose", None)
    if close is not None:
        await close()


class ProviderPromises:
    """Fixture: `provider`. `model` names one of its models, `embedding_model` one that embeds; None if none does."""

    model = "any"
    embedding_model: str | None = "any"

    async def test_an_answer_says_who_gave_it_and_what_it_took(self, provider: AIProvider) -> None:
        answer = await provider.generate(_request(self.model, "Name a city."))
        assert answer.text
        assert answer.finish_reason == "stop"
        assert answer.calls == ()
        if answer.usage is not None:
            assert answer.usage.input_tokens >= answer.usage.cached_tokens >= 0
            assert answer.usage.output_tokens >= answer.usage.reasoning_tokens >= 0

    async def test_an_object_is_json_of_the_schema(self, provider: AIProvider) -> None:
        answer = await provider.generate(_request(self.model, "Name a city and count to one.", _SCHEMA))
        found = json.loads(answer.text)
        assert isinstance(found["name"], str)
        assert isinstance(found["count"], int)

    async def test_a_stream_ends_with_the_whole_of_its_pieces(self, provider: AIProvider) -> None:
        came = [one async for one in provider.stream(_request(self.model, "Name a city."))]
        *pieces, whole = came
        assert isinstance(whole, TextAnswer)
        assert "".join(one.text for one in pieces if isinstance(one, Piece)) == whole.text
        assert not any(isinstance(one, TextAnswer) for one in pieces)

    async def test_a_stream_may_be_left_and_another_begun(self, provider: AIProvider) -> None:
        for _ in range(3):
            stream = provider.stream(_request(self.model, "Name a city."))
            assert isinstance(await anext(stream), Piece)
            await _closed(stream)
        assert (await provider.generate(_request(self.model, "Name a city."))).text

    async def test_each_text_has_its_vector_in_its_place(self, provider: AIProvider) -> None:
        request = EmbedRequest(self.embedding_model or self.model, ("one city", "another", "one city"))
        if self.embedding_model is None:
            await _is_refused(provider, request)
            return
        answer = await provider.embed(request)
        first, second, third = answer.vectors
        assert first == third != second
        assert len(first) == len(second)


class BatchProviderPromises(ProviderPromises):
    """As `ProviderPromises`, for a provider that takes batches; here each is done by the second look at the latest."""

    async def test_every_request_of_a_batch_is_answered_under_its_id(self, provider: BatchProvider) -> None:
        asked = [(f"item-{number}", _request(self.model, f"Name city {number}.")) for number in range(3)]
        handed = await provider.submit(asked)
        status = await provider.batch(self.model, handed.id)
        if not status.ended:
            status = await provider.batch(self.model, handed.id)
        assert (status.id, status.status) == (handed.id, "completed")
        answers = await provider.collect(self.model, handed.id)
        assert sorted(answer.id for answer in answers) == [id for id, _ in asked]
        assert all(answer.answer is not None and answer.answer.text and answer.error is None for answer in answers)
        again = await provider.collect(self.model, handed.id)
        assert [answer.id for answer in again] == [answer.id for answer in answers]


async def _is_refused(provider: AIProvider, request: EmbedRequest) -> None:
    try:
        await provider.embed(request)
    except AIBadRequest:
        return
    raise AssertionError("it embeds after all: name its embedding_model")
