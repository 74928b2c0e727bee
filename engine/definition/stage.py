"""Stages: a typed body with an id, and how it is to be run."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any, Generic, Literal, TypeAlias, TypeVar, overload

from pydantic import BaseModel

from engine.definition.context import StageContext
from engine.definition.retry import RetryPolicy
from engine.definition.schema import Schema, type_name
from engine.definition.signature import UNSAID, Declared, is_coroutine_function, read_signature
from engine.definition.suspension import StageResult, Suspend
from engine.errors import DefinitionError

I = TypeVar("I")  # noqa: E741
C = TypeVar("C")
O = TypeVar("O")  # noqa: E741
Check = TypeVar("Check", bound=Callable[..., Any])

Mode: TypeAlias = Literal["sync", "async-batch"]
Isolation: TypeAlias = Literal["thread", "process"]
Estimator: TypeAlias = Callable[[Any, Any], Decimal | int | float]
"""From the run's input and the stage's config (both typed) to US dollars."""

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


def checked_id(stage_id: object, what: str) -> str:
    """The id, or a `DefinitionError`: 1 to 128 letters, digits, dots, dashes and underscores."""
    if not isinstance(stage_id, str) or not _ID.fullmatch(stage_id):
        raise DefinitionError(
            f"{what} id {stage_id!r}: 1 to 128 letters, digits, . _ - starting with a letter or digit"
        )
    return stage_id


def title_of(stage_id: str) -> str:
    """`extract-text` as `Extract Text`."""
    return " ".join(word[:1].upper() + word[1:] for word in re.split(r"[._-]+", stage_id) if word) or stage_id


@dataclass(eq=False)
class Stage(Generic[I, C, O]):
    """One step of a workflow; made by `stage` and `async_batch_stage`. Calling it calls its body."""

    id: str
    name: str
    description: str
    mode: Mode
    body: Callable[[StageContext[I, C]], Any]
    input: Schema[I]
    output: Schema[O]
    config: Schema[C]
    dependencies: tuple[str, ...]
    retry: RetryPolicy
    timeout: timedelta | None
    isolation: Isolation
    estimate_cost: Estimator | None
    check: Callable[..., Any] | None = None

    def __post_init__(self) -> None:
        self.is_async = is_coroutine_function(self.body)
        self.module_name: str = getattr(self.body, "__module__", None) or type(self.body).__module__
        self.qualname: str = getattr(self.body, "__qualname__", None) or type(self.body).__qualname__
        self.__doc__ = self.body.__doc__

    @property
    def check_is_async(self) -> bool:
        return self.check is not None and is_coroutine_function(self.check)

    def __call__(self, ctx: StageContext[I, C]) -> Any:
        return self.body(ctx)

    def check_completion(self, check: Check) -> Check:
        """Decorate the function `(state, ctx) -> Completion` that asks whether the outside work is done.

        Raises `DefinitionError` on a stage that can't suspend, and when there is one already.
        """
        if self.mode != "async-batch":
            raise DefinitionError(f"stage {self.id!r} is no async_batch_stage: it has nothing to check")
        if self.check is not None:
            raise DefinitionError(f"stage {self.id!r} has a check_completion already")
        self.check = check
        return check

    @property
    def address(self) -> str | None:
        """`module:name` under which another process finds this stage; None when it can't."""
        if self.module_name == "__main__" or "<" in self.qualname:
            return None
        found: object = sys.modules.get(self.module_name)
        for part in self.qualname.split("."):
            found = getattr(found, part, None)
        return f"{self.module_name}:{self.qualname}" if found is self else None

    def __repr__(self) -> str:
        return f"<Stage {self.id!r} {self.module_name}.{self.qualname}>"


@dataclass(frozen=True, slots=True)
class _Options:
    """The decorator's arguments."""

    id: str
    name: str | None
    description: str | None
    mode: Mode
    input: Any
    output: Any
    config: Any
    dependencies: Iterable[Stage[Any, Any, Any] | str]
    retry: RetryPolicy | None
    timeout: timedelta | None
    isolation: Isolation
    estimate_cost: Estimator | None

    def make(self, body: Callable[..., Any], local_names: Mapping[str, object]) -> Stage[Any, Any, Any]:
        name = self.name or title_of(checked_id(self.id, "stage"))
        if not callable(body):
            raise DefinitionError(f"stage {self.id!r}: {body!r} can't be called")
        try:
            declared = read_signature(body, local_names)
            made: Stage[Any, Any, Any] = Stage(
                id=self.id,
                name=name,
                description=self.description if self.description is not None else _first_line(body),
                mode=self.mode,
                body=body,
                input=Schema.of(_agreed("input", self.input, declared.input, declared)),
                output=Schema.of(_agreed("output", self.output, declared.output, declared)),
                config=Schema.of(_agreed("config", self.config, declared.config, declared)),
                dependencies=_dependency_ids(self.dependencies),
                retry=self.retry or RetryPolicy(),
                timeout=self.timeout,
                isolation=self.isolation,
                estimate_cost=self.estimate_cost,
            )
            _check_rules(made)
        except DefinitionError as error:
            raise DefinitionError(f"stage {self.id!r}: {error}") from error.__cause__
        return made


def _first_line(body: Callable[..., Any]) -> str:
    text = getattr(body, "__doc__", None) if hasattr(body, "__name__") else None
    return text.strip().splitlines()[0] if text and text.strip() else ""


