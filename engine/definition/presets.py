"""Ready-made config fields, mixed into a stage's own config by inheritance."""

from __future__ import annotations

from decimal import Decimal

from pydantic import BaseModel, Field


class AIConfig(BaseModel):
    """Which model, how it answers, and what the stage may spend on it (US dollars)."""

    model: str = "offline/extractive"
    temperature: float = Field(default=0.7, ge=0, le=2)
    max_tokens: int | None = Field(default=None, gt=0)
    max_cost: Decimal | None = Field(default=None, ge=0)


class ConcurrencyConfig(BaseModel):
    """How a body paces its own outside calls. The engine stores these values; the body acts on them."""

    concurrency: int = Field(default=5, gt=0)
    delay_ms: int = Field(default=0, ge=0)
    max_retries: int = Field(default=3, ge=0)


class DebugConfig(BaseModel):
    """Switches for trying a stage out."""

    verbose: bool = False
    dry_run: bool = False


class StandardConfig(AIConfig, ConcurrencyConfig):
    """AI and concurrency together."""
