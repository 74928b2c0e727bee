"""Google's Gemini API: generateContent, embeddings and batches."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from engine.ai.http import Ask
from engine.ai.json_answers import with_instruction
from engine.ai.providers.adapting import (
    TEMPERATURE,
    Sign,
    arguments_of,
    base64_of,
    guessed_tokens,
    in_portions,
    over,
    packed,
    refused_by,
    said,
    segment,
    taken,
)
from engine.ai.providers.google_batches import read_batch, results_of
from engine.ai.providers.over_http import Gathering, ProviderOverHttp
from engine.ai.refusals import error_within
from engine.definition.ai import BatchStatus, Part, Reasoning
from engine.errors import AIBadRequest, AIBadResponse
from engine.model.json import Json
from engine.ports.ai_providers import (
    BatchAnswer,
    EmbedAnswer,
    EmbedRequest,
    Piece,
    TextAnswer,
    TextRequest,
    ToolCall,
    Turn,
    Usage,
)

MOST_TEXTS = 100
_VERSIONED = re.compile(r"/v\d\w*$")
_SIGNS = {"temperature": TEMPERATURE, "schema": Sign(re.compile(r"schema|response_?mime_?type"), lasting=False)}
_FILTERED = frozenset({"SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "LANGUAGE", "IMAGE_SAFETY"})
_FINISH = {"STOP": "stop", "MAX_TOKENS": "length", **dict.fromkeys(_FILTERED, "content_filter")}
_THINKING = {"minimal": 512, "low": 2048, "medium": 8192, "high": 24576}


class GoogleProvider(ProviderOverHttp):
    """`engine.ports.ai_providers.BatchProvider`."""

    SIGNS = _SIGNS

    async def embed(self, request: EmbedRequest) -> EmbedAnswer:
        return await in_portions(request, MOST_TEXTS, self._embed)

    async def _embed(self, request: EmbedRequest) -> EmbedAnswer:
        model = f"models/{request.model}"
        items = [
            over(
                said(model=model, content={"parts": [{"text": text}]}, outputDimensionality=request.dimensions),
                request.options,
            )
            for text in request.texts
        ]
        path = f"/models/{segment(request.model)}:batchEmbedContents"
        found = taken(self.name, await self._wire.json(self._ask(path, {"requests": items}, request)))
        vectors = tuple(tuple(map(float, row["values"])) for row in found.get("embeddings") or ())
        return EmbedAnswer(vectors, _usage(found.get("usageMetadata")), request.model)

    async def submit(self, requests: Sequence[tuple[str, TextRequest]]) -> BatchStatus:
        items = [
            {"request": self._body(request, refused_by(self.name, request.model)), "metadata": {"key": item}}
            for item, request in requests
        ]
        model = requests[0][1]
        body = {"batch": {"display_name": "wfconsole", "input_config": {"requests": {"requests": items}}}}
        path = f"/models/{segment(model.model)}:batchGenerateContent"
        return read_batch(self.name, taken(self.name, await self._wire.json(self._ask(path, body, model))))

    async def batch(self, model: str, batch_id: str) -> BatchStatus:
        return read_batch(self.name, await self._found(batch_id))

    async def collect(self, model: str, batch_id: str) -> Sequence[BatchAnswer]:
        return results_of(await self._found(batch_id), self.read)

    async def _found(self, batch_id: str) -> dict[str, Json]:
        path = f"/batches/{segment(batch_id.removeprefix('batches/'))}"
        return taken(self.name, await self._wire.json(self._ask(path, None, None, method="GET")))

    def _ask(self, path: str, body: Json, request: TextRequest | EmbedRequest | None, *, method: str = "POST") -> Ask:
        key = self._endpoint.key()
        versioned = _VERSIONED.search(self._endpoint.base_url)
        guess = guessed_tokens(request) if isinstance(request, TextRequest) else 0
        return Ask(
            method,
            path if versioned else f"/v1beta{path}",
            body,
            request.model if request else "",
            {"x-goog-api-key": key} if key else {},
            request.timeout if request else None,
            guess,
        )

    def ask_for(self, request: TextRequest, without: frozenset[str], *, stream: bool = False) -> Ask:
        how = "streamGenerateContent?alt=sse" if stream else "generateContent"
        return self._ask(f"/models/{segment(request.model)}:{how}", self._body(request, without), request)

    def gathering(self) -> Gathering:
        return _Gathered(self)

    def _body(self, request: TextRequest, without: frozenset[str]) -> dict[str, Json]:
        schema = None if "schema" in without else request.schema
        instructed = request.schema is not None and schema is None
        system = with_instruction(request.system, request.schema) if instructed else request.system
        config = said(
            temperature=None if "temperature" in without else request.temperature,
            maxOutputTokens=request.max_tokens,
            stopSequences=list(request.stop) or None,
            responseMimeType=None if schema is None else "application/json",
            responseJsonSchema=schema,
            thinkingConfig=_thinking(request.reasoning),
        )
        declared = [
            {"name": tool.name, "description": tool.description, "parametersJsonSchema": tool.parameters}
            for tool in request.tools
        ]
        body = said(
            contents=_contents(request.turns),
            systemInstruction={"parts": [{"text": system}]} if system else None,
            generationConfig=config or None,
            tools=[{"functionDeclarations": declared}] if declared else None,
            toolConfig={"functionCallingConfig": _choice(request.tool_choice)} if declared else None,
        )
        return over(body, request.options)

    def read(self, found: Json) -> TextAnswer:
        found = taken(self.name, found)
        if found.get("error"):
            raise error_within(self.name, found["error"])
        candidates = found.get("candidates")
        if not candidates:
            blocked = (found.get("promptFeedback") or {}).get("blockReason")
            if blocked:
                raise AIBadRequest(f"the prompt was blocked: {blocked}", provider=self.name)
            raise AIBadResponse("no candidate in the answer", provider=self.name)
        candidate = candidates[0]
        content = candidate.get("content") or {}
        parts = content.get("parts") or []
        calls = tuple(
            ToolCall(
                str(part["functionCall"].get("id") or f"call-{number}"),
                str(part["functionCall"].get("name")),
                packed(part["functionCall"].get("args") or {}),
            )
            for number, part in enumerate(parts)
            if "functionCall" in part
        )
        said_aloud = "".join(str(part.get("text") or "") for part in parts if not part.get("thought"))
        thought = "".join(str(part.get("text") or "") for part in parts if part.get("thought"))
        word = str(candidate.get("finishReason") or "STOP")
        return TextAnswer(
            text=said_aloud,
            usage=_usage(found.get("usageMetadata")),
            finish_reason="tool_calls" if calls else _FINISH.get(word, word.lower()),
            answered_by=found.get("modelVersion"),
            reasoning=thought or None,
            calls=calls,
            echo=content if calls else None,
        )


class _Gathered(Gathering):
    """Each event is an answer of its own, with the next piece of the text."""

    def __init__(self, provider: GoogleProvider) -> None:
        super().__init__(provider.name)
        self._read = provider.read

    def take(self, event: Json) -> Piece | None:
        event = taken(self.provider, event)
        self.usage = _usage(event.get("usageMetadata")) or self.usage
        if not event.get("candidates") and not event.get("error") and not event.get("promptFeedback"):
            return None
        part = self._read(event)
        if event["candidates"][0].get("finishReason"):
            self.finish, self.model = part.finish_reason, part.answered_by
        return self.piece(part.text, part.reasoning or "")


def _contents(turns: Sequence[Turn]) -> list[Json]:
    contents: list[Json] = []
    for turn in turns:
        if turn.role == "assistant":
            parts: list[Json] = [{"text": part} for part in turn.parts if isinstance(part, str) and part]
            parts.extend(
                {"functionCall": {"name": one.name, "args": arguments_of(one.arguments)}} for one in turn.calls
            )
            contents.append(turn.echo or {"role": "model", "parts": parts})
            continue
        outcomes = [
            {"functionResponse": {"name": one.call.name, "response": {"error" if one.failed else "result": one.text}}}
            for one in turn.outcomes
        ]
        contents.append({"role": "user", "parts": [*outcomes, *(_part(part) for part in turn.parts)]})
    return contents


def _part(part: Part) -> Json:
    if isinstance(part, str):
        return {"text": part}
    if part.data is None:
        return {"fileData": {"mimeType": part.media_type, "fileUri": part.url}}
    return {"inlineData": {"mimeType": part.media_type, "data": base64_of(part)}}


def _choice(choice: str) -> Json:
    if choice in ("auto", "none"):
        return {"mode": choice.upper()}
    named: dict[str, Json] = {} if choice == "required" else {"allowedFunctionNames": [choice]}
    return {"mode": "ANY", **named}


def _thinking(reasoning: Reasoning | None) -> Json:
    if reasoning is None:
        return None
    budget = reasoning if isinstance(reasoning, int) else _THINKING[reasoning]
    return {"thinkingBudget": budget, "includeThoughts": True}


def _usage(found: Json) -> Usage | None:
    if not isinstance(found, Mapping):
        return None
    thoughts = int(found.get("thoughtsTokenCount") or 0)
    return Usage(
        input_tokens=int(found.get("promptTokenCount") or 0) + int(found.get("toolUsePromptTokenCount") or 0),
        output_tokens=int(found.get("candidatesTokenCount") or 0) + thoughts,
        cached_tokens=int(found.get("cachedContentTokenCount") or 0),
        reasoning_tokens=thoughts,
    )
