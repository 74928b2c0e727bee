"""Against a second server of the three wire protocols that nobody here wrote, npm's aimock: `make test-aimock`.

It needs Node.js and npm, and fetches the server into a temporary folder.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from aimock_server import Aimock, running
from memory_log import MemoryLog
from pydantic import BaseModel

from engine import (
    AIAuthError,
    AIBadRequest,
    AIBadResponse,
    AIError,
    AIRateLimited,
    AIUnavailable,
    BatchRequest,
    TextResult,
    UnknownModel,
)
from engine.ai import Providers, create_ai_helper, http
from engine.ai.logged_ai import LoggedAI

pytestmark = pytest.mark.aimock

OPENAI, ANTHROPIC, GOOGLE = "openai/gpt-4o-mini", "anthropic/claude-haiku-4-5", "google/gemini-2.5-flash"
MODELS = [OPENAI, ANTHROPIC, GOOGLE]
KEYS = {name: f"key-of-{name}" for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY")}
INPUT, OUTPUT = 31, 7
USAGE = dict.fromkeys(("prompt_tokens", "input_tokens", "promptTokenCount"), INPUT) | dict.fromkeys(
    ("completion_tokens", "output_tokens", "candidatesTokenCount"), OUTPUT
)
"""In the words of each provider: the server takes its own."""
COUNTING = "One two three four five six seven eight nine ten eleven twelve."


class City(BaseModel):
    name: str
    people: int
    kind: str = "city"


@pytest.fixture(scope="module")
def running_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aimock]:
    with running(tmp_path_factory.mktemp("aimock"), *KEYS.values()) as server:
        yield server


@pytest.fixture
def server(running_server: Aimock, keys: None, monkeypatch: pytest.MonkeyPatch) -> Aimock:
    """Pointed at by all three adapters, and with nothing to say yet."""
    running_server.reset()
    monkeypatch.setenv("OPENAI_BASE_URL", f"{running_server.url}/v1")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", running_server.url)
    monkeypatch.setenv("GEMINI_BASE_URL", running_server.url)
    monkeypatch.setattr(http, "BACKOFF", 0.001)
    return running_server


@pytest.fixture
def ai(server: Aimock, log: MemoryLog) -> LoggedAI:
    return helper(log)


def helper(log: MemoryLog, **more: Any) -> LoggedAI:
    names = ("openai", "anthropic", "google")
    return create_ai_helper(
        "tests", log, providers=Providers({name: {"max_retries": 2, "timeout": 20, **more} for name in names})
    )


def says(text: Any, **more: Any) -> dict[str, Any]:
    return {"content": text, "usage": USAGE, **more}


def assert_counted(log: MemoryLog, result: TextResult, *, turns: int = 1) -> None:
    """One good row for each turn, each with the tokens the server said, and the result with their sum."""
    assert [row.status for row in log.rows] == ["ok"] * turns
    assert [(row.input_tokens, row.output_tokens) for row in log.rows] == [(INPUT, OUTPUT)] * turns
    assert (result.input_tokens, result.output_tokens) == (INPUT * turns, OUTPUT * turns)
    assert result.call_ids == tuple(row.id for row in log.rows)
    assert sorted(log.closed) == sorted(result.call_ids)
    assert result.cost == sum((row.cost or Decimal(0) for row in log.rows), Decimal(0))
    assert result.cost


def assert_failed(log: MemoryLog, error: type[AIError], cost: int | None) -> None:
    assert (log.row.status, log.row.error_code, log.row.cost) == ("error", error.__name__, cost)
    assert (log.row.input_tokens, log.row.output_tokens) == (0, 0)
    assert log.closed == [log.row.id]


@pytest.mark.parametrize("model", MODELS)
async def test_text(server: Aimock, ai: LoggedAI, log: MemoryLog, model: str) -> None:
    server.answer(says("Paris, of course."), to={"userMessage": "capital of France", "systemMessage": "Be short."})
    result = await ai.generate_text(model, "What is the capital of France?", system="Be short.", max_tokens=50)
    assert (result.text, result.finish_reason) == ("Paris, of course.", "stop")
    assert_counted(log, result)
    assert (log.row.model, log.row.call_type, log.row.response) == (model, "text", "Paris, of course.")
    sent = server.asked[0]["body"]
    assert 50 in (sent.get("max_tokens"), sent.get("max_completion_tokens"))


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("reason", ["length", "content_filter"])
async def test_why_it_ended(server: Aimock, ai: LoggedAI, log: MemoryLog, model: str, reason: str) -> None:
    server.answer(says("cut", finishReason=reason))
    result = await ai.generate_text(model, "Go on")
    assert result.finish_reason == log.row.finish_reason == reason
    assert_counted(log, result)


@pytest.mark.parametrize("model", MODELS)
async def test_thoughts(server: Aimock, ai: LoggedAI, log: MemoryLog, model: str) -> None:
    server.answer(says("Yes.", reasoning="It rained all day."))
    result = await ai.generate_text(model, "Is it wet?", reasoning="low")
    assert (result.text, result.reasoning) == ("Yes.", "It rained all day.")
    assert_counted(log, result)


@pytest.mark.parametrize("model", MODELS)
async def test_object(server: Aimock, ai: LoggedAI, log: MemoryLog, model: str) -> None:
    # The server tells the ways to ask for an object apart with OpenAI alone.
    native = {"responseFormat": "json_schema"} if model == OPENAI else {}
    server.answer(
        says({"name": "Paris", "people": 2_100_000, "kind": "capital"}), to={"userMessage": "Paris", **native}
    )
    result = await ai.generate_object(model, "Tell me of Paris", City)
    assert result.object == City(name="Paris", people=2_100_000, kind="capital")
    assert_counted(log, result)
    assert log.row.call_type == "object"


@pytest.mark.parametrize("model", MODELS)
async def test_an_object_that_does_not_fit_is_asked_for_again(
    server: Aimock, ai: LoggedAI, log: MemoryLog, model: str
) -> None:
    server.answer(says({"name": "Paris", "people": "many"}), to={"turnIndex": 0, "userMessage": "Tell me"})
    server.answer(says({"name": "Paris", "people": 3, "kind": "city"}), to={"userMessage": "does not fit"})
    result = await ai.generate_object(model, "Tell me of Paris", City)
    assert result.object.people == 3
    assert [(row.status, row.error_code) for row in log.rows] == [("error", "AIBadResponse"), ("ok", None)]
    assert [(row.input_tokens, row.output_tokens) for row in log.rows] == [(INPUT, OUTPUT)] * 2
    assert (result.input_tokens, result.output_tokens) == (2 * INPUT, 2 * OUTPUT)


@pytest.mark.parametrize("model", MODELS)
async def test_stream(server: Aimock, ai: LoggedAI, log: MemoryLog, model: str) -> None:
    server.answer(says(COUNTING, reasoning="From one on."))
    stream = ai.stream_text(model, "Count")
    pieces = [piece async for piece in stream]
    assert len(pieces) > 5
    result = await stream.result()
    assert "".join(pieces) == stream.text == result.text == log.row.response == COUNTING
    assert result.reasoning == stream.reasoning == "From one on."
    assert_counted(log, result)
    assert log.row.first_token_ms is not None


@pytest.mark.parametrize("model", MODELS)
async def test_tools(server: Aimock, ai: LoggedAI, log: MemoryLog, model: str) -> None:
    asked: list[str] = []

    def weather(city: str, days: int = 1) -> dict[str, int]:
        """The weather of a city."""
        asked.append(city)
        return {"degrees": 21 * days}

    calls = [{"name": "weather", "arguments": {"city": city}} for city in ("Paris", "Rome")]
    server.answer(says("Let me see.", toolCalls=calls), to={"toolName": "weather", "hasToolResult": False})
    server.answer(says("It is warm."), to={"hasToolResult": True, "toolResultContains": "degrees"})
    result = await ai.generate_text(model, "How is the weather in Paris and Rome?", tools=[weather])
    assert result.text == "It is warm."
    assert sorted(asked) == ["Paris", "Rome"]
    assert_counted(log, result, turns=2)
    assert [row.finish_reason for row in log.rows] == ["tool_calls", "stop"]
    assert (log.rows[1].prompt or "").count('"degrees":21') == 2


@pytest.mark.parametrize("model", MODELS)
async def test_many_at_once_are_a_row_each(server: Aimock, ai: LoggedAI, log: MemoryLog, model: str) -> None:
    for number in range(20):
        server.answer(says(f"answer {number}"), to={"userMessage": f"<{number}>"})
    results = await asyncio.gather(*(ai.generate_text(model, f"question <{number}>") for number in range(20)))
    assert [result.text for result in results] == [f"answer {number}" for number in range(20)]
    assert {row.id: row.response for row in log.rows} == {result.call_id: result.text for result in results}
    assert {(row.input_tokens, row.output_tokens) for row in log.rows} == {(INPUT, OUTPUT)}


async def test_embeddings(server: Aimock, ai: LoggedAI, log: MemoryLog) -> None:
    model = "openai/text-embedding-3-small"
    one, two = (await ai.embed(model, ["one", "two"], dimensions=8)).embeddings
    assert len(one) == len(two) == 8
    assert one != two
    server.answer({"embedding": [0.25, -0.5]}, to={"inputText": "three"})
    result = await ai.embed(model, "three")
    assert result.embeddings == [[0.25, -0.5]]
    assert [(row.call_type, row.status) for row in log.rows] == [("embed", "ok")] * 2
    assert server.statuses == [200, 200]
    # Nothing is what the server says embeddings take.
    assert [(row.input_tokens, row.cost) for row in log.rows] == [(0, 0)] * 2


async def test_batch(server: Aimock, ai: LoggedAI, log: MemoryLog) -> None:
    batch = ai.batch(OPENAI)
    handed = await batch.submit([BatchRequest(id="b", prompt="one"), BatchRequest(id="a", prompt="two")])
    assert handed.status == "pending"
    with pytest.raises(AIUnavailable, match="processing"):
        await batch.results(handed)
    assert log.rows == []
    assert (await batch.status(handed)).status == "completed"
    items = await batch.results(handed)
    assert [(item.id, item.status, item.text) for item in items] == [
        (id, "succeeded", "Mock batch completion") for id in ("b", "a")
    ]
    again = await ai.batch(OPENAI).results(handed.id)
    assert sorted(item.call_id for item in again) == sorted(row.id for row in log.rows)
    assert [(row.call_type, row.status, row.input_tokens, row.output_tokens) for row in log.rows] == [
        ("batch", "ok", 1, 1)
    ] * 2
    assert all(row.cost for row in log.rows)


async def failed_batch(log: MemoryLog, outcome: str, monkeypatch: pytest.MonkeyPatch) -> tuple[LoggedAI, str]:
    """A batch the server let end so; it ends with the second look."""
    monkeypatch.setenv("OUTCOME", outcome)
    ai = helper(log, header_env={"X-AIMock-Batch-Outcome": "OUTCOME"})
    batch = ai.batch(OPENAI)
    handed = await batch.submit(["one", "two"])
    assert (await batch.status(handed)).status == "processing"
    assert (await batch.status(handed)).status == "failed"
    return ai, handed.id


async def test_a_batch_whose_items_failed(server: Aimock, log: MemoryLog, monkeypatch: pytest.MonkeyPatch) -> None:
    ai, id = await failed_batch(log, "failed", monkeypatch)
    items = await ai.batch(OPENAI).results(id)
    assert [(item.status, item.text) for item in items] == [("failed", None)] * 2
    assert all("Mock batch failure" in (item.error or "") for item in items)
    assert [(row.status, row.cost, row.input_tokens) for row in log.rows] == [("error", 0, 0)] * 2


@pytest.mark.parametrize("outcome", ["expired", "cancelled"])
async def test_a_batch_that_failed_as_a_whole(
    server: Aimock, log: MemoryLog, monkeypatch: pytest.MonkeyPatch, outcome: str
) -> None:
    ai, id = await failed_batch(log, outcome, monkeypatch)
    with pytest.raises(AIBadResponse, match=outcome):
        await ai.batch(OPENAI).results(id)
    assert log.rows == []


async def test_what_the_server_does_not_know_is_refused(server: Aimock, ai: LoggedAI, log: MemoryLog) -> None:
    for model in (ANTHROPIC, GOOGLE):
        with pytest.raises(AIBadRequest, match="404"):
            await ai.batch(model).submit(["one"])
        with pytest.raises(AIBadRequest, match="404"):
            await ai.batch(model).status("nobodys")
    assert log.rows == []
    with pytest.raises(AIBadRequest, match="404"):
        await ai.embed("google/gemini-embedding-001", ["one", "two"])
    assert_failed(log, AIBadRequest, 0)


@pytest.mark.parametrize("model", MODELS)
async def test_a_key_it_was_not_given(
    server: Aimock, ai: LoggedAI, log: MemoryLog, monkeypatch: pytest.MonkeyPatch, model: str
) -> None:
    for name in KEYS:
        monkeypatch.setenv(name, "key-of-a-stranger")
    server.answer(says("come in"))
    with pytest.raises(AIAuthError) as caught:
        await ai.generate_text(model, "go")
    assert "key-of-a-stranger" not in str(caught.value)
    assert_failed(log, AIAuthError, 0)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(("status", "more"), [(429, {"after": 0}), (500, {}), (503, {}), (529, {"type": "overloaded"})])
async def test_what_passes_is_waited_out_in_one_row(
    server: Aimock, ai: LoggedAI, log: MemoryLog, model: str, status: int, more: dict[str, Any]
) -> None:
    server.fail(status, "not now", times=2, **more)
    server.answer(says("at last"))
    result = await ai.generate_text(model, "go")
    assert result.text == "at last"
    assert_counted(log, result)
    assert server.statuses == [status, status, 200]


REFUSALS = [
    (429, "slow down", {"after": 3600}, AIRateLimited, 1),
    (429, "slow down", {"after": 0}, AIRateLimited, 3),
    (500, "oops", {}, AIUnavailable, 3),
    (529, "Overloaded", {"type": "overloaded_error"}, AIUnavailable, 3),
    (400, "above the maximum context length", {"type": "invalid_request_error"}, AIBadRequest, 1),
    (403, "not for you", {}, AIAuthError, 1),
    (404, "model: of yesterday", {"type": "not_found_error", "code": "model_not_found"}, UnknownModel, 1),
]


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(("status", "message", "more", "error", "requests"), REFUSALS)
@pytest.mark.parametrize("streamed", [False, True])
async def test_what_stays_is_a_typed_error(
    server: Aimock, ai: LoggedAI, log: MemoryLog, model: str, status: int, message: str, more: dict[str, Any],
    error: type[AIError], requests: int, streamed: bool,
) -> None:  # fmt: skip
    server.fail(status, message, **more)
    with pytest.raises(AIError, match=message) as caught:
        await asked(ai, model, streamed)
    assert type(caught.value) is error
    if error is AIRateLimited:
        assert caught.value.retry_after == more["after"]
    assert server.statuses == [status] * requests
    assert_failed(log, error, 0)


async def asked(ai: LoggedAI, model: str, streamed: bool, **how: Any) -> TextResult:
    if streamed:
        return await ai.stream_text(model, "go", **how).result()
    return await ai.generate_text(model, "go", **how)


TROUBLES: list[tuple[str, type[AIError], list[int], int | None]] = [
    ("dropRate", AIUnavailable, [500] * 3, 0),
    ("malformedRate", AIBadResponse, [200], None),
    ("disconnectRate", AIUnavailable, [0] * 3, None),
]


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(("trouble", "error", "statuses", "cost"), TROUBLES)
@pytest.mark.parametrize("streamed", [False, True])
async def test_trouble_with_every_request(
    server: Aimock, ai: LoggedAI, log: MemoryLog, model: str, trouble: str, error: type[AIError],
    statuses: list[int], cost: int | None, streamed: bool,
) -> None:  # fmt: skip
    server.answer(says("never heard"))
    server.trouble(**{trouble: 1})
    with pytest.raises(AIError) as caught:
        await asked(ai, model, streamed)
    assert type(caught.value) is error
    assert server.statuses == statuses
    assert_failed(log, error, cost)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("streamed", [False, True])
async def test_an_answer_that_is_late_is_given_up(
    server: Aimock, ai: LoggedAI, log: MemoryLog, model: str, streamed: bool
) -> None:
    server.answer(says("never heard"))
    server.trouble(latencyMs=20_000)
    with pytest.raises(AIUnavailable, match=r"no answer in 0\.3 s"):
        await asked(ai, model, streamed, timeout=0.3)
    assert_failed(log, AIUnavailable, None)


BREAKS: list[dict[str, Any]] = [
    {"truncateAfterChunks": 6, "latency": 20},
    {"disconnectAfterMs": 500, "latency": 100},
]


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("how", BREAKS)
async def test_a_broken_stream_is_an_error_and_one_row(
    server: Aimock, ai: LoggedAI, log: MemoryLog, model: str, how: dict[str, Any]
) -> None:
    server.answer(says(COUNTING), **how)
    stream = ai.stream_text(model, "Count")
    with pytest.raises(AIUnavailable):
        [piece async for piece in stream]
    assert stream.text
    assert COUNTING.startswith(stream.text)
    assert log.row.response == stream.text
    assert_failed(log, AIUnavailable, None)
    assert server.statuses == [200]
    with pytest.raises(AIUnavailable):
        await stream.result()


@pytest.mark.parametrize("model", MODELS)
async def test_a_stream_that_falls_silent_is_given_up(server: Aimock, ai: LoggedAI, log: MemoryLog, model: str) -> None:
    server.answer(says(COUNTING), streamingProfile={"ttft": 0, "tps": 0.05})
    with pytest.raises(AIUnavailable, match=r"no answer in 0\.5 s"):
        await ai.stream_text(model, "Count", timeout=0.5).result()
    assert_failed(log, AIUnavailable, None)
    assert server.statuses == [200]
