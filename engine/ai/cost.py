"""What a call costs, in US dollars. The prices come with `genai-prices` and from nowhere else: no network is asked."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Protocol

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, ModelPrice

MILLION = Decimal(1_000_000)
BATCH_SHARE = Decimal("0.5")
_HALF_IN_BATCHES = frozenset({"openai", "anthropic", "google"})
"""They publish one discount for all that may be sent as a batch: half."""


class Tokens(Protocol):
    """What was used: an `AICallRecord` will do. `cached_tokens` are part of `input_tokens`."""

    @property
    def input_tokens(self) -> int: ...

    @property
    def output_tokens(self) -> int: ...

    @property
    def cached_tokens(self) -> int: ...


class ModelPrices(BaseModel):
    """A price list of one's own: US dollars for a million tokens. What isn't given is charged as `input`."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    input: Decimal = Field(ge=0)
    output: Decimal = Field(default=Decimal(0), ge=0)
    cached: Decimal | None = Field(default=None, ge=0)
    """Input read from the provider's cache."""
    cache_write: Decimal | None = Field(default=None, ge=0)
    batch_share: Decimal = Field(default=BATCH_SHARE, ge=0, le=1)
    """The part of the price that is asked for in a batch."""

    def cost(self, usage: Tokens, *, batch: bool = False) -> Decimal:
        cached, written, fresh = _parts(usage)
        total = (
            fresh * self.input
            + cached * (self.input if self.cached is None else self.cached)
            + written * (self.input if self.cache_write is None else self.cache_write)
            + usage.output_tokens * self.output
        )
        return total / MILLION * (self.batch_share if batch else 1)


FREE = ModelPrices(input=Decimal(0))
DEMO = ModelPrices(input=Decimal("0.50"), output=Decimal("2.00"), cached=Decimal("0.05"))
"""What `offline/demo` pretends to cost, so that a demonstration has money to show. Nobody is billed."""

_own: dict[str, ModelPrices] = {"offline/extractive": FREE, "offline/demo": DEMO}
_lock = threading.Lock()


def use_prices(prices: Mapping[str, ModelPrices]) -> None:
    """Price these models (`provider/model`) so, in this process, whatever the bundled list says."""
    with _lock:
        _own.update(prices)


def own_prices() -> dict[str, ModelPrices]:
    """The prices that win over the bundled list, by `provider/model`."""
    with _lock:
        return dict(_own)


def price_of(
    provider: str, model: str, usage: Tokens, *, batch: bool = False, at: datetime | None = None
) -> Decimal | None:
    """What `usage` of `model` costs at `provider`, in US dollars; None when the price is unknown, never 0.

    `model` is the provider's own name, with or without `provider/` before it. `usage` is anything with
    `input_tokens`, `output_tokens` and `cached_tokens`: a record of a call prices it anew. `batch` asks for the price
    in a batch, `at` for the price of a moment other than now. Cached input, tiers by length of the prompt and
    embeddings are priced as the provider does. Not rounded. The first call loads the price list (0.3 s).
    """
    name = model.removeprefix(f"{provider}/")
    with _lock:
        own = _own.get(f"{provider}/{name}")
    if own is not None:
        return own.cost(usage, batch=batch)
    found = find(provider, name)
    return None if found is None else _listed_cost(found, provider, usage, batch=batch, at=at or datetime.now(UTC))


def find(provider: str, model: str) -> ModelInfo | None:
    """The bundled list's entry. `provider` has to be its name to the letter: one that looks like it is another's."""
    from genai_prices.data_snapshot import get_snapshot

    providers = get_snapshot().providers
    known = next((one for one in providers if one.id == provider), None)
    return None if known is None else known.find_model(model.lower(), all_providers=providers)


def _listed_cost(found: ModelInfo, provider: str, usage: Tokens, *, batch: bool, at: datetime) -> Decimal | None:
    from genai_prices import Usage

    standard = found.get_prices(at)
    prices = found.get_prices(at, {"processing": "batch"}) if batch else standard
    if not _says_something(prices):
        return None
    cached, written, _ = _parts(usage)
    counted = Usage(
        input_tokens=max(usage.input_tokens, 0),
        cache_read_tokens=cached,
        cache_write_tokens=written,
        output_tokens=max(usage.output_tokens, 0),
    )
    try:
        total = prices.calc_price(counted)["total_price"]
    except (ValueError, LookupError):
        return None
    return total * BATCH_SHARE if batch and prices == standard and provider in _HALF_IN_BATCHES else total


def _says_something(prices: ModelPrice) -> bool:
    return any(value is not None for name, value in vars(prices).items() if not name.startswith("_"))


def _parts(usage: Tokens) -> tuple[int, int, int]:
    """Input tokens read from the cache, written to it, and neither."""
    whole = max(usage.input_tokens, 0)
    cached = min(max(usage.cached_tokens, 0), whole)
    written = min(max(getattr(usage, "cache_write_tokens", 0), 0), whole - cached)
    return cached, written, whole - cached - written
