"""What `engine.ports.ai_providers.AIProvider` and `BatchProvider` promise, with whatever stands behind them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from engine.errors import AIError
from engine.ports.ai_providers import AIProvider, BatchProvider, EmbedRequest, Piece, TextAnswer, TextRequest, Turn

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "people": {"type": "integer"}},
    "required": ["name", "people"],
    "additionalProperties": False,
}
TEXTS = ("A lamp is lit.", "Boats float on water.", "Rocks don't.")


def request_of(model: str, prompt: str = "Summarise:\n\nA lamp is lit. It shines.", **fields: Any) -> TextRequest:
    return TextRequest(model, (Turn("user", (prompt,)),), **fields)


def check_answer(answer: TextAnswer) -> None:
    """Sound by itself: parts are no larger than the whole."""
    assert isinstance(answer.text, str)
    assert answer.finish_reason
    assert answer.cost is None or answer.cost >= 0
    usage = answer.usage
    if usage is not None:
        assert usage.cached_tokens >= 0 <= usage.cache_write_tokens
        assert usage.cached_tokens + usage.cache_write_tokens <= usage.input_tokens
        assert 0 <= usage.reasoning_tokens <= usage.output_tokens


class ProviderPromises:
    """Needs the fixtures `provider`: an `AIProvider` that can be asked for real, `model`: the name of one of its models
    as it knows it, and `refused`: a request it refuses."""

    async def test_a_request_has_one_answer(self, provider: AIProvider, model: str) -> None:
        answer = await provider.generate(request_of(model))
        assert answer.text
        check_answer(answer)

    async def test_an_object_that_is_asked_for_comes_as_json(self, provider: AIProvider, model: str) -> None:
        answer = await provider.generate(request_of(model, "name: Ulm\npeople: 127000", schema=SCHEMA))
        found = json.loads(answer.text)
        assert isinstance(found, dict)
        assert isinstance(found["name"], str)
        assert isinstance(found["people"], int)

    async def test_a_stream_gives_pieces_and_last_of_all_the_whole(self, provider: AIProvider, model: str) -> None:
        *pieces, whole = [one async for one in provider.stream(request_of(model))]
        assert isinstance(whole, TextAnswer)
        check_answer(whole)
        assert pieces
        assert "".join(piece.text for piece in pieces if isinstance(piece, Piece)) == whole.text
        assert not any(isinstance(piece, TextAnswer) for piece in pieces)

    async def test_each_text_has_its_vector_in_their_order(self, provider: AIProvider, model: str) -> None:
        together = await provider.embed(EmbedRequest(model, TEXTS))
        assert len(together.vectors) == len(TEXTS)
        assert len({len(vector) for vector in together.vectors}) == 1
        for text, vector in zip(TEXTS, together.vectors, strict=True):
            alone = await provider.embed(EmbedRequest(model, (text,)))
            assert list(alone.vectors[0]) == pytest.approx(list(vector))

    async def test_vectors_are_as_long_as_asked_for(self, provider: AIProvider, model: str) -> None:
        answer = await provider.embed(EmbedRequest(model, TEXTS[:1], dimensions=8))
        assert [len(vector) for vector in answer.vectors] == [8]

    async def test_a_refusal_is_an_error_of_ours(self, provider: AIProvider, refused: TextRequest) -> None:
        with pytest.raises(AIError):
            await provider.generate(refused)
        with pytest.raises(AIError):
            [one async for one in provider.stream(refused)]


class BatchProviderPromises:
    """Needs the fixtures `provider`: a `BatchProvider` whose batches are done when they are looked for, `model`: the
    name of one of its models, and `refused`: a request it refuses."""

    async def test_a_batch_is_known_by_its_id(self, provider: BatchProvider, model: str) -> None:
        first, second = [await provider.submit([("a", request_of(model))]) for _ in range(2)]
        assert first.id
        assert first.id != second.id
        status = await provider.batch(model, first.id)
        assert (status.id, status.status, status.error) == (first.id, "completed", None)

    async def test_every_request_has_its_result(self, provider: BatchProvider, model: str) -> None:
        prompts = {f"id {number}": f"Summarise:\n\n{text}" for number, text in enumerate(TEXTS)}
        handed_in = await provider.submit([(id, request_of(model, prompt)) for id, prompt in prompts.items()])
        results = await provider.collect(model, handed_in.id)
        assert sorted(result.id for result in results) == sorted(prompts)
        for result in results:
            assert result.error is None
            assert result.answer is not None
            check_answer(result.answer)
            alone = await provider.generate(request_of(model, prompts[result.id]))
            assert result.answer.text == alone.text

    async def test_results_can_be_fetched_again(self, provider: BatchProvider, model: str) -> None:
        handed_in = await provider.submit([("a", request_of(model))])
        first, again = [list(await provider.collect(model, handed_in.id)) for _ in range(2)]
        assert first == again

    async def test_a_request_that_is_refused_fails_alone(
        self, provider: BatchProvider, model: str, refused: TextRequest
    ) -> None:
        handed_in = await provider.submit([("good", request_of(model)), ("bad", refused)])
        results = {result.id: result for result in await provider.collect(model, handed_in.id)}
        assert results["good"].answer is not None
        assert results["bad"].answer is None
        assert results["bad"].error
