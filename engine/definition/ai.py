"""What is said to AI models and what comes back, as a stage body sees it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Generic, Literal, Protocol, TypeAlias, TypeVar

from engine.model.json import Json

T = TypeVar("T")

Cache: TypeAlias = Literal["off", "run", "global"]
"""Whether an equal request that was answered before is answered so again: never, within the run, or whoever asked."""

Reasoning: TypeAlias = Literal["minimal", "low", "medium", "high"] | int
"""How long a model may think: an effort, or a number of tokens."""

ToolChoice: TypeAlias = str
"""`auto`, `none`, `required`, or the name of the tool to call."""

Tool: TypeAlias = Callable[..., Any]
"""A plain function, sync or async; its name, docstring and annotations tell the model how to call it."""


@dataclass(frozen=True, slots=True)
class ImagePart:
    """A picture in a prompt, by its bytes or by its address."""

    data: bytes | None = None
    url: str | None = None
    media_type: str = "image/png"

    def __post_init__(self) -> None:
        _one_source("a picture", self.data, self.url)


@dataclass(frozen=True, slots=True)
class FilePart:
    """A file in a prompt, such as a PDF, by its bytes or by its address."""

    data: bytes | None = None
    url: str | None = None
    media_type: str = "application/pdf"
    name: str = "file"

    def __post_init__(self) -> None:
        _one_source("a file", self.data, self.url)


def _one_source(what: str, data: bytes | None, url: str | None) -> None:
    if (data is None) == (url is None):
        raise ValueError(f"{what} is given by its data or by its url: one of the two")


Part: TypeAlias = str | ImagePart | FilePart
Prompt: TypeAlias = str | Sequence[Part]


@dataclass(frozen=True, kw_only=True)
class TextResult:
    """An answer. Tokens and cost are those of every call it took; `call_id` names the last.

    `cost` is US dollars, None where a price is unknown. `finish_reason` is `stop`, `length`, `tool_calls` (the limit of
    steps was reached), `content_filter` or the provider's own word. `cached_tokens` are part of `input_tokens`.
    """

    text: str
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    cost: Decimal | None = None
    reasoning: str | None = None
    finish_reason: str = "stop"
    call_id: str = ""
    call_ids: tuple[str, ...] = ()
    model: str = ""
    """The model that answered, in the provider's own words."""
    reused: bool = False
    """Answered from an earlier call: nothing was used or paid."""


@dataclass(frozen=True, kw_only=True)
class ObjectResult(TextResult, Generic[T]):
    """An answer that validated; `text` is what it was read from."""

    object: T


@dataclass(frozen=True, kw_only=True)
class EmbedResult:
    """One vector for each text, in the order of the texts."""

    embeddings: list[list[float]]
    input_tokens: int = 0
    cost: Decimal | None = None
    call_id: str = ""
    model: str = ""
    reused: bool = False


class TextStream(Protocol):
    """An answer as it comes: `async for piece in stream`. One call, noted once, however far it is read."""

    def __aiter__(self) -> AsyncIterator[str]: ...

    async def __anext__(self) -> str: ...

    @property
    def text(self) -> str:
        """What came so far."""

    @property
    def reasoning(self) -> str:
        """What the model thought so far; not part of the text."""

    async def result(self) -> TextResult:
        """Read what is left, then the whole answer with its usage. As often as one likes."""

    async def aclose(self) -> None:
        """Stop it; what came is kept in the call's row."""


@dataclass(frozen=True, kw_only=True)
class BatchRequest:
    """One of a batch's requests. `id` names its result; by default `request-1`, `request-2`, …"""

    prompt: Prompt
    id: str = ""
    system: str | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    schema: Any = None
    """A type: the answer is to be an object of it."""
    reasoning: Reasoning | None = None
    provider_options: Mapping[str, Json] | None = None


@dataclass(frozen=True, kw_only=True)
class BatchStatus:
    """How a batch stands: `pending`, `processing`, `completed` or `failed` (expired and cancelled ones too)."""

    id: str
    status: Literal["pending", "processing", "completed", "failed"]
    provider: str
    error: str | None = None
    total: int | None = None
    done: int | None = None

    @property
    def ended(self) -> bool:
        return self.status in ("completed", "failed")


@dataclass(frozen=True, kw_only=True)
class BatchItem:
    """What became of one request: an answer, or an `error` and nothing else."""

    id: str
    status: Literal["succeeded", "failed"]
    text: str | None = None
    object: Any = None
    error: str | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    cost: Decimal | None = None
    reasoning: str | None = None
    finish_reason: str | None = None
    call_id: str = ""


class AIBatch(Protocol):
    """Many requests to one model, answered within a day for half the price."""

    async def submit(self, requests: Sequence[BatchRequest | str]) -> BatchStatus:
        """Hand them in. Raises `AIBadRequest` for none, for equal ids, and where the provider knows no batches."""

    async def status(self, batch_id: str | BatchStatus) -> BatchStatus: ...

    async def results(
        self, batch_id: str | BatchStatus, *, schema: Any = None, schemas: Mapping[str, Any] | None = None
    ) -> list[BatchItem]:
        """Every request's result, in the order they were handed in where that is known; each is noted once as a call.

        This object keeps the schemas of what it handed in; another one is given `schema` (for all) or `schemas` (by
        id) and takes answers unchecked where it gets neither. Raises `AIUnavailable` while the batch isn't done and
        `AIBadResponse` when it failed as a whole.
        """
