"""What calls cost: figures worked out by hand from the published prices, to the millionth of a dollar."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from engine.ai import ModelPrices, models, price_of, use_prices
from engine.ai import cost as prices
from engine.ai.catalogue import near, provider_of
from engine.ports.ai_providers import Usage

AT = datetime(2026, 11, 20, tzinfo=UTC)

CASES = [
    # 1000 x 1.25 + 100 x 10
    ("openai", "gpt-5", Usage(1_000, 100), False, "0.002250"),
    # 600 x 1.25 + 400 x 0.125 + 100 x 10
    ("openai", "gpt-5", Usage(1_000, 100, 400), False, "0.001800"),
    # half of the first
    ("openai", "gpt-5", Usage(1_000, 100), True, "0.001125"),
    # 5000 x 0.02
    ("openai", "text-embedding-3-small", Usage(5_000), False, "0.000100"),
    # embeddings in a batch: half
    ("openai", "text-embedding-3-small", Usage(5_000), True, "0.000050"),
    # 900 x 1 + 100 x 0.10 + 50 x 5
    ("anthropic", "claude-haiku-4-5", Usage(1_000, 50, 100), False, "0.001160"),
    # 700 x 1 + 100 x 0.10 + 200 x 1.25 + 50 x 5
    ("anthropic", "claude-haiku-4-5", Usage(1_000, 50, 100, 200), False, "0.001210"),
    # beyond 200 000 tokens everything is dearer: 250000 x 6 + 1000 x 22.50
    ("anthropic", "claude-sonnet-4-5", Usage(250_000, 1_000), False, "1.522500"),
    # and up to there it is not: 200000 x 3 + 1000 x 15
    ("anthropic", "claude-sonnet-4-5", Usage(200_000, 1_000), False, "0.615000"),
    # 250000 x 2.50 + 2000 x 15
    ("google", "gemini-2.5-pro", Usage(250_000, 2_000), False, "0.655000"),
    # 60 x 0.30 + 40 x 0.03 + 50 x 2.50, thoughts being output
    ("google", "gemini-2.5-flash", Usage(100, 50, 40, 0, 30), False, "0.000144"),
    # an old model without a batch price of its own: half of 1000 x 0.25 + 100 x 1.25
    ("anthropic", "claude-3-haiku", Usage(1_000, 100), True, "0.000188"),
]


@pytest.mark.parametrize(("provider", "model", "usage", "batch", "dollars"), CASES)
def test_a_call_costs_what_the_price_list_says(
    provider: str, model: str, usage: Usage, batch: bool, dollars: str
) -> None:
    cost = price_of(provider, model, usage, batch=batch, at=AT)
    assert isinstance(cost, Decimal)
    assert abs(cost - Decimal(dollars)) <= Decimal("0.0000005")
    assert price_of(provider, f"{provider}/{model}", usage, batch=batch, at=AT) == cost


def test_b200_a_batch_costs_half() -> None:
    usage = Usage(123_456, 7_890)
    for provider, model in [("openai", "gpt-5"), ("anthropic", "claude-haiku-4-5"), ("google", "gemini-2.5-flash")]:
        whole, half = (price_of(provider, model, usage, batch=batch, at=AT) for batch in (False, True))
        assert whole is not None
        assert half == whole / 2


@pytest.mark.parametrize(
    ("provider", "model"),
    [("openai", "gpt-5-nope"), ("nobody", "gpt-5"), ("my-openai", "gpt-5"), ("openai", ""), ("offline", "nope")],
)
def test_what_no_list_knows_has_no_price(provider: str, model: str) -> None:
    assert price_of(provider, model, Usage(1_000, 1_000)) is None


def test_a_price_of_ones_own_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prices, "_own", dict(prices.own_prices()))
    mine = ModelPrices(input=Decimal(1), output=Decimal(2), cached=Decimal("0.5"), batch_share=Decimal("0.8"))
    use_prices({"openai/gpt-5": mine, "ollama/llama3": ModelPrices(input=Decimal(0))})
    assert price_of("openai", "gpt-5", Usage(1_000_000, 1_000_000, 500_000)) == Decimal("2.75")
    assert price_of("openai", "gpt-5", Usage(1_000_000), batch=True) == Decimal("0.8")
    assert price_of("ollama", "llama3", Usage(1_000, 1_000)) == 0
    assert next(one for one in models(["ollama"])).note == "a price of your own"


def test_usage_that_cannot_be_is_priced_all_the_same() -> None:
    assert price_of("openai", "gpt-5", Usage(100, 0, 500), at=AT) == Decimal("0.0000125")
    assert price_of("openai", "gpt-5", Usage(-5, -5), at=AT) == 0


def test_known_models_are_listed_with_their_prices() -> None:
    by_id = {one.id: one for one in models()}
    assert by_id["google/gemini-2.5-flash"].input == Decimal("0.3")
    assert by_id["google/gemini-2.5-flash"].batch_output == Decimal("1.25")
    assert by_id["openai/text-embedding-3-small"].batch_input == Decimal("0.01")
    assert by_id["anthropic/claude-sonnet-4-5"].tiered
    assert by_id["offline/extractive"].input == 0
    assert "nobody is billed" in by_id["offline/demo"].note
    assert not any(id.startswith("google/claude") for id in by_id)
    assert list(by_id) == sorted(by_id)


def test_bare_names_and_names_nearly_right_are_found() -> None:
    names = ("openai", "anthropic", "google", "offline")
    assert provider_of("gpt-5-mini", names) == "openai"
    assert provider_of("claude-haiku-4-5", names) == "anthropic"
    assert provider_of("gemini-2.5-flash", names) == "google"
    assert provider_of("extractive", names) == "offline"
    assert provider_of("nope-9", names) is None
    assert near("gemini-2.5-flsh", names)[0] == "google/gemini-2.5-flash"
