"""Plugins in process: an event sink that calls the handlers which asked for an event."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterable

from engine.definition.plugin import Plugin
from engine.events import Event


class PluginRunner:
    """`engine.ports.sink.EventSink` over plugins, in the order given.

    The first handler that raises fails the event; when it comes again all its handlers are called again, so they
    must bear that. `max_retries`: deliveries before an event is a dead letter. Plain handlers run on a thread.
    """

    id = "plugins"

    def __init__(self, plugins: Iterable[Plugin], max_retries: int = 3) -> None:
        self.plugins = tuple(plugins)
        self.max_retries = max_retries

    async def emit(self, event: Event) -> None:
        for plugin in self.plugins:
            if event.type in plugin.on:
                await _call(plugin, event)


async def _call(plugin: Plugin, event: Event) -> None:
    if inspect.iscoroutinefunction(plugin.handle):
        await plugin.handle(event)
        return
    result = await asyncio.to_thread(plugin.handle, event)
    if inspect.isawaitable(result):
        await result
