"""Against a server of the three wire protocols that nobody here wrote."""

from __future__ import annotations

from decimal import Decimal

import pytest
from llmock.pytest_plugin import LLMock
from llmock.routers import batch as mock_batches
from memory_log import MemoryLog
from pydantic import BaseModel

from engine import (
    AIBadRequest,
    AIBadResponse,
    AIRateLimited,
    AIUnavailable,
    BatchRequest,
)
from engine.ai import create_ai_helper
from engine.ai.logged_ai import LoggedAI

OPENAI, ANTHROPIC, GOOGLE = "openai/gpt-4o-mini", "anthropic/claude-haiku-4-5", "google/gemini-2.5-flash"
MODELS = [OPENAI, ANTHROPIC, GOOGLE]


class City(BaseModel):
    name: str
    people: int
    kind: str = "city"


@pytest.fixture
def server(llmock: LLMock, monkeypatch: pytest.MonkeyPatch) -> LLMock:
    monkeypatch.setenv("GEMINI_BASE_URL", llmock.base_url("gemini"))
    monkeypatch.setattr(mock_batches, "_BATCH_DELAY", 0.0)
    return llmock


@pytest.fixture
def ai(server: LLMock, log: MemoryLog) -> LoggedAI:
    return create_ai_helper("tests", log)


@pytest.mark.parametrize("model", MODELS)
async def test_text(server: LLMock, ai: LoggedAI, log: MemoryLog, model: str) -> None:
    server.reply("Paris, of course.")
    result = await ai.generate_text(model, "What is the capital of France?", system="Be short.", max_tokens=50)
    assert result.text == "Paris, of course."
    assert result.finish_reason == "stop"
    assert result.input_tokens > 0
    assert result.output_tokens > 0
    assert result.cost is not None
    row = log.row
    assert row.status == "ok"
    assert (row.model, row.call_type, row.id) == (model, "text", result.call_id)
    assert (row.input_tokens, row.output_tokens, row.cost) == (result.input_tokens, result.output_tokens, result.cost)
    assert "capital of France" in (row.prompt or "")
    assert row.response == "Paris, of course."
    assert row.latency_ms is not None


# The server does not know Anthropic's newer way to ask for an object.
@pytest.mark.parametrize("model", [OPENAI, "anthropic/claude-3-5-haiku", GOOGLE])
async def test_object(server: LLMock, ai: LoggedAI, log: MemoryLog, model: str) -> None:
    result = await ai.generate_object(model, "Tell me of Paris", City)
    assert isinstance(result.object, City)
    assert log.row.status == "ok"
    assert log.row.call_type == "object"


@pytest.mark.parametrize("model", MODELS)
async def test_stream(server: LLMock, ai: LoggedAI, log: MemoryLog, model: str) -> None:
    server.reply("One two three four five six seven eight nine ten.")
    stream = ai.stream_text(model, "Count")
    pieces = [piece async for piece in stream]
    assert len(pieces) > 1
    assert "".join(pieces) == stream.text == "One two three four five six seven eight nine ten."
    result = await stream.result()
    assert result.text == stream.text
    assert result.output_tokens > 0
    assert log.row.status == "ok"
    assert log.row.first_token_ms is not None
    assert log.row.cost == result.cost
    assert result.cost is not None


async def test_b190_several_texts_are_one_call(server: LLMock, ai: LoggedAI, log: MemoryLog) -> None:
    result = await ai.embed("openai/text-embedding-3-small", ["one", "two", "three"], dimensions=8)
    assert len(result.embeddings) == 3
    assert result.input_tokens > 0
    assert result.cost == Decimal("0.02") * result.input_tokens / 1_000_000
    assert len(server.requests) == 1
    assert server.requests[0].body["dimensions"] == 8
    assert log.row.prompt == "[3 texts]"


