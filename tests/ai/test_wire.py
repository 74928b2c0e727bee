"""Failures on the wire, and what each becomes: a right answer or a typed error, and one row."""

from __future__ import annotations

import asyncio
import time
from decimal import Decimal
from typing import Any

import httpx
import pytest
from memory_log import MemoryLog
from scripted_server import answer, serving, stream

from engine import (
    AIAuthError,
    AIBadRequest,
    AIBadResponse,
    AIError,
    AIRateLimited,
    AIUnavailable,
    UnknownModel,
)
from engine.ai import Providers, ProviderSettings, create_ai_helper, http
from engine.ai.logged_ai import LoggedAI

KEY = "plain-words-no-pattern-knows"


def chat(text: str, **more: Any) -> dict[str, Any]:
    return {
        "model": "gpt-5-2025-08-07",
        "choices": [{"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 10, "prompt_tokens_details": {"cached_tokens": 40}},
        **more,
    }


def piece(text: str, finish: str | None = None) -> dict[str, Any]:
    return {"choices": [{"delta": {"content": text}, "finish_reason": finish}]}


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Backing off takes no time."""
    monkeypatch.setattr(http, "BACKOFF", 0.001)


@pytest.fixture
def ai(log: MemoryLog, monkeypatch: pytest.MonkeyPatch, quick: None) -> LoggedAI:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    return create_ai_helper("tests", log, providers=Providers({"openai": {"max_retries": 2, "timeout": 5}}))


async def ask(ai: LoggedAI, url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("OPENAI_BASE_URL", url)
    return (await ai.generate_text("openai/gpt-5", "hello")).text


async def test_an_answer_is_counted_and_priced(ai: LoggedAI, log: MemoryLog, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(answer(chat("hi"))) as server:
        assert await ask(ai, server.url, monkeypatch) == "hi"
    row = log.row
    assert (row.input_tokens, row.output_tokens, row.cached_tokens) == (100, 10, 40)
    assert row.cost == (60 * Decimal("1.25") + 40 * Decimal("0.125") + 10 * Decimal(10)) / 1_000_000
    assert row.answered_by == "gpt-5-2025-08-07"
    assert server.asked[0].headers["authorization"] == f"Bearer {KEY}"
    assert server.asked[0].json["messages"] == [{"role": "user", "content": "hello"}]


TRANSIENT = [
    answer({"error": {"message": "slow down"}}, 429, retry_after="0"),
    answer({"error": {"message": "slow down"}}, 429, retry_after_ms="1"),
    answer({"error": {"message": "oops"}}, 500),
    answer(b"<html>Bad gateway</html>", 502),
    answer({"error": {"type": "overloaded_error", "message": "Overloaded"}}, 529),
    b"",
    answer(chat("cut"))[:-20],
]


@pytest.mark.parametrize("trouble", TRANSIENT)
async def test_what_passes_is_asked_again(
    ai: LoggedAI, log: MemoryLog, monkeypatch: pytest.MonkeyPatch, trouble: bytes
) -> None:
    async with serving(trouble, trouble, answer(chat("after all"))) as server:
        assert await ask(ai, server.url, monkeypatch) == "after all"
    assert len(server.asked) == 3
    assert log.row.status == "ok"


FATAL = [
    (answer({"error": {"message": "slow down"}}, 429, retry_after="0"), AIRateLimited, 3, 0),
    (answer({"error": {"message": "oops"}}, 500), AIUnavailable, 3, 0),
    (answer({"error": {"message": f"Incorrect API key provided: {KEY}"}}, 401), AIAuthError, 1, 0),
    (answer({"error": {"message": "API key not valid", "status": "INVALID_ARGUMENT"}}, 400), AIAuthError, 1, 0),
    (answer({"error": {"message": "no"}}, 403), AIAuthError, 1, 0),
    (answer({"error": {"message": "what?"}}, 400), AIBadRequest, 1, 0),
    (answer({"error": {"message": "too big"}}, 413), AIBadRequest, 1, 0),
    (answer({"error": {"message": "gone", "code": "model_not_found"}}, 404), UnknownModel, 1, 0),
    (answer({"detail": "no such page"}, 404), AIBadRequest, 1, 0),
    (answer(b"{not json"), AIBadResponse, 1, None),
    (answer([1, 2]), AIBadResponse, 1, None),
    (answer({"choices": []}), AIBadResponse, 1, None),
    (answer({"error": {"message": "provider broke", "code": 502}}), AIUnavailable, 1, None),
    (b"", AIUnavailable, 3, None),
    (answer(chat("cut"))[:-20], AIUnavailable, 3, None),
]


@pytest.mark.parametrize(("trouble", "error", "requests", "cost"), FATAL)
async def test_what_stays_is_a_typed_error(
    ai: LoggedAI,
    log: MemoryLog,
    monkeypatch: pytest.MonkeyPatch,
    trouble: bytes,
    error: type[AIError],
    requests: int,
    cost: int | None,
) -> None:
    async with serving(trouble) as server:
        with pytest.raises(AIError) as caught:
            await ask(ai, server.url, monkeypatch)
    assert type(caught.value) is error
    assert len(server.asked) == requests
    assert (log.row.status, log.row.error_code, log.row.cost) == ("error", error.__name__, cost)
    assert KEY not in str(caught.value)
    assert KEY not in repr(log.row)


NONSENSE: list[Any] = [
    *(None, 7, "text", [], {}, {"choices": 7}, {"choices": [7]}, {"choices": [{"message": None}]}),
    *({"choices": [{"message": {"content": "x"}}], "usage": {"prompt_tokens": "many"}},),
    *({"content": 7}, {"content": [7]}, {"content": [{"type": "text", "text": "x"}], "usage": {"input_tokens": [7]}}),
    *({"candidates": 7}, {"candidates": [7]}, {"candidates": [{"content": 7}]}),
    *({"candidates": [{"content": {"parts": [7]}}]}, {"data": [{}]}, {"data": [{"embedding": ["x"]}]}),
    *({"embeddings": [{}]}, {"embeddings": [{"values": 7}]}),
]


@pytest.mark.parametrize("said", NONSENSE)
async def test_nonsense_is_an_answer_that_cannot_be_read(log: MemoryLog, said: Any) -> None:
    async with serving(answer(said)) as server:
        apis = {"a": "openai", "b": "anthropic", "c": "google"}
        providers = Providers({name: {"api": api, "base_url": server.url} for name, api in apis.items()})
        ai = create_ai_helper("tests", log, providers=providers)
        for name in apis:
            with pytest.raises(AIBadResponse):
                await ai.generate_text(f"{name}/m", "hello")
        for name in ("a", "c"):
            with pytest.raises(AIBadResponse):
                await ai.embed(f"{name}/m", "hello")
    assert {row.error_code for row in log.rows} == {"AIBadResponse"}


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("3600", 3600), ("1.5", 1.5), ("Wed, 21 Oct 2015 07:28:00 GMT", 0), ("soon", None), ("-7", None), ("", None),
        ("99999999999999999999", 1e20), ("1e5", None), ("nan", None),
    ],
)  # fmt: skip
def test_retry_after_is_read_whatever_it_says(header: str, seconds: float | None) -> None:
    assert http._retry_after(httpx.Headers({"retry-after": header})) == seconds


async def test_nobody_at_home(ai: LoggedAI, log: MemoryLog, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(None) as server:
        pass
    with pytest.raises(AIUnavailable, match="openai: ConnectError"):
        await ask(ai, server.url, monkeypatch)
    assert log.row.cost == 0


async def test_silence_ends_in_time_and_is_not_asked_again(
    ai: LoggedAI, log: MemoryLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(None) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        with pytest.raises(AIUnavailable, match=r"no answer in 0\.2 s"):
            await ai.generate_text("openai/gpt-5", "hello", timeout=0.2)
    assert len(server.asked) == 1
    assert log.row.cost is None


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_cancelled_call_is_given_up_at_once_and_noted(
    ai: LoggedAI, log: MemoryLog, monkeypatch: pytest.MonkeyPatch, streamed: bool
) -> None:
    async def body() -> None:
        if streamed:
            await ai.stream_text("openai/gpt-5", "hello").result()
        else:
            await ai.generate_text("openai/gpt-5", "hello")

    async with serving(None) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        task = asyncio.create_task(body())
        while not server.asked:
            await asyncio.sleep(0)
        began = time.monotonic()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert time.monotonic() - began < 1
        await asyncio.wait_for(server.left.wait(), 1)
    assert (log.row.status, log.row.error_code, log.row.cost) == ("error", "Cancelled", None)
    assert len(log.closed) == 1


async def test_a_stream_with_usage_and_thoughts(ai: LoggedAI, log: MemoryLog, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = {"prompt_tokens": 9, "completion_tokens": 3, "completion_tokens_details": {"reasoning_tokens": 2}}
    thought = {"choices": [{"delta": {"reasoning_content": "hm"}}]}
    said = stream(
        thought, piece("a\u2028"), piece("b", "stop"), {"choices": [], "usage": usage}, end=b"data: [DONE]\n\n"
    )
    async with serving(said) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        reading = ai.stream_text("openai/gpt-5", "hello")
        assert [one async for one in reading] == ["a\u2028", "b"]
        result = await reading.result()
    assert (result.text, result.reasoning, result.input_tokens, result.output_tokens) == ("a\u2028b", "hm", 9, 3)
    assert log.row.reasoning_tokens == 2
    assert server.asked[0].json["stream_options"] == {"include_usage": True}


async def test_a_stream_without_usage_costs_nobody_knows_what(
    ai: LoggedAI, log: MemoryLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(stream(piece("a"), piece("b", "stop"), end=b"data: [DONE]\n\n")) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        result = await ai.stream_text("openai/gpt-5", "hello").result()
    assert (result.text, result.cost, log.row.status) == ("ab", None, "ok")


BROKEN_STREAMS = [
    (stream(piece("a"), end=b"data: [DONE]\n\n"), AIBadResponse),
    (stream(piece("a")), AIBadResponse),
    (stream(piece("a"), end=b"data: {half"), AIBadResponse),
    (stream(piece("a"), {"error": {"type": "server_error", "message": "broke"}}), AIUnavailable),
    (stream(piece("a"), {"error": {"type": "rate_limit_error", "message": "slow"}}), AIRateLimited),
]


@pytest.mark.parametrize(("said", "error"), BROKEN_STREAMS)
async def test_a_stream_that_breaks_off_is_an_error(
    ai: LoggedAI, log: MemoryLog, monkeypatch: pytest.MonkeyPatch, said: bytes, error: type[AIError]
) -> None:
    async with serving(said) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        reading = ai.stream_text("openai/gpt-5", "hello")
        with pytest.raises(error):
            [one async for one in reading]
    assert reading.text == "a"
    assert (log.row.response, log.row.error_code) == ("a", error.__name__)
    assert len(server.asked) == 1


async def test_a_stream_is_tried_again_until_its_first_byte(
    ai: LoggedAI, log: MemoryLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy = answer({"error": {"message": "busy"}}, 503)
    async with serving(busy, stream(piece("a", "stop"))) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        assert (await ai.stream_text("openai/gpt-5", "hello").result()).text == "a"
    assert len(server.asked) == 2
    assert log.row.status == "ok"


async def test_a_model_that_takes_no_temperature_is_asked_without(
    ai: LoggedAI, log: MemoryLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = answer({"error": {"message": "Unsupported value: 'temperature' does not support 0.7"}}, 400)
    async with serving(refused, answer(chat("hi"))) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        for _ in range(2):
            assert (await ai.generate_text("openai/picky-model", "hello")).text == "hi"
    assert ["temperature" in one.json for one in server.asked] == [True, False, False]
    assert len(log.rows) == 2


async def test_without_a_key_nobody_is_asked(log: MemoryLog) -> None:
    ai = create_ai_helper("tests", log)
    for model, variable in [("openai/x", "OPENAI_API_KEY"), ("anthropic/x", "ANTHROPIC"), ("google/x", "GEMINI")]:
        with pytest.raises(AIAuthError, match=variable):
            await ai.generate_text(model, "hello")
    assert {row.cost for row in log.rows} == {0}


async def test_a_server_of_ones_own_has_its_own_key_and_no_other(
    log: MemoryLog, monkeypatch: pytest.MonkeyPatch, quick: None
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("MINE", "own-key-123456")
    async with serving(answer(chat("hi"))) as server:
        providers = Providers({
            "mine": {"base_url": server.url, "api_key_env": "MINE"},
            "local": ProviderSettings(base_url=f"{server.url}/v1/", structured_output="json_object"),
        })  # fmt: skip
        ai = create_ai_helper("tests", log, providers=providers)
        await ai.generate_text("mine/llama3:8b", "hello", max_tokens=5)
        await ai.generate_text("local/team/model", "hello")
    mine, local = server.asked
    assert mine.headers["authorization"] == "Bearer own-key-123456"
    assert "authorization" not in local.headers
    assert (mine.path, local.path) == ("/chat/completions", "/v1/chat/completions")
    assert (mine.json["model"], local.json["model"]) == ("llama3:8b", "team/model")
    assert mine.json["max_tokens"] == 5
    assert [row.cost for row in log.rows] == [None, None]


async def test_each_loop_closes_its_own_connections() -> None:
    def once() -> str:
        async def main() -> str:
            async with serving(answer(chat("hi"))) as server:
                providers = Providers({"mine": {"base_url": server.url}})
                return (
                    await create_ai_helper("t", MemoryLog(), providers=providers).generate_text("mine/x", "hi")
                ).text

        return asyncio.run(main())

    assert await asyncio.gather(*(asyncio.to_thread(once) for _ in range(3))) == ["hi"] * 3
    assert asyncio.get_running_loop() not in http._clients
    assert not http._clients
