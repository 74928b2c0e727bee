"""Reading a body's annotations: which input, config and output it declares."""

from __future__ import annotations

import functools
import inspect
import operator
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Union, get_args, get_origin

from engine.definition.context import StageContext
from engine.definition.schema import type_name
from engine.definition.suspension import StageResult, Suspend
from engine.errors import DefinitionError

UNSAID: Any = object()
"""Nothing is declared: not even `None`, which is a type."""


@dataclass(frozen=True, slots=True)
class Declared:
    """The three types of a stage, each `UNSAID` where nothing was declared; `trouble` says why, in
    clear words.
    """

    input: Any = UNSAID
    config: Any = UNSAID
    output: Any = UNSAID
    trouble: str = ""


def is_coroutine_function(body: Callable[..., object]) -> bool:
    """True for `async def`, also behind `functools.partial`, a method or an object with an async
    `__call__`.
    """
    return inspect.iscoroutinefunction(body) or inspect.iscoroutinefunction(type(body).__call__)


def read_signature(body: Callable[..., object], local_names: Mapping[str, object]) -> Declared:
    """What the annotations of `body` declare; text resolves in its module and in `local_names`.

    Raises `DefinitionError` when the body can't be called with a context alone.
    """
    function = _function(body)
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise DefinitionError("the body yields; it has to return its output")
    signature = inspect.signature(body)
    try:
        bound = signature.bind("ctx")
    except TypeError as error:
        raise DefinitionError(f"the body takes one argument, the stage context: {error}") from None
    parameter = signature.parameters[next(iter(bound.arguments))]
    names = {**getattr(function, "__globals__", {}), **local_names}
    trouble: list[str] = []
    context = _resolve(parameter.annotation, names, trouble)
    returned = _resolve(signature.return_annotation, names, trouble)
    declared_input, declared_config = _context_types(context, trouble)
    return Declared(declared_input, declared_config, reduce_output(returned), "; ".join(trouble))


def _function(body: Callable[..., object]) -> Callable[..., object]:
    while isinstance(body, functools.partial):
        body = body.func
    if inspect.isfunction(body) or inspect.ismethod(body):
        function: Callable[..., object] = inspect.unwrap(getattr(body, "__func__", body))
        return function
    call: Callable[..., object] = type(body).__call__
    return call if inspect.isfunction(call) else body


def _resolve(annotation: object, names: dict[str, object], trouble: list[str]) -> Any:
    if annotation is inspect.Parameter.empty:
        return UNSAID
    holder = types.SimpleNamespace(__annotations__={"it": annotation})
    try:
        resolved = typing.get_type_hints(holder, globalns=names, include_extras=True)["it"]
    except Exception as error:
        trouble.append(f"the annotation {annotation!r} can't be resolved ({type(error).__name__}: {error})")
        return UNSAID
    return getattr(resolved, "__value__", resolved)


def _context_types(context: Any, trouble: list[str]) -> tuple[Any, Any]:
    if context is UNSAID or context is StageContext or context is Any:
        return UNSAID, UNSAID
    if get_origin(context) is not StageContext:
        trouble.append(f"the first argument is annotated {type_name(context)}, not StageContext[Input, Config]")
        return UNSAID, UNSAID
    declared_input, declared_config = get_args(context)
    return declared_input, declared_config


def reduce_output(annotation: Any) -> Any:
    """What remains of a return annotation without `Suspend` and `StageResult[…]`; `UNSAID` when nothing
    does.
    """
    parts = list(dict.fromkeys(_outputs(annotation)))
    if not parts:
        return UNSAID
    return parts[0] if len(parts) == 1 else functools.reduce(operator.or_, parts)


def _outputs(annotation: Any) -> list[Any]:
    if annotation is UNSAID or annotation is Suspend or annotation is StageResult:
        return []
    origin = get_origin(annotation)
    if origin is Union or origin is types.UnionType:
        return [part for member in get_args(annotation) for part in _outputs(member)]
    if origin is StageResult:
        return _outputs(get_args(annotation)[0])
    return [annotation]
