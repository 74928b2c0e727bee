"""OpenAI's chat completions, embeddings and batches, and every server that speaks as OpenAI does."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from engine.ai.http import Ask
from engine.ai.json_answers import strict, with_instruction
from engine.ai.providers.adapting import (
    CHARACTERS_PER_TOKEN,
    TEMPERATURE,
    Sign,
    data_url,
    guessed_tokens,
    in_portions,
    over,
    said,
    taken,
)
from engine.ai.providers.openai_batches import OpenAIBatches
from engine.ai.providers.over_http import Gathering
from engine.ai.refusals import error_within
from engine.definition.ai import FilePart, Part, Reasoning
from engine.errors import AIBadRequest, AIBadResponse
from engine.model.json import Json
from engine.ports.ai_providers import (
    EmbedAnswer,
    EmbedRequest,
    Piece,
    TextAnswer,
    TextRequest,
    ToolCall,
    Turn,
    Usage,
)

MOST_TEXTS = 2048
_ITS_OWN = re.compile(r"(ft:)?(gpt-|o\d|chatgpt|codex)")
_SIGNS = {
    "temperature": TEMPERATURE,
    "schema": Sign(re.compile(r"response_format|json_schema"), lasting=False),
    "limit": Sign(re.compile(r"use 'max_completion_tokens'|(unsupported|unknown|unrecognized).*max_completion_tokens")),
}
_FINISH = {"stop": "stop", "eos": "stop", "length": "length", "tool_calls": "tool_calls", "function_call": "tool_calls"}
_EFFORT_TOKENS = ((1024, "minimal"), (4096, "low"), (16384, "medium"))


class OpenAIProvider(OpenAIBatches):
    """`engine.ports.ai_providers.BatchProvider` over an OpenAI-compatible address."""

    SIGNS = _SIGNS

    async def embed(self, request: EmbedRequest) -> EmbedAnswer:
        return await in_portions(request, MOST_TEXTS, self._embed)

    async def _embed(self, request: EmbedRequest) -> EmbedAnswer:
        body = said(
            model=request.model, input=list(request.texts), dimensions=request.dimensions, encoding_format="float"
        )
        guess = sum(map(len, request.texts)) // CHARACTERS_PER_TOKEN
        whole = over(body, request.options)
        ask = Ask("POST", "/embeddings", whole, request.model, self.headers(), request.timeout, guess)
        found = taken(self.name, await self._wire.json(ask))
        rows = sorted(found.get("data") or (), key=lambda row: row.get("index", 0))
        usage = _usage(found.get("usage"))
        self._wire.correct(guess, usage.input_tokens if usage else guess)
        return EmbedAnswer(tuple(tuple(map(float, row["embedding"])) for row in rows), usage, found.get("model"))

    def headers(self) -> dict[str, str]:
        key = self._endpoint.key()
        return {"authorization": f"Bearer {key}"} if key else {}

    def ask_for(self, request: TextRequest, without: frozenset[str], *, stream: bool = False) -> Ask:
        streamed = {"stream": True, "stream_options": {"include_usage": True}} if stream else {}
        body = {**self.body(request, without), **streamed}
        guess = guessed_tokens(request)
        return Ask("POST", "/chat/completions", body, request.model, self.headers(), request.timeout, guess)

    def gathering(self) -> Gathering:
        return _Gathered(self.name)

    def body(self, request: TextRequest, without: frozenset[str]) -> dict[str, Json]:
        """The request as the API takes it."""
        how = "prompt" if "schema" in without else self._endpoint.settings.structured_output
        instructed = request.schema is not None and how != "json_schema"
        system = with_instruction(request.system, request.schema) if instructed else request.system
        # One limit under two names: the older one is what other servers know.
        own = (_ITS_OWN.match(request.model) is not None) != ("limit" in without)
        body = said(
            model=request.model,
            messages=[*([{"role": "system", "content": system}] if system else []), *_messages(request.turns)],
            temperature=None if "temperature" in without else request.temperature,
            max_completion_tokens=request.max_tokens if own else None,
            max_tokens=None if own else request.max_tokens,
            stop=list(request.stop) or None,
            reasoning_effort=_effort(request.reasoning),
            response_format=_format(request.schema, how),
            tools=[{"type": "function", "function": _function(tool)} for tool in request.tools] or None,
            tool_choice=_choice(request.tool_choice) if request.tools else None,
        )
        return over(body, request.options)

    def read(self, found: Json) -> TextAnswer:
        found = taken(self.name, found)
        if found.get("error"):
            raise error_within(self.name, found["error"])
        try:
            choice = found["choices"][0]
            message = choice["message"]
        except (KeyError, IndexError, TypeError):
            raise AIBadResponse("no choice in the answer", provider=self.name) from None
        refusal = message.get("refusal")
        return TextAnswer(
            text=message.get("content") or refusal or "",
            usage=_usage(found.get("usage")),
            finish_reason="content_filter" if refusal else _finish(choice.get("finish_reason")),
            answered_by=found.get("model"),
            reasoning=message.get("reasoning_content") or message.get("reasoning") or None,
            calls=tuple(_tool_call(call) for call in message.get("tool_calls") or ()),
        )


class _Gathered(Gathering):
    def take(self, event: Json) -> Piece | None:
        event = taken(self.provider, event)
        if event.get("error"):
            raise error_within(self.provider, event["error"])
        self.model = event.get("model") or self.model
        self.usage = _usage(event.get("usage")) or self.usage
        choices = event.get("choices") or []
        if not choices:
            return None
        delta = choices[0].get("delta") or {}
        if word := choices[0].get("finish_reason"):
            self.finish = _finish(word)
        text = delta.get("content") or delta.get("refusal") or ""
        return self.piece(text, delta.get("reasoning_content") or delta.get("reasoning") or "")


def _messages(turns: Sequence[Turn]) -> list[Json]:
    messages: list[Json] = []
    for turn in turns:
        if turn.role == "assistant":
            text = "".join(part for part in turn.parts if isinstance(part, str))
            calls = [
                {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
                for call in turn.calls
            ]
            messages.append({"role": "assistant", "content": text or None, **({"tool_calls": calls} if calls else {})})
            continue
        messages += [
            {"role": "tool", "tool_call_id": outcome.call.id, "content": outcome.text} for outcome in turn.outcomes
        ]
        if turn.parts:
            only_text = all(isinstance(part, str) for part in turn.parts)
            content = "\n\n".join(map(str, turn.parts)) if only_text else [_part(part) for part in turn.parts]
            messages.append({"role": "user", "content": content})
    return messages


def _part(part: Part) -> Json:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    if not isinstance(part, FilePart):
        return {"type": "image_url", "image_url": {"url": data_url(part)}}
    if part.data is None:
        raise AIBadRequest("a file for this provider is given by its data, not by a url")
    return {"type": "file", "file": {"filename": part.name, "file_data": data_url(part)}}


def _format(schema: Json, how: str) -> Json:
    if schema is None or how == "prompt":
        return None
    if how == "json_object":
        return {"type": "json_object", "schema": schema}
    exact = strict(schema)
    shown = {"name": "answer", "schema": schema if exact is None else exact, "strict": exact is not None}
    return {"type": "json_schema", "json_schema": shown}


def _function(tool: object) -> Json:
    return {name: getattr(tool, name) for name in ("name", "description", "parameters")}


def _choice(choice: str) -> Json:
    return choice if choice in ("auto", "none", "required") else {"type": "function", "function": {"name": choice}}


def _effort(reasoning: Reasoning | None) -> str | None:
    if not isinstance(reasoning, int):
        return reasoning
    return next((word for most, word in _EFFORT_TOKENS if reasoning <= most), "high")


def _finish(word: object) -> str:
    return _FINISH.get(str(word), str(word)) if word else "stop"


def _tool_call(call: Json) -> ToolCall:
    function = call.get("function") or {}
    return ToolCall(str(call.get("id") or ""), str(function.get("name") or ""), str(function.get("arguments") or "{}"))


def _usage(found: Json) -> Usage | None:
    if not isinstance(found, Mapping):
        return None
    read = found.get("prompt_tokens_details") or {}
    written = found.get("completion_tokens_details") or {}
    return Usage(
        input_tokens=int(found.get("prompt_tokens") or 0),
        output_tokens=int(found.get("completion_tokens") or 0),
        cached_tokens=int(read.get("cached_tokens") or 0),
        reasoning_tokens=int(written.get("reasoning_tokens") or 0),
    )
