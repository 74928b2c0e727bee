"""The models we know by name, with their prices: for lists, for bare names, and for "did you mean"."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from engine.ai.cost import BATCH_SHARE, own_prices

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo

BUILT_IN = ("openai", "anthropic", "google", "offline")
_ALIENS = {"google": ("claude", "llama", "mistral")}
"""Sold by the same house, but not through the address we ask."""
_NOTES = {"offline/extractive": "free: nothing leaves the machine", "offline/demo": "demo prices: nobody is billed"}


@dataclass(frozen=True, slots=True)
class KnownModel:
    """Prices are US dollars for a million tokens, those of a short prompt where longer ones cost more (`tiered`)."""

    provider: str
    name: str
    input: Decimal | None
    output: Decimal | None
    cached: Decimal | None = None
    batch_input: Decimal | None = None
    batch_output: Decimal | None = None
    tiered: bool = False
    context: int | None = None
    """Tokens that fit."""
    note: str = ""

    @property
    def id(self) -> str:
        """`provider/model`."""
        return f"{self.provider}/{self.name}"


def models(providers: Iterable[str] = BUILT_IN) -> list[KnownModel]:
    """Every model of these providers we have a price for, by provider and name, and those priced by the user."""
    wanted = set(providers)
    found = {one.id: one for provider in wanted for one in _listed(provider)}
    for id, prices in own_prices().items():
        provider, _, name = id.partition("/")
        share = prices.batch_share
        if provider in wanted:
            found[id] = KnownModel(
                provider, name, prices.input, prices.output, prices.cached, prices.input * share, prices.output * share,
                note=_NOTES.get(id, "a price of your own"),
            )  # fmt: skip
    return [found[id] for id in sorted(found)]


def provider_of(name: str, providers: Iterable[str]) -> str | None:
    """Which of these providers has a model of that bare name."""
    from engine.ai.cost import find

    wanted = list(providers)
    for id in own_prices():
        provider, _, own = id.partition("/")
        if own == name and provider in wanted:
            return provider
    return next((one for one in wanted if not _alien(one, name) and find(one, name) is not None), None)


def near(name: str, providers: Iterable[str], most: int = 3) -> list[str]:
    """Models whose name looks like this one, as `provider/model`."""
    known = [one.id for one in models(providers)]
    by_bare = {id.partition("/")[2]: id for id in reversed(known)}
    bare = name.rpartition("/")[2]
    close = difflib.get_close_matches(name, known, most, 0.6)
    close += [by_bare[one] for one in difflib.get_close_matches(bare, by_bare, most, 0.6)]
    return list(dict.fromkeys(close))[:most]


def _alien(provider: str, name: str) -> bool:
    return name.lower().startswith(_ALIENS.get(provider, ()))


def _listed(provider: str) -> Iterator[KnownModel]:
    from genai_prices.data_snapshot import get_snapshot

    for one in get_snapshot().providers:
        if one.id == provider:
            yield from (_known(provider, model) for model in one.models if not _alien(provider, model.id))


def _known(provider: str, model: ModelInfo) -> KnownModel:
    now = datetime.now(UTC)
    prices, batch = model.get_prices(now), model.get_prices(now, {"processing": "batch"})
    share = BATCH_SHARE if prices == batch and provider in BUILT_IN else Decimal(1)
    values = [_lowest(getattr(one, name, None)) for one, name in (
        (prices, "input_mtok"), (prices, "output_mtok"), (prices, "cache_read_mtok"),
        (batch, "input_mtok"), (batch, "output_mtok"),
    )]  # fmt: skip
    halved = [None if value is None else value * share for value in values[3:]]
    tiered = any(hasattr(value, "tiers") for value in vars(prices).values())
    note = "deprecated" if model.deprecated else ""
    return KnownModel(
        provider, model.id, values[0], values[1], values[2], halved[0], halved[1], tiered, model.context_window, note
    )


def _lowest(price: object) -> Decimal | None:
    first = getattr(price, "base", price)
    return first if isinstance(first, Decimal) else None
