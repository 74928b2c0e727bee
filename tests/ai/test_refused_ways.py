"""Models of every age: what one refuses is done without, in the same call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from dialects import Act, Verdict, anthropic, asked, google, openai
from memory_log import MemoryLog
from scripted_server import answer

from engine import AIBadRequest
from engine.ai.logged_ai import LoggedAI

pytestmark = pytest.mark.usefixtures("keys")

REFUSALS = [
    (
        "openai/gpt-x1",
        "Unsupported value: 'temperature' does not support 0 with this model. Only the default (1) is supported.",
        openai('{"good": true}'),
        lambda sent: "temperature" not in sent,
    ),
    (
        "openai/gpt-x2",
        "Invalid parameter: 'response_format' of type 'json_schema' is not supported with this model",
        openai('```{"good": true}```'),
        lambda sent: "response_format" not in sent and "JSON schema" in sent["messages"][0]["content"],
    ),
    (
        "openai/x3",
        "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
        openai('{"good": true}'),
        lambda sent: sent.get("max_completion_tokens") == 99 and "max_tokens" not in sent,
    ),
    (
        "anthropic/claude-x1",
        "`temperature` is deprecated for this model.",
        anthropic({"type": "text", "text": '{"good": true}'}),
        lambda sent: "temperature" not in sent,
    ),
    (
        "anthropic/claude-x2",
        "output_config.format: Extra inputs are not permitted",
        anthropic({"type": "tool_use", "id": "t", "name": "answer", "input": {"good": True}}, stop="tool_use"),
        lambda sent: sent.get("tool_choice", {}).get("name") == "answer",
    ),
    (
        "google/gemini-x1",
        'Invalid JSON payload received. Unknown name "responseJsonSchema"',
        google({"text": '{"good": true}'}),
        lambda sent: "responseJsonSchema" not in sent["generationConfig"],
    ),
]


@pytest.mark.parametrize(("model", "refusal", "said", "fits"), REFUSALS)
async def test_a_model_is_asked_as_it_can_be_asked(
    log: MemoryLog, model: str, refusal: str, said: bytes, fits: Callable[[Any], bool]
) -> None:
    refused = answer({"error": {"message": refusal}}, 400)
    act: Act = lambda ai: ai.generate_object(model, "p", Verdict, max_tokens=99)  # noqa: E731
    server, result = await asked(log, act, refused, said)
    assert result.object == Verdict(good=True)
    assert not fits(server.asked[0].json)
    assert fits(server.asked[1].json)
    assert log.row.status == "ok"


async def test_a_model_that_measures_its_thinking_itself_is_told_an_effort(log: MemoryLog) -> None:
    refused = answer({"error": {"message": '"thinking.type.enabled" is not supported for this model.'}}, 400)
    good = anthropic({"type": "text", "text": "hi"})

    async def act(ai: LoggedAI) -> Any:
        return [await ai.generate_text("anthropic/claude-x3", "p", reasoning="high") for _ in range(2)]

    server, _ = await asked(log, act, refused, good, good)
    assert len(server.asked) == 3, "once it is known, nobody asks the other way"
    for request in server.asked[1:]:
        assert request.json["thinking"]["type"] == "adaptive"
        assert request.json["output_config"] == {"effort": "high"}


async def test_a_temperature_out_of_range_is_an_error(log: MemoryLog) -> None:
    refused = answer({"error": {"message": "Invalid 'temperature': decimal above maximum value."}}, 400)
    with pytest.raises(AIBadRequest, match="above maximum"):
        await asked(log, lambda ai: ai.generate_text("openai/x4", "p", temperature=9), refused)
