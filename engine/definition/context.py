"""What a stage body sees of the engine, and the Protocols it is fed with."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Generic, Protocol, TypeVar, overload

from pydantic_core import to_json

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
from engine.definition.schema import Schema
from engine.errors import EngineError, StageOutputMissing
from engine.model.json import Json, clean_text, dumps, loads
from engine.model.status import LogLevel

I = TypeVar("I")  # noqa: E741
C = TypeVar("C")
O = TypeVar("O")  # noqa: E741
T = TypeVar("T")
O_co = TypeVar("O_co", covariant=True)


class Reporter(Protocol):
    """Where a body's words go. Every method may be called from loop or thread, never waits, and drops
    what comes after the lease is lost.
    """

    def log(self, level: LogLevel, message: str, fields: Mapping[str, Json]) -> None:
        """Keep one line; `fields` are JSON."""

    def progress(self, fraction: float, message: str, details: Mapping[str, Json]) -> None:
        """The last value wins; `fraction` is 0 to 1."""

    def annotate(self, key: str, value: Json) -> None:
        """Written with the stage's outcome."""

    @property
    def cancelled(self) -> bool:
        """True once the run was cancelled or the lease lost."""


class Outputs(Protocol):
    """The outputs of the run's completed stages."""

    def read(self, stage_id: str) -> Json:
        """Raises `KeyError` when that stage has none."""

    def stage_ids(self) -> list[str]:
        """Of the stages that have one."""


class StageStorage(Protocol):
    """Bytes and JSON under keys private to this run and stage; they outlive a retry."""

    async def put(self, key: str, value: bytes | Json) -> None:
        """Keep `value`, over any former one."""

    async def get(self, key: str) -> bytes | Json:
        """What `put` kept, bytes as bytes and JSON as JSON. Raises `KeyError`."""

    async def has(self, key: str) -> bool: ...

    async def delete(self, key: str) -> None:
        """A key that isn't there is no error."""

    async def list(self, prefix: str = "") -> list[str]:
        """The keys that begin with `prefix`, sorted."""


class AIHelper(Protocol):
    """Calls to AI models, each noted with its tokens and its cost, under one topic.

    `model` is `provider/model`; the bare name of a known model finds its provider. `provider_options` go into the
    provider's request as they are. `timeout` is seconds of silence. `cache` answers an equal request as it was answered
    before (None: as this helper does by default). Every call raises `AIError`: `UnknownModel`, `AIAuthError`,
    `AIBadRequest` and `BudgetExceeded` fail a stage for good, `AIRateLimited`, `AIUnavailable` and `AIBadResponse` are
    worth another attempt. Cancelling gives the call up at once; it is noted all the same.
    """

    @property
    def topic(self) -> str:
        """`workflow.{run_id}.stage.{stage_id}` in a stage."""

    def child(self, segment: str) -> AIHelper:
        """A helper whose topic is this one's with `.segment` after it: its calls count here too."""

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
        """Ask for text. With `tools` the model may call them and is asked again with what they gave, `max_steps` times
        at most; each turn is a call of its own.
        """

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
        """Ask for an object of `schema`: a model or any type pydantic validates.

        An answer that isn't one is sent back once with what is wrong, which is a second call; then `AIBadResponse`.
        """

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
        """Ask for text piece by piece: `async for piece in ai.stream_text(…)`. The call begins with the first piece."""

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
        """A vector for each text: many texts are one call."""

    def batch(self, model: str) -> AIBatch:
        """Many requests at once, answered later for less."""


class Produces(Protocol[O_co]):
    """A stage, seen by what it leaves behind."""

    @property
    def id(self) -> str: ...

    @property
    def output(self) -> Schema[O_co]: ...