def _dependency_ids(dependencies: Iterable[Stage[Any, Any, Any] | str]) -> tuple[str, ...]:
    if isinstance(dependencies, str):
        raise DefinitionError(f"dependencies is a list of stages or ids, not the text {dependencies!r}")
    ids = (one.id if isinstance(one, Stage) else checked_id(one, "dependency") for one in dependencies)
    return tuple(dict.fromkeys(ids))


def _agreed(side: str, explicit: Any, annotated: Any, declared: Declared) -> Any:
    if explicit is None or explicit is UNSAID:
        if annotated is UNSAID:
            where = "the return annotation" if side == "output" else "ctx: StageContext[Input, Config]"
            because = f" ({declared.trouble})" if declared.trouble else ""
            raise DefinitionError(f"no {side} schema: declare it by {where} or by {side}={because}")
        return annotated
    if annotated is not UNSAID and annotated is not Any and annotated != explicit:
        raise DefinitionError(
            f"contradictory {side} schema: {side}={type_name(explicit)}, but annotated {type_name(annotated)}"
        )
    return explicit


def _check_rules(made: Stage[Any, Any, Any]) -> None:
    config = made.config.python_type
    if not (isinstance(config, type) and issubclass(config, BaseModel)):
        raise DefinitionError(f"config is a pydantic model or NoConfig, not {type_name(config)}")
    if made.timeout is not None and made.timeout <= timedelta(0):
        raise DefinitionError("timeout has to be longer than nothing")
    if made.isolation not in ("thread", "process"):
        raise DefinitionError(f"isolation is 'thread' or 'process', not {made.isolation!r}")
    if made.isolation == "process" and made.is_async:
        raise DefinitionError("isolation='process' is for plain bodies; this one is async")
    if made.id in made.dependencies:
        raise DefinitionError("it depends on itself")


class StageDecorator:
    """Turns a body into a `Stage`; what `stage(...)` returns."""

    def __init__(self, options: _Options) -> None:
        self._options = options

    @overload
    def __call__(self, body: Callable[[StageContext[I, C]], Coroutine[Any, Any, StageResult[O]]]) -> Stage[I, C, O]: ...
    @overload
    def __call__(
        self, body: Callable[[StageContext[I, C]], Coroutine[Any, Any, O | StageResult[O]]]
    ) -> Stage[I, C, O]: ...
    @overload
    def __call__(self, body: Callable[[StageContext[I, C]], StageResult[O]]) -> Stage[I, C, O]: ...
    @overload
    def __call__(self, body: Callable[[StageContext[I, C]], O | StageResult[O]]) -> Stage[I, C, O]: ...
    def __call__(self, body: Callable[[StageContext[I, C]], Any]) -> Stage[I, C, Any]:
        return self._options.make(body, dict(sys._getframe(1).f_locals))


class BatchStageDecorator:
    """Turns a body into an async-batch `Stage`; what `async_batch_stage(...)` returns."""

    def __init__(self, options: _Options) -> None:
        self._options = options

    @overload
    def __call__(
        self, body: Callable[[StageContext[I, C]], Coroutine[Any, Any, StageResult[O] | Suspend]]
    ) -> Stage[I, C, O]: ...
    @overload
    def __call__(
        self, body: Callable[[StageContext[I, C]], Coroutine[Any, Any, O | StageResult[O] | Suspend]]
    ) -> Stage[I, C, O]: ...
    @overload
    def __call__(self, body: Callable[[StageContext[I, C]], StageResult[O] | Suspend]) -> Stage[I, C, O]: ...
    @overload
    def __call__(self, body: Callable[[StageContext[I, C]], O | StageResult[O] | Suspend]) -> Stage[I, C, O]: ...
    def __call__(self, body: Callable[[StageContext[I, C]], Any]) -> Stage[I, C, Any]:
        return self._options.make(body, dict(sys._getframe(1).f_locals))


def stage(
    *,
    id: str,
    name: str | None = None,
    description: str | None = None,
    input: Any = None,  # noqa: A002
    output: Any = None,
    config: Any = None,
    dependencies: Iterable[Stage[Any, Any, Any] | str] = (),
    retry: RetryPolicy | None = None,
    timeout: timedelta | None = None,
    isolation: Isolation = "thread",
    estimate_cost: Estimator | None = None,
) -> StageDecorator:
    """Declare a stage: `@stage(id="extract-text")` over `async def` or `def body(ctx: StageContext[In,
    Cfg]) -> Out`.

    Schemas come from the annotations or from `input`, `output` and `config`. `name` defaults to the id
    as a title, `description` to the first line of the docstring, `retry` to three attempts. `timeout`
    limits one attempt. `isolation="process"` runs a plain body in a process of its own. Raises
    `DefinitionError` naming the stage.
    """
    return StageDecorator(
        _Options(
            id, name, description, "sync", input, output, config,
            dependencies, retry, timeout, isolation, estimate_cost,
        )
    )  # fmt: skip


def async_batch_stage(
    *,
    id: str,
    name: str | None = None,
    description: str | None = None,
    input: Any = None,  # noqa: A002
    output: Any = None,
    config: Any = None,
    dependencies: Iterable[Stage[Any, Any, Any] | str] = (),
    retry: RetryPolicy | None = None,
    timeout: timedelta | None = None,
    isolation: Isolation = "thread",
    estimate_cost: Estimator | None = None,
) -> BatchStageDecorator:
    """As `stage`, for a body that may return `Suspend`; its `check_completion` is declared by the made
    stage's decorator.
    """
    return BatchStageDecorator(
        _Options(
            id, name, description, "async-batch", input, output, config,
            dependencies, retry, timeout, isolation, estimate_cost,
        )
    )  # fmt: skip
