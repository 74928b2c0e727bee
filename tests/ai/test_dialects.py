"""What each provider is sent, and how its answers are read, down to the last kind of token."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest
from dialects import Act, Verdict, anthropic, asked, google, openai
from memory_log import MemoryLog
from scripted_server import answer, stream

from engine import AIBadRequest, AIBadResponse, FilePart, ImagePart, UnknownModel

pytestmark = pytest.mark.usefixtures("keys")

PNG = b"\x89PNG\r\n\x1a\n\xff"
PNG64 = base64.b64encode(PNG).decode()


def everything(model: str) -> Act:
    prompt = ["look", ImagePart(data=PNG), ImagePart(url="https://example.com/a.png"), FilePart(data=b"%PDF", name="a")]
    return lambda ai: ai.generate_text(
        model, prompt, system="be brief", temperature=0.5, max_tokens=9, stop="END", reasoning="low"
    )


async def test_openai_is_sent_everything(log: MemoryLog) -> None:
    server, _ = await asked(log, everything("openai/o3"), openai())
    sent = server.asked[0].json
    assert sent["messages"][0] == {"role": "system", "content": "be brief"}
    text, picture, linked, file = sent["messages"][1]["content"]
    assert text == {"type": "text", "text": "look"}
    assert picture["image_url"]["url"] == f"data:image/png;base64,{PNG64}"
    assert linked["image_url"]["url"] == "https://example.com/a.png"
    assert file["file"]["filename"] == "a"
    assert sent["max_completion_tokens"] == 9
    assert "max_tokens" not in sent
    assert (sent["stop"], sent["reasoning_effort"], sent["temperature"]) == (["END"], "low", 0.5)
    assert log.row.prompt == (
        "[system]\nbe brief\n\n[user]\nlook\n[image: image/png, 9 bytes]\n"
        "[image: image/png, https://example.com/a.png]\n[a: application/pdf, 4 bytes]"
    )


async def test_anthropic_is_sent_everything(log: MemoryLog) -> None:
    server, _ = await asked(log, everything("anthropic/claude-x"), anthropic({"type": "text", "text": "hi"}))
    request = server.asked[0]
    sent = request.json
    assert request.path == "/v1/messages"
    assert request.headers["x-api-key"] == "key-of-ANTHROPIC_API_KEY"
    assert request.headers["anthropic-version"]
    assert sent["system"] == "be brief"
    text, picture, linked, file = sent["messages"][0]["content"]
    assert text == {"type": "text", "text": "look"}
    assert picture["source"] == {"type": "base64", "media_type": "image/png", "data": PNG64}
    assert linked["source"] == {"type": "url", "url": "https://example.com/a.png"}
    assert file["type"] == "document"
    assert sent["stop_sequences"] == ["END"]
    assert sent["thinking"]["budget_tokens"] < sent["max_tokens"]
    assert "temperature" not in sent


async def test_google_is_sent_everything(log: MemoryLog) -> None:
    server, _ = await asked(log, everything("google/gemini-x"), google({"text": "hi"}))
    request = server.asked[0]
    sent = request.json
    assert request.path == "/v1beta/models/gemini-x:generateContent"
    assert request.headers["x-goog-api-key"] == "key-of-GEMINI_API_KEY"
    assert sent["systemInstruction"] == {"parts": [{"text": "be brief"}]}
    text, picture, linked, _ = sent["contents"][0]["parts"]
    assert text == {"text": "look"}
    assert picture["inlineData"]["data"] == PNG64
    assert linked["fileData"]["fileUri"] == "https://example.com/a.png"
    assert sent["generationConfig"]["stopSequences"] == ["END"]
    assert sent["generationConfig"]["thinkingConfig"]["includeThoughts"] is True


async def test_every_kind_of_token_is_counted(log: MemoryLog) -> None:
    text = {"type": "text", "text": "hi"}
    _, result = await asked(
        log,
        lambda ai: ai.generate_text("anthropic/claude-haiku-4-5", "x"),
        anthropic(text, cache_read_input_tokens=30, cache_creation_input_tokens=20),
    )
    assert (result.input_tokens, result.cached_tokens, result.output_tokens) == (55, 30, 2)
    _, result = await asked(
        log,
        lambda ai: ai.generate_text("google/gemini-2.5-flash", "x"),
        google({"text": "hm", "thought": True}, {"text": "hi"}, thoughtsTokenCount=7, cachedContentTokenCount=3),
    )
    assert (result.input_tokens, result.cached_tokens, result.output_tokens, result.reasoning) == (5, 3, 9, "hm")
    assert log.rows[-1].reasoning_tokens == 7


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("openai/x", openai(None, reasoning_content="because")),
        ("anthropic/x", anthropic({"type": "thinking", "thinking": "because", "signature": "s"})),
        ("google/x", google({"text": "because", "thought": True})),
    ],
)
async def test_b196_a_reply_of_thoughts_alone_is_an_empty_text(log: MemoryLog, model: str, said: bytes) -> None:
    _, result = await asked(log, lambda ai: ai.generate_text(model, "why?"), said)
    assert (result.text, result.reasoning, log.row.status) == ("", "because", "ok")


OPTIONS: dict[str, Any] = {"seed": 7}


@pytest.mark.parametrize(
    "act",
    [
        lambda ai: ai.generate_text("openai/x", "p", provider_options=OPTIONS),
        lambda ai: ai.generate_object("openai/x", "p", Verdict, provider_options=OPTIONS),
        lambda ai: ai.generate_text("openai/x", "p", provider_options={"openai": OPTIONS, "google": {"other": 1}}),
    ],
)
async def test_b197_options_of_a_provider_are_handed_on(log: MemoryLog, act: Act) -> None:
    server, _ = await asked(log, act, openai('{"good": true}'))
    assert server.asked[0].json["seed"] == 7
    assert "other" not in server.asked[0].json


async def test_b197_options_are_handed_on_with_a_stream(log: MemoryLog) -> None:
    said = stream({"choices": [{"delta": {"content": "a"}, "finish_reason": "stop"}]})
    act: Act = lambda ai: ai.stream_text("openai/x", "p", provider_options=OPTIONS).result()  # noqa: E731
    server, _ = await asked(log, act, said)
    assert server.asked[0].json["seed"] == 7


async def test_b197_options_are_handed_on_with_embeddings_and_win(log: MemoryLog) -> None:
    vectors = answer({"embeddings": [{"values": [1, 0]}, {"values": [0, 1]}]})
    server, result = await asked(
        log,
        lambda ai: ai.embed(
            "google/gemini-embedding-001", ["a", "b"], dimensions=2, provider_options={"taskType": "CLUSTERING"}
        ),
        vectors,
    )
    assert result.embeddings == [[1.0, 0.0], [0.0, 1.0]]
    first, _ = server.asked[0].json["requests"]
    assert (first["taskType"], first["outputDimensionality"]) == ("CLUSTERING", 2)
    assert len(server.asked) == 1
    server, _ = await asked(
        log,
        lambda ai: ai.generate_text(
            "google/x",
            "p",
            provider_options={"generationConfig": {"temperature": None, "topK": 3}},
        ),
        google({"text": "hi"}),
    )
    assert server.asked[0].json["generationConfig"] == {"topK": 3}


async def test_more_texts_than_a_provider_takes_are_one_call_in_portions(log: MemoryLog) -> None:
    portions = [answer({"embeddings": [{"values": [n]}] * size}) for n, size in enumerate((100, 100, 50))]
    act: Act = lambda ai: ai.embed("google/x", [f"text {n}" for n in range(250)])  # noqa: E731
    server, result = await asked(log, act, *portions)
    assert [len(one.json["requests"]) for one in server.asked] == [100, 100, 50]
    assert [result.embeddings[n] for n in (0, 99, 100, 249)] == [[0.0], [0.0], [1.0], [2.0]]
    assert log.row.prompt == "[250 texts]"


async def test_objects_are_asked_for_natively(log: MemoryLog) -> None:
    act: Act = lambda ai: ai.generate_object("openai/x", "p", Verdict)  # noqa: E731
    server, result = await asked(log, act, openai('{"good": true, "why": "so"}'))
    sent = server.asked[0].json["response_format"]["json_schema"]
    assert sent["strict"] is True
    assert sent["schema"]["required"] == ["good", "why"]
    assert sent["schema"]["additionalProperties"] is False
    assert result.object == Verdict(good=True, why="so")
    assert server.asked[0].json["temperature"] == 0

    act = lambda ai: ai.generate_object("anthropic/x", "p", Verdict)  # noqa: E731
    server, result = await asked(log, act, anthropic({"type": "text", "text": '{"good": true, "why": ""}'}))
    sent = server.asked[0].json
    assert sent["output_config"]["format"]["type"] == "json_schema"
    assert sent["output_config"]["format"]["schema"]["additionalProperties"] is False
    assert "tools" not in sent
    assert result.object == Verdict(good=True)

    act = lambda ai: ai.generate_object("anthropic/claude-3-haiku", "p", Verdict)  # noqa: E731
    used = {"type": "tool_use", "id": "t", "name": "answer", "input": {"good": False}}
    server, result = await asked(log, act, anthropic(used, stop="tool_use"))
    assert server.asked[0].json["tool_choice"] == {"type": "tool", "name": "answer"}
    assert (result.object, result.finish_reason) == (Verdict(good=False), "stop")

    act = lambda ai: ai.generate_object("google/x", "p", list[int])  # noqa: E731
    server, result = await asked(log, act, google({"text": '{"value": [1, 2]}'}))
    sent = server.asked[0].json["generationConfig"]
    assert sent["responseMimeType"] == "application/json"
    assert sent["responseJsonSchema"]["properties"]["value"]["type"] == "array"
    assert result.object == [1, 2]


async def test_a_schema_no_strict_server_takes_is_sent_as_it_is(log: MemoryLog) -> None:
    act: Act = lambda ai: ai.generate_object("openai/x", "p", dict[str, int])  # noqa: E731
    server, result = await asked(log, act, openai('{"a": 1}'))
    assert server.asked[0].json["response_format"]["json_schema"]["strict"] is False
    assert result.object == {"a": 1}


def look_up(word: str) -> str:
    """Find a word."""
    return f"{word}!"


TOOL_TURNS = [
    (
        "openai/x",
        openai(None, tool_calls=[{"id": "c1", "function": {"name": "look_up", "arguments": '{"word": "a"}'}}]),
        openai("done"),
        lambda sent: (
            sent["messages"][-1] == {"role": "tool", "tool_call_id": "c1", "content": "a!"}
            and sent["messages"][-2]["tool_calls"][0]["id"] == "c1"
        ),
    ),
    (
        "anthropic/x",
        anthropic(
            {"type": "thinking", "thinking": "hm", "signature": "sig"},
            {"type": "tool_use", "id": "c1", "name": "look_up", "input": {"word": "a"}},
            stop="tool_use",
        ),
        anthropic({"type": "text", "text": "done"}),
        lambda sent: (
            sent["messages"][-1]["content"][0]["content"] == "a!"
            and sent["messages"][-2]["content"][0]["signature"] == "sig"
        ),
    ),
    (
        "google/x",
        google({"functionCall": {"name": "look_up", "args": {"word": "a"}}, "thoughtSignature": "sig"}),
        google({"text": "done"}),
        lambda sent: (
            sent["contents"][-1]["parts"][0]["functionResponse"]["response"] == {"result": "a!"}
            and sent["contents"][-2]["parts"][0]["thoughtSignature"] == "sig"
        ),
    ),
]


@pytest.mark.parametrize(("model", "first", "second", "fits"), TOOL_TURNS)
async def test_a_tool_goes_there_and_back(
    log: MemoryLog, model: str, first: bytes, second: bytes, fits: Callable[[Any], bool]
) -> None:
    act: Act = lambda ai: ai.generate_text(model, "p", tools=[look_up], tool_choice="look_up")  # noqa: E731
    server, result = await asked(log, act, first, second)
    assert result.text == "done"
    assert "look_up" in server.asked[0].body.decode()
    assert fits(server.asked[1].json)
    assert [row.status for row in log.rows] == ["ok", "ok"]


async def test_what_a_provider_cannot_take_is_refused_here(log: MemoryLog) -> None:
    with pytest.raises(AIBadRequest, match="by its data"):
        await asked(log, lambda ai: ai.generate_text("openai/x", [FilePart(url="https://example.com/a")]), openai())
    with pytest.raises(AIBadRequest, match="no embeddings"):
        await asked(log, lambda ai: ai.embed("anthropic/x", "a"), openai())
    blocked = answer({"promptFeedback": {"blockReason": "SAFETY"}})
    with pytest.raises(AIBadRequest, match="blocked: SAFETY"):
        await asked(log, lambda ai: ai.generate_text("google/x", "p"), blocked)
    missing = answer({"type": "error", "error": {"type": "not_found_error", "message": "model: claude-9"}}, 404)
    with pytest.raises(UnknownModel, match="anthropic/claude-9"):
        await asked(log, lambda ai: ai.generate_text("anthropic/claude-9", "p"), missing)
    assert all(row.status == "error" for row in log.rows)


async def test_an_answer_cut_off_or_refused_is_no_object(log: MemoryLog) -> None:
    with pytest.raises(AIBadResponse, match="max_tokens"):
        await asked(
            log, lambda ai: ai.generate_object("google/x", "p", Verdict), google({"text": "{"}, finish="MAX_TOKENS")
        )
    act: Act = lambda ai: ai.generate_object("openai/x", "p", Verdict)  # noqa: E731
    with pytest.raises(AIBadResponse, match="refused: no"):
        await asked(log, act, openai(None, refusal="no"))
    assert [(row.error_code, row.input_tokens) for row in log.rows] == [("AIBadResponse", 5)] * 2
