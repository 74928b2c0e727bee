"""Tools: plain typed functions, told to a model and called with what it says."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import inspect
import threading
import typing
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from pydantic import ConfigDict, Field, ValidationError, create_model
from pydantic_core import to_json

from engine.definition.ai import Tool
from engine.errors import DefinitionError, EngineError
from engine.model.redaction import fit_to_write
from engine.ports.ai_providers import ToolCall, ToolOutcome, ToolSpec

MOST_SAID = 2_000


class Toolbox:
    """The tools of one request. Raises `DefinitionError` for what can't be called by keyword, and for two of a name."""

    def __init__(self, tools: Sequence[Tool]) -> None:
        self._tools: dict[str, _Tool] = {}
        for function in tools:
            tool = _Tool(function)
            if tool.spec.name in self._tools:
                raise DefinitionError(f"two tools are called {tool.spec.name!r}")
            self._tools[tool.spec.name] = tool

    @property
    def specs(self) -> tuple[ToolSpec, ...]:
        return tuple(tool.spec for tool in self._tools.values())

    async def carry_out(self, calls: Sequence[ToolCall]) -> tuple[ToolOutcome, ...]:
        """One after the other. What a tool raises is told to the model, except for the engine's own errors."""
        return tuple([await self._one(call) for call in calls])

    async def _one(self, call: ToolCall) -> ToolOutcome:
        tool = self._tools.get(call.name)
        if tool is None:
            return ToolOutcome(call, f"there is no tool {call.name!r}, only {', '.join(self._tools)}", failed=True)
        try:
            return ToolOutcome(call, await tool(call.arguments))
        except EngineError:
            raise
        except Exception as error:
            said = fit_to_write(f"{type(error).__name__}: {error}")[:MOST_SAID]
            return ToolOutcome(call, said, failed=True)


class _Tool:
    def __init__(self, function: Tool) -> None:
        self._function = function
        name = getattr(function, "__name__", None) or type(function).__name__
        try:
            signature = inspect.signature(function)
            hints = typing.get_type_hints(getattr(function, "__wrapped__", function), include_extras=True)
        except (TypeError, ValueError, NameError) as error:
            raise DefinitionError(f"tool {name!r}: {error}") from error
        self._names: dict[str, str] = {}
        fields: dict[str, Any] = {}
        for number, parameter in enumerate(signature.parameters.values()):
            if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
                raise DefinitionError(f"tool {name!r}: {parameter} can't be given by name")
            default = ... if parameter.default is parameter.empty else parameter.default
            # Fields of a model may not be called whatever a parameter may: the model's own names stay out of the way.
            self._names[f"p{number}"] = parameter.name
            fields[f"p{number}"] = (hints.get(parameter.name, Any), Field(default, alias=parameter.name))
        self._arguments = create_model(name, __config__=ConfigDict(extra="forbid"), **fields)
        parameters = self._arguments.model_json_schema(by_alias=True)
        self.spec = ToolSpec(name, inspect.getdoc(function) or "", parameters)

    async def __call__(self, arguments: str) -> str:
        try:
            checked = self._arguments.model_validate_json(arguments or "{}")
        except ValidationError as error:
            problems = (f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
            raise ValueError(f"wrong arguments: {'; '.join(problems)}") from None
        call = partial(self._function, **{name: getattr(checked, field) for field, name in self._names.items()})
        asynchronous = inspect.iscoroutinefunction(self._function)
        result = await call() if asynchronous else await on_thread(call)
        if inspect.isawaitable(result):
            result = await result
        return result if isinstance(result, str) else to_json(result, fallback=str, inf_nan_mode="strings").decode()


async def on_thread(function: Callable[[], Any]) -> Any:
    """Its result, from a daemon thread: a tool that never ends holds up neither the loop nor the process."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Any] = loop.create_future()
    context = contextvars.copy_context()

    def tell(settle: Callable[[], None]) -> None:
        if not done.done():
            settle()

    def work() -> None:
        try:
            settle = partial(done.set_result, context.run(function))
        except StopIteration:
            settle = partial(done.set_exception, RuntimeError("the tool raised StopIteration"))
        except BaseException as error:
            settle = partial(done.set_exception, error)
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(tell, settle)

    threading.Thread(target=work, name="ai-tool", daemon=True).start()
    return await done
