"""Plugins: functions called with the events of the types they ask for."""

from __future__ import annotations

import difflib
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias

from engine.definition.stage import checked_id
from engine.errors import DefinitionError
from engine.events import EVENT_TYPES, Event

Handle: TypeAlias = Callable[[Event], Awaitable[object] | object]


@dataclass(frozen=True)
class Plugin:
    """Made by `define_plugin`. `handle` may see an event more than once, so it has to be idempotent."""

    id: str
    name: str
    on: frozenset[str]
    handle: Handle
    max_retries: int = 3


def define_plugin(id: str, name: str, on: Iterable[str], handle: Handle, max_retries: int = 3) -> Plugin:
    """A plugin for the event types `on`; `handle` is plain or a coroutine function, and raising means
    try again. `max_retries`: deliveries, at least one, before an event is a dead letter; the plugins of a process
    are one sink, in which the largest number counts.

    Raises `DefinitionError` for unknown event types, naming the nearest.
    """
    checked_id(id, "plugin")
    if isinstance(on, str):
        raise DefinitionError(f"plugin {id!r}: on is a list of event types, not the text {on!r}")
    types = frozenset(on)
    if not types:
        raise DefinitionError(f"plugin {id!r} asks for no event type")
    for unknown in sorted(types - EVENT_TYPES):
        near = difflib.get_close_matches(unknown, EVENT_TYPES, n=1, cutoff=0.3)
        meant = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(sorted(EVENT_TYPES))}"
        raise DefinitionError(f"plugin {id!r}: unknown event type {unknown!r}; {meant}")
    if not callable(handle):
        raise DefinitionError(f"plugin {id!r}: {handle!r} can't be called")
    if max_retries < 1:
        raise DefinitionError(f"plugin {id!r}: max_retries is at least 1, not {max_retries!r}")
    return Plugin(id, name, types, handle, max_retries)
