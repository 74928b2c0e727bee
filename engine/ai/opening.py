"""How one comes by an AI helper: outside of stages, in a worker, and in a process of a body's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.ai.directory import PROVIDERS, Providers
from engine.ai.endpoint import ProviderSettings
from engine.ai.ledger import Ledger
from engine.ai.logged_ai import LoggedAI
from engine.definition.ai import Cache
from engine.model.json import Json
from engine.ports.ai_calls import AICallLog

Given = Providers | Mapping[str, ProviderSettings | Mapping[str, Any]] | None


def create_ai_helper(
    topic: str, logger: AICallLog, *, providers: Providers | None = None, cache: Cache = "off"
) -> LoggedAI:
    """An `AIHelper` that notes its calls with `logger`, for use outside of stages too.

    `providers`: the process's own where none are given. `cache` is for calls that don't say. Whoever makes a helper
    awaits its `settle()` when it is done with it.
    """
    return LoggedAI(topic, Ledger(logger), PROVIDERS if providers is None else providers, cache)


class HelperOpener:
    """`engine.kernel.call_log.AIOpener` of one engine.

    `providers`: settings by name, which count for the whole process, or providers of one's own (those don't reach a
    body in a process of its own). Raises `pydantic.ValidationError` for settings that are wrong.
    """

    def __init__(self, providers: Given = None, cache: Cache = "off") -> None:
        self._own = providers if isinstance(providers, Providers) else None
        named = {} if providers is None or isinstance(providers, Providers) else providers
        self._settings = {name: ProviderSettings.model_validate(one) for name, one in named.items()}
        for name, one in self._settings.items():
            PROVIDERS.configure(name, one)
        self._cache = cache

    def open(self, topic: str, calls: AICallLog, *, reuse: bool = False) -> LoggedAI:
        cache: Cache = "run" if reuse and self._cache == "off" else self._cache
        return create_ai_helper(topic, calls, providers=self._own, cache=cache)

    def portable(self) -> Json:
        settings = {name: one.model_dump(mode="json") for name, one in self._settings.items()}
        return {"by": f"{__name__}:portable_opener", "providers": settings, "cache": self._cache}


def portable_opener(portable: Mapping[str, Any]) -> HelperOpener:
    """The one that was made `portable()`."""
    return HelperOpener(portable["providers"], portable["cache"])
