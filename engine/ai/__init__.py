"""Calls to AI models: the helper behind `ctx.ai`, its providers, and what a call costs."""

from engine.ai.batch_stage import ai_batch_stage
from engine.ai.catalogue import KnownModel, models
from engine.ai.cost import ModelPrices, price_of, use_prices
from engine.ai.directory import PROVIDERS, Providers, register_provider
from engine.ai.endpoint import ProviderSettings
from engine.ai.opening import create_ai_helper
from engine.ports.ai_providers import AIProvider, BatchProvider

__all__ = [
    "PROVIDERS",
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
