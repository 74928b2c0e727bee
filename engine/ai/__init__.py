"""Calls to AI models: the helper behind `ctx.ai`, its providers, and what a call costs."""

from __future__ import annotations

from engine.ai.batch_stage import ai_batch_stage
from engine.ai.catalogue import KnownModel, models
from engine.ai.cost import ModelPrices, price_of, use_prices
from engine.ai.directory import PROVIDERS, Providers, register_provider
from engine.ai.endpoint import ProviderSettings
from engine.ai.ledger import Ledger
from engine.ai.logged_ai import LoggedAI
from engine.definition.ai import Cache
from engine.ports.ai_calls import AICallLog
from engine.ports.ai_providers import AIProvider, BatchProvider

__all__ = [
    "AIProvider",
    "BatchProvider",
    "KnownModel",
    "ModelPrices",
    "ProviderSettings",
    "Providers",
    "ai_batch_stage",
    "create_ai_helper",
    "models",
    "price_of",
    "register_provider",
    "use_prices",
]


def create_ai_helper(
    topic: str, logger: AICallLog, *, providers: Providers | None = None, cache: Cache = "off"
) -> LoggedAI:
    """An `AIHelper` that notes its calls with `logger`, for use outside of stages too.

    `providers`: the process's own where none are given. `cache` is for calls that don't say. Whoever makes a helper
    awaits its `settle()` when it is done with it.
    """
    return LoggedAI(topic, Ledger(logger), PROVIDERS if providers is None else providers, cache)