class StageContext(Generic[I, C]):
    """One delivery of one stage: its typed input and config, and the ways to speak to the engine.

    `log`, `progress`, `annotate`, `require` and `optional` are plain calls from loop or thread.
    `storage` and `ai` are coroutines; a plain body calls them through `block_on`.
    """

    def __init__(
        self,
        *,
        run_id: str,
        workflow_id: str,
        stage_id: str,
        stage_name: str,
        stage_number: int,
        attempt: int,
        input: I,  # noqa: A002
        config: C,
        idempotency_key: str,
        reporter: Reporter,
        outputs: Outputs,
        storage: StageStorage,
        resume_state: Json = None,
        ai: AIHelper | Callable[[], AIHelper] | None = None,
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self.run_id = run_id
        self.workflow_id = workflow_id
        self.stage_id = stage_id
        self.stage_name = stage_name
        self.stage_number = stage_number
        self.attempt = attempt
        self.input = input
        self.config = config
        self.resume_state = resume_state
        self.idempotency_key = idempotency_key
        self.storage = storage
        self._reporter = reporter
        self._outputs = outputs
        self._ai = ai
        self._loop = loop

    @property
    def ai(self) -> AIHelper:
        """Raises `EngineError` when the engine has none."""
        if self._ai is None:
            raise EngineError(f"stage {self.stage_id!r} asked for ctx.ai, but this engine has no AI helper configured")
        if callable(self._ai):
            # Most stages ask no model: they don't wait for what it takes to do so.
            self._ai = self._ai()
        return self._ai

    @property
    def cancelled(self) -> bool:
        """True once the run was cancelled or the lease lost: stop working, nothing will be kept."""
        return self._reporter.cancelled

    @overload
    def require(self, stage_or_id: str) -> Json: ...
    @overload
    def require(self, stage_or_id: Produces[O]) -> O: ...
    def require(self, stage_or_id: str | Produces[O]) -> O | Json:
        """The output of an earlier stage: typed when asked by stage, JSON when asked by id.

        Raises `StageOutputMissing`, naming what is there.
        """
        stage_id = stage_or_id if isinstance(stage_or_id, str) else stage_or_id.id
        try:
            plain = self._outputs.read(stage_id)
        except KeyError:
            raise StageOutputMissing(stage_id, self._outputs.stage_ids()) from None
        return plain if isinstance(stage_or_id, str) else stage_or_id.output.validate(plain)

    @overload
    def optional(self, stage_or_id: str) -> Json | None: ...
    @overload
    def optional(self, stage_or_id: Produces[O]) -> O | None: ...
    def optional(self, stage_or_id: str | Produces[O]) -> O | Json | None:
        """As `require`, but None when that stage has no output."""
        try:
            return self.require(stage_or_id)
        except StageOutputMissing:
            return None

    def log(self, level: str, message: object, **fields: object) -> None:
        """Say something: level DEBUG, INFO, WARN or ERROR in any case (others count as INFO). Never
        raises.
        """
        self._reporter.log(_level(level), clean_text(_text(message)), _loggable(fields))

    def progress(self, fraction: float, message: object = "", **details: object) -> None:
        """How far the body is, 0 to 1 (clamped); what is no number counts as 0. Never raises."""
        try:
            reached = float(fraction)
        except (TypeError, ValueError, OverflowError):
            reached = 0.0
        clamped = min(reached, 1.0) if reached > 0 else 0.0
        self._reporter.progress(clamped, clean_text(_text(message)), _loggable(details))

    def annotate(self, key: str, value: Json) -> None:
        """Attach a fact to the run, kept with this stage's outcome; None is dropped.

        Raises `NotJson` (a `ValueError`) for a value that can't be kept and `ValueError` for an empty key.
        """
        if not key:
            raise ValueError("an annotation needs a key")
        if value is not None:
            self._reporter.annotate(key, loads(dumps(value)))

    def block_on(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the host's loop and wait for its result: for plain bodies, which have a
        thread of their own.

        Raises what the coroutine raises, and `RuntimeError` on the loop's own thread, where waiting
        would never end.
        """
        try:
            running = asyncio.get_running_loop()
        except RuntimeError:
            running = None
        if self._loop is None or running is self._loop:
            coroutine.close()
            if self._loop is None:
                raise RuntimeError("this context has no event loop to run a coroutine on")
            raise RuntimeError("block_on was called on the event loop's own thread: await the coroutine instead")
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()


def _level(word: object) -> LogLevel:
    name = _text(word).strip().upper()
    try:
        return LogLevel({"WARNING": "WARN", "CRITICAL": "ERROR"}.get(name, name))
    except ValueError:
        return LogLevel.INFO


def _text(value: object) -> str:
    try:
        return str(value)
    except Exception:
        return f"<{type(value).__name__}>"


def _loggable(fields: Mapping[str, object]) -> dict[str, Json]:
    """Fields as JSON whatever they hold: a log line is never worth a failed stage."""
    return {clean_text(key): _loggable_value(value) for key, value in fields.items()}


def _loggable_value(value: object) -> Json:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        return clean_text(value)
    try:
        text = to_json(value, fallback=_text, by_alias=False, bytes_mode="base64", inf_nan_mode="strings")
        return loads(dumps(loads(text)))
    except (ValueError, TypeError, RecursionError):
        return clean_text(_text(value))
