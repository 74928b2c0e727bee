"""Answers as the three providers give them, and a helper that is pointed at a server giving them."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from memory_log import MemoryLog
from pydantic import BaseModel
from scripted_server import Script, answer, serving

from engine.ai import Providers, create_ai_helper
from engine.ai.logged_ai import LoggedAI

Act = Callable[[LoggedAI], Coroutine[Any, Any, Any]]


class Verdict(BaseModel):
    good: bool
    why: str = ""


async def asked(log: MemoryLog, act: Act, *answers: bytes) -> tuple[Script, Any]:
    """What the server was asked, and what `act` gave."""
    async with serving(*answers) as server:
        names = ("openai", "anthropic", "google")
        ai = create_ai_helper("tests", log, providers=Providers({name: {"base_url": server.url} for name in names}))
        return server, await act(ai)


def openai(text: str | None = "hi", **message: Any) -> bytes:
    choice = {
        "message": {"content": text, **message},
        "finish_reason": "tool_calls" if "tool_calls" in message else "stop",
    }
    return answer({"choices": [choice], "usage": {"prompt_tokens": 5, "completion_tokens": 2}})


def anthropic(*content: Any, stop: str = "end_turn", **usage: int) -> bytes:
    counted = {"input_tokens": 5, "output_tokens": 2, **usage}
    return answer({"model": "claude-x", "content": list(content), "stop_reason": stop, "usage": counted})


def google(*parts: Any, finish: str = "STOP", **usage: int) -> bytes:
    counted = {"promptTokenCount": 5, "candidatesTokenCount": 2, **usage}
    candidate = {"content": {"role": "model", "parts": list(parts)}, "finishReason": finish}
    return answer({"candidates": [candidate], "usageMetadata": counted, "modelVersion": "gemini-x"})
