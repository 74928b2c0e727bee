"""How a text is asked for over HTTP, whoever is asked: at once, or as a stream that is gathered as it comes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping
from typing import ClassVar

from engine.ai.endpoint import Endpoint
from engine.ai.http import Ask, Wire
from engine.ai.providers.adapting import Sign, ask_acceptably, begun, closed, guessed_tokens, used_tokens
from engine.model.json import Json
from engine.ports.ai_providers import Piece, TextAnswer, TextRequest, Usage


class Gathering(ABC):
    """A streamed answer, as far as it came. `take` keeps what the events say besides text."""

    def __init__(self, provider: str) -> None:
        self.provider = provider
        self.usage: Usage | None = None
        self.model: str | None = None
        self.finish: str | None = None
        """Why it ended, in our words; None before the end."""
        self._texts: list[str] = []
        self._thoughts: list[str] = []

    @abstractmethod
    def take(self, event: Json) -> Piece | None:
        """The text in the event, if there is any."""

    def piece(self, text: str, thought: str) -> Piece | None:
        """Keep a piece of the answer."""
        self._texts.append(text)
        self._thoughts.append(thought)
        return Piece(text, thought) if text or thought else None

    def answer(self) -> TextAnswer | None:
        """None when the stream ended too early."""
        if self.finish is None:
            return None
        thoughts = "".join(self._thoughts) or None
        return TextAnswer("".join(self._texts), self.usage, self.finish, self.model, thoughts)


class ProviderOverHttp(ABC):
    """The half of `engine.ports.ai_providers.AIProvider` that is the same for all; subclasses speak the dialect."""

    SIGNS: ClassVar[Mapping[str, Sign]]
    """What tells that a model refuses one of our ways to ask."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._wire = Wire(endpoint)

    @property
    def name(self) -> str:
        return self._endpoint.provider

    @abstractmethod
    def ask_for(self, request: TextRequest, without: frozenset[str], *, stream: bool = False) -> Ask:
        """The request as it is sent, `without` the ways that were refused."""

    @abstractmethod
    def read(self, found: Json) -> TextAnswer:
        """An answer in the provider's own form."""

    @abstractmethod
    def gathering(self) -> Gathering:
        """For the events of a new stream."""

    async def generate(self, request: TextRequest) -> TextAnswer:
        async def ask(without: frozenset[str]) -> Json:
            return await self._wire.json(self.ask_for(request, without))

        answer = self.read(await ask_acceptably(self.name, request.model, self.SIGNS, ask))
        self._correct(request, answer)
        return answer

    async def stream(self, request: TextRequest) -> AsyncIterator[Piece | TextAnswer]:
        async def begin(without: frozenset[str]) -> AsyncIterator[Json]:
            return await begun(self._wire.events(self.ask_for(request, without, stream=True)))

        events = await ask_acceptably(self.name, request.model, self.SIGNS, begin)
        gathering = self.gathering()
        try:
            async for event in events:
                if piece := gathering.take(event):
                    yield piece
        finally:
            await closed(events)
        if answer := gathering.answer():
            self._correct(request, answer)
            yield answer

    def _correct(self, request: TextRequest, answer: TextAnswer) -> None:
        guess = guessed_tokens(request)
        self._wire.correct(guess, used_tokens(answer, guess))
