"""`offline/extractive`: answers picked from the prompt itself. No network, no key, no model, the same every time.

`offline/demo` is the same at prices made up for demonstrations. Nobody is billed for either.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Sequence

from engine.ai.extractive import answer, parted, value_of, vector
from engine.ai.providers import offline_batches
from engine.definition.ai import BatchStatus
from engine.errors import UnknownModel
from engine.ports.ai_providers import BatchAnswer, EmbedAnswer, EmbedRequest, Piece, TextAnswer, TextRequest, Usage

MODELS = ("extractive", "demo")
DIMENSIONS = 256
_PIECE = re.compile(r"\s*\S+|\s+")


class OfflineProvider:
    """`engine.ports.ai_providers.BatchProvider` without any provider. A batch is done as soon as it is handed in."""

    async def generate(self, request: TextRequest) -> TextAnswer:
        _check(request.model)
        prompt = "\n\n".join(part for part in request.turns[0].parts if isinstance(part, str))
        if request.schema is not None:
            said = json.dumps(value_of(request.schema, parted(prompt)[1]), ensure_ascii=False)
        else:
            said = answer(prompt)
        words = _PIECE.findall(said)
        cut = request.max_tokens is not None and len(words) > request.max_tokens
        text = "".join(words[: request.max_tokens]) if cut else said
        usage = Usage(tokens(prompt) + tokens(request.system or ""), tokens(text))
        return TextAnswer(text, usage, "length" if cut else "stop", f"offline/{request.model}")

    async def stream(self, request: TextRequest) -> AsyncIterator[Piece | TextAnswer]:
        whole = await self.generate(request)
        for word in _PIECE.findall(whole.text):
            yield Piece(word)
        yield whole

    async def embed(self, request: EmbedRequest) -> EmbedAnswer:
        _check(request.model)
        vectors = tuple(vector(text, request.dimensions or DIMENSIONS) for text in request.texts)
        return EmbedAnswer(vectors, Usage(sum(map(tokens, request.texts))), f"offline/{request.model}")

    async def submit(self, requests: Sequence[tuple[str, TextRequest]]) -> BatchStatus:
        answers: list[tuple[str, TextAnswer | str]] = []
        for id, request in requests:
            try:
                answers.append((id, await self.generate(request)))
            except UnknownModel as error:
                answers.append((id, str(error)))
        batch_id = await asyncio.to_thread(offline_batches.keep, answers)
        return BatchStatus(id=batch_id, status="completed", provider="offline", total=len(answers), done=len(answers))

    async def batch(self, model: str, batch_id: str) -> BatchStatus:
        there = await asyncio.to_thread(offline_batches.is_kept, batch_id)
        error = None if there else "it is gone: batches are kept for two days"
        return BatchStatus(id=batch_id, status="completed" if there else "failed", provider="offline", error=error)

    async def collect(self, model: str, batch_id: str) -> Sequence[BatchAnswer]:
        return await asyncio.to_thread(offline_batches.fetched, batch_id)


def tokens(text: str) -> int:
    """About as many as a model would count."""
    return (len(text) + 3) // 4


def _check(model: str) -> None:
    if model not in MODELS:
        raise UnknownModel(f"offline/{model}", [f"offline/{one}" for one in MODELS])
