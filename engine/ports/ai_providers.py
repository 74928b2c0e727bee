"""A provider of AI models, as the helper sees it: requests and answers without any provider's dialect."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal, Protocol

from engine.definition.ai import BatchStatus, Part, Reasoning, ToolChoice
from engine.model.json import Json


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as they are billed: `cached_tokens` (read) and `cache_write_tokens` are part of the input,
    `reasoning_tokens` of the output.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool as the model is told of it; `parameters` is a JSON schema."""

    name: str
    description: str
    parameters: Json


@dataclass(frozen=True, slots=True)
class ToolCall:
    """The model asks for a tool; `arguments` is text as it came, JSON if all is well."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class ToolOutcome:
    """What a tool gave."""

    call: ToolCall
    text: str
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of a conversation.

    A user's has `parts` or `outcomes`; an assistant's `parts`, `calls` and, where the provider wants its own words back
    as they were, `echo`.
    """

    role: Literal["user", "assistant"]
    parts: tuple[Part, ...] = ()
    calls: tuple[ToolCall, ...] = ()
    outcomes: tuple[ToolOutcome, ...] = ()
    echo: Json = None


@dataclass(frozen=True, slots=True)
class TextRequest:
    """What to ask a model. None leaves the choice to the provider.

    `schema` is a JSON schema whose root is an object: the answer's text is to be JSON of it. `options` go into the
    provider's request as they are, over what was made of the other fields.
    """

    model: str
    turns: tuple[Turn, ...]
    system: str | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    tools: tuple[ToolSpec, ...] = ()
    tool_choice: ToolChoice = "auto"
    schema: Json = None
    reasoning: Reasoning | None = None
    options: Mapping[str, Json] = field(default_factory=dict)
    timeout: float | None = None
    """Seconds of silence after which it is given up."""


@dataclass(frozen=True, slots=True)
class TextAnswer:
    """What a model answered; `usage` is None where the provider doesn't say."""

    text: str
    usage: Usage | None = None
    finish_reason: str = "stop"
    answered_by: str | None = None
    reasoning: str | None = None
    calls: tuple[ToolCall, ...] = ()
    echo: Json = None
    cost: Decimal | None = None
    """In US dollars, where the provider says so itself; it wins over the price list."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a streamed answer."""

    text: str = ""
    reasoning: str = ""


@dataclass(frozen=True, slots=True)
class EmbedRequest:
    model: str
    texts: tuple[str, ...]
    dimensions: int | None = None
    options: Mapping[str, Json] = field(default_factory=dict)
    timeout: float | None = None


@dataclass(frozen=True, slots=True)
class EmbedAnswer:
    vectors: tuple[tuple[float, ...], ...]
    usage: Usage | None = None
    answered_by: str | None = None
    cost: Decimal | None = None


@dataclass(frozen=True, slots=True)
class BatchAnswer:
    """What became of one request of a batch: an answer or an error."""

    id: str
    answer: TextAnswer | None = None
    error: str | None = None


class AIProvider(Protocol):
    """Raises the errors of `engine.errors` under `AIError`. Of what else it raises, a `ValueError`, `TypeError`,
    `LookupError` or `AttributeError` counts as an answer that can't be read and the rest as `AIUnavailable`.

    Cancelling a call gives up the request at once.
    """

    async def generate(self, request: TextRequest) -> TextAnswer:
        """One answer: with a `schema`, its text is JSON."""

    def stream(self, request: TextRequest) -> AsyncIterator[Piece | TextAnswer]:
        """The answer in pieces and, last of all, as a whole.

        Without that last one the stream counts as cut off.
        """

    async def embed(self, request: EmbedRequest) -> EmbedAnswer:
        """One vector for each text, in their order, from a single request where the provider takes many."""


class BatchProvider(AIProvider, Protocol):
    """A provider that takes many requests at once and answers them later."""

    async def submit(self, requests: Sequence[tuple[str, TextRequest]]) -> BatchStatus:
        """Hand in requests of one model, each with an id of its own; the batch has another id each time.

        One that the provider refuses fails alone where it can.
        """

    async def batch(self, model: str, batch_id: str) -> BatchStatus:
        """How that batch stands."""

    async def collect(self, model: str, batch_id: str) -> Sequence[BatchAnswer]:
        """What became of each of its requests, once it is completed; as often as it is asked."""
