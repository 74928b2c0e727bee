"""What answers without a network: useful enough for a demonstration, the same every time."""

from __future__ import annotations

from decimal import Decimal
from enum import Enum
from typing import Annotated, Literal

import pytest
from memory_log import MemoryLog
from pydantic import BaseModel, Field

from engine import AIBadResponse, UnknownModel
from engine.ai import create_ai_helper
from engine.ai.logged_ai import LoggedAI

MODEL = "offline/extractive"
TEXT = (
    "The ferry to the island leaves at noon. Ferry tickets are sold at the harbour, and the ferry takes bicycles. "
    "Nobody likes rain. A second ferry to the island leaves in the evening."
)


class Mood(Enum):
    GOOD = "positive"
    BAD = "negative"


class Deep(BaseModel):
    score: Annotated[float, Field(ge=0.8, le=1)]
    kind: Literal["boat", "island"]


class Everything(BaseModel):
    title: Annotated[str, Field(max_length=40)]
    summary: str
    keywords: Annotated[list[str], Field(min_length=2, max_length=3)]
    word_count: int
    mood: Mood
    deep: Deep
    more: list[Deep]
    maybe: int | None = None
    language: str = "en"
    done: bool


@pytest.fixture
def ai(log: MemoryLog) -> LoggedAI:
    return create_ai_helper("t", log)


async def test_it_summarises_picks_words_and_labels(ai: LoggedAI, log: MemoryLog) -> None:
    summary = await ai.generate_text(MODEL, f"Summarise in 2 sentences:\n\n{TEXT}")
    assert summary.text.count(".") == 2
    assert "Nobody likes rain" not in summary.text
    assert (await ai.generate_text(MODEL, f"List 2 keywords: {TEXT}")).text == "ferry, island"
    sentiment = await ai.generate_text(MODEL, "Classify the sentiment: I love this great boat")
    assert sentiment.text == "positive"
    label = await ai.generate_text(MODEL, f"Classify as train, ferry or plane:\n\n{TEXT}")
    assert label.text == "ferry"
    assert {row.cost for row in log.rows} == {0}
    assert summary.input_tokens > 0


async def test_objects_of_any_schema_validate(ai: LoggedAI) -> None:
    first = await ai.generate_object(MODEL, f"Describe:\n\n{TEXT}", Everything)
    again = await ai.generate_object(MODEL, f"Describe:\n\n{TEXT}", Everything)
    assert first.object == again.object
    assert "ferry" in first.object.keywords
    assert first.object.word_count > 20
    assert first.object.deep.score >= 0.8
    assert (await ai.generate_object(MODEL, "Words: a ferry", list[str])).object == ["ferry"]
    assert isinstance((await ai.generate_object(MODEL, "x", int)).object, int)


async def test_vectors_tell_what_is_alike(ai: LoggedAI) -> None:
    result = await ai.embed(MODEL, ["the ferry leaves", "a ferry leaves", "green tea"], dimensions=64)
    one, like, unlike = result.embeddings
    assert len(one) == 64
    assert sum(a * b for a, b in zip(one, like, strict=True)) > sum(a * b for a, b in zip(one, unlike, strict=True))
    assert result.cost == 0


async def test_it_streams_and_stops_where_it_is_told(ai: LoggedAI, log: MemoryLog) -> None:
    stream = ai.stream_text(MODEL, f"Summarise: {TEXT}")
    assert len([piece async for piece in stream]) > 5
    cut = await ai.generate_text(MODEL, f"Summarise: {TEXT}", max_tokens=3)
    assert cut.finish_reason == "length"
    with pytest.raises(AIBadResponse, match="max_tokens"):
        await ai.generate_object(MODEL, TEXT, Everything, max_tokens=3)


async def test_the_demonstrations_model_costs_what_nobody_is_billed(ai: LoggedAI) -> None:
    result = await ai.generate_text("offline/demo", TEXT)
    assert result.cost == Decimal(result.input_tokens * 50 + result.output_tokens * 200) / 100_000_000
    with pytest.raises(UnknownModel, match="offline/extractive"):
        await ai.generate_text("offline/gpt", TEXT)


@pytest.mark.parametrize("text", ["x", "…", "a" * 300_000, "?!\n\n:::", "\ud800", "word " * 50_000])
async def test_no_text_is_too_strange(ai: LoggedAI, text: str) -> None:
    await ai.generate_text(MODEL, text)
    assert (await ai.generate_object(MODEL, text, Deep)).object.kind in ("boat", "island")
    await ai.embed(MODEL, text)