@pytest.mark.parametrize("model", MODELS)
async def test_b188_each_turn_with_tools_is_one_row_and_counted_once(
    server: LLMock, ai: LoggedAI, log: MemoryLog, model: str
) -> None:
    asked: list[str] = []

    def weather(city: str, days: int = 1) -> dict[str, int]:
        """The weather of a city."""
        asked.append(city)
        return {"degrees": 21 * days}

    server.call_tool("weather", {"city": "Paris"})
    server.reply("It is warm.")
    result = await ai.generate_text(model, "How is the weather in Paris?", tools=[weather])
    assert result.text == "It is warm."
    assert asked == ["Paris"]
    assert [row.status for row in log.rows] == ["ok", "ok"]
    assert result.call_ids == tuple(row.id for row in log.rows)
    assert result.input_tokens == sum(row.input_tokens for row in log.rows)
    assert result.cost == sum((row.cost or Decimal(0) for row in log.rows), Decimal(0))
    assert '"degrees":21' in (log.rows[1].prompt or "")


# The server leaves the file that was uploaded to it for the collector to close.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("model", [OPENAI, ANTHROPIC])
async def test_batch(server: LLMock, ai: LoggedAI, log: MemoryLog, model: str) -> None:
    batch = ai.batch(model)
    handed = await batch.submit([BatchRequest(id="b", prompt="one"), BatchRequest(id="a", prompt="two")])
    assert (await batch.status(handed.id)).status == "completed"
    items = await batch.results(handed)
    assert [item.id for item in items] == ["b", "a"]
    assert all(item.status == "succeeded" and item.text for item in items)
    again = await ai.batch(model).results(handed.id)
    assert sorted(item.call_id for item in again) == sorted(row.id for row in log.rows)
    assert len(log.rows) == 2
    assert {row.call_type for row in log.rows} == {"batch"}
    assert all(row.cost for row in log.rows)


@pytest.mark.parametrize("model", MODELS)
async def test_a_rate_limit_is_waited_out_in_one_row(server: LLMock, ai: LoggedAI, log: MemoryLog, model: str) -> None:
    server.rate_limit(times=2, retry_after=0.1)
    server.reply("at last")
    assert (await ai.generate_text(model, "go")).text == "at last"
    assert log.row.status == "ok"
    assert len(server.requests) == 3
    server.assert_resilient()


@pytest.mark.parametrize("model", MODELS)
async def test_a_long_rate_limit_is_told(server: LLMock, ai: LoggedAI, log: MemoryLog, model: str) -> None:
    server.rate_limit(times=None, retry_after=3600)
    with pytest.raises(AIRateLimited) as caught:
        await ai.generate_text(model, "go")
    assert caught.value.retry_after == 3600
    assert len(server.requests) == 1
    assert (log.row.status, log.row.error_code, log.row.cost) == ("error", "AIRateLimited", 0)


@pytest.mark.parametrize("model", MODELS)
async def test_what_is_refused_is_not_asked_again(server: LLMock, ai: LoggedAI, log: MemoryLog, model: str) -> None:
    server.context_overflow()
    with pytest.raises(AIBadRequest, match="maximum context length"):
        await ai.generate_text(model, "go")
    assert len(server.requests) == 1
    assert log.row.error_code == "AIBadRequest"


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(("fault", "error"), [("truncate", AIBadResponse), ("disconnect", AIUnavailable),
                                              ("corrupt", AIBadResponse)])  # fmt: skip
async def test_a_broken_stream_is_an_error_and_one_row(
    server: LLMock, ai: LoggedAI, log: MemoryLog, model: str, fault: str, error: type[Exception]
) -> None:
    server.reply("One two three four five six seven eight nine ten eleven twelve.")
    getattr(server, fault)(after_chunks=2)
    stream = ai.stream_text(model, "Count")
    with pytest.raises(error):
        [piece async for piece in stream]
    assert (log.row.status, log.row.error_code) == ("error", error.__name__)
    assert len(log.closed) == 1
    assert log.row.cost is None
    assert log.row.response == (stream.text or None)
    with pytest.raises(error):
        await stream.result()


async def test_silence_is_given_up(server: LLMock, ai: LoggedAI, log: MemoryLog) -> None:
    server.stall(after_chunks=1, seconds=5)
    server.reply("One two three four five")
    with pytest.raises(AIUnavailable, match=r"no answer in 0\.3 s"):
        [piece async for piece in ai.stream_text(OPENAI, "Count", timeout=0.3)]
    assert log.row.error_code == "AIUnavailable"
    assert log.row.cost is None
