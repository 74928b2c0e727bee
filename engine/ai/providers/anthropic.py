"""Anthropic's Messages API and its batches."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from engine.ai.http import Ask
from engine.ai.json_answers import strict, with_instruction
from engine.ai.providers.adapting import (
    TEMPERATURE,
    Sign,
    arguments_of,
    base64_of,
    guessed_tokens,
    over,
    packed,
    refused_by,
    said,
    segment,
    taken,
)
from engine.ai.providers.over_http import Gathering, ProviderOverHttp
from engine.ai.refusals import error_within
from engine.definition.ai import BatchStatus, FilePart, Part, Reasoning
from engine.errors import AIBadRequest, AIBadResponse, AIError
from engine.model.json import Json, loads
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

VERSION = "2023-06-01"
_ANSWER = "answer"
_SMALL = re.compile(r"claude-(3-(haiku|opus|sonnet)|2|instant)")
_NO_FORMATS = re.compile(r"claude-(3|2|instant|v1|(sonnet|opus)-4(-0|-2025|@|$)|4-(sonnet|opus))")
_SIGNS = {
    "temperature": TEMPERATURE,
    "thinking": Sign(re.compile(r"thinking\.type|adaptive")),
    "format": Sign(re.compile(r"output_config|output_format|schema"), lasting=False),
    "forced": Sign(re.compile(r"tool_choice"), lasting=False),
}
_FINISH = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
_THINKING = {"minimal": 1024, "low": 2048, "medium": 8192, "high": 24576}


class AnthropicProvider(ProviderOverHttp):
    """`engine.ports.ai_providers.BatchProvider`."""

    SIGNS = _SIGNS

    async def embed(self, request: EmbedRequest) -> EmbedAnswer:
        raise AIBadRequest("this provider has no embeddings", provider=self.name)

    async def submit(self, requests: Sequence[tuple[str, TextRequest]]) -> BatchStatus:
        items = [
            {"custom_id": item, "params": self._body(request, refused_by(self.name, request.model))}
            for item, request in requests
        ]
        found = await self._wire.json(self._ask("POST", "/v1/messages/batches", {"requests": items}))
        return self._status(taken(self.name, found))

    async def batch(self, model: str, batch_id: str) -> BatchStatus:
        found = await self._wire.json(self._ask("GET", f"/v1/messages/batches/{segment(batch_id)}"))
        return self._status(taken(self.name, found))

    async def collect(self, model: str, batch_id: str) -> Sequence[BatchAnswer]:
        # By its id and not by the address in the answer: the key goes to our own address only.
        content = await self._wire.text(self._ask("GET", f"/v1/messages/batches/{segment(batch_id)}/results"))
        return [self._item(loads(line)) for line in content.split("\n") if line.strip()]

    def _item(self, line: Json) -> BatchAnswer:
        item, result = str(line.get("custom_id")), line.get("result") or {}
        if result.get("type") != "succeeded":
            error = result.get("error") or f"the request is {result.get('type') or 'lost'}"
            return BatchAnswer(item, error=error_within("", error).said)
        try:
            return BatchAnswer(item, self.read(result.get("message")))
        except AIError as error:
            return BatchAnswer(item, error=error.said)

    def _status(self, found: dict[str, Json]) -> BatchStatus:
        counts = found.get("request_counts") or {}
        ended = [int(counts.get(name) or 0) for name in ("succeeded", "errored", "canceled", "expired")]
        return BatchStatus(
            id=str(found.get("id")),
            status="completed" if found.get("processing_status") == "ended" else "processing",
            provider=self.name,
            total=sum(ended) + int(counts.get("processing") or 0),
            done=sum(ended),
        )

    def _ask(self, method: str, path: str, body: Json = None, request: TextRequest | None = None) -> Ask:
        key = self._endpoint.key()
        headers = {"anthropic-version": VERSION, **({"x-api-key": key} if key else {})}
        doubled = self._endpoint.base_url.endswith("/v1")
        where = path.removeprefix("/v1") if doubled else path
        model, timeout = (request.model, request.timeout) if request else ("", None)
        return Ask(method, where, body, model, headers, timeout, guessed_tokens(request) if request else 0)

    def ask_for(self, request: TextRequest, without: frozenset[str], *, stream: bool = False) -> Ask:
        body = {**self._body(request, without), **({"stream": True} if stream else {})}
        return self._ask("POST", "/v1/messages", body, request)

    def gathering(self) -> Gathering:
        return _Gathered(self.name)

    def _body(self, request: TextRequest, without: frozenset[str]) -> dict[str, Json]:
        """A schema is the format of the answer; for models that don't know formats the one tool that has to be called;
        where neither will do, it is put in words.
        """
        exact = (
            None
            if "format" in without or _NO_FORMATS.match(request.model)
            else strict(request.schema or {}, bounds=False)
        )
        free = not request.tools and request.reasoning is None and "forced" not in without
        by_tool = request.schema is not None and exact is None and free
        in_words = request.schema is not None and exact is None and not free
        system = with_instruction(request.system, request.schema) if in_words else request.system
        tools = [{"name": one.name, "description": one.description, "input_schema": one.parameters}
                 for one in request.tools]  # fmt: skip
        choice = _choice(request.tool_choice) if tools else None
        if by_tool:
            tools = [{"name": _ANSWER, "description": "Give the answer.", "input_schema": request.schema}]
            choice = {"type": "tool", "name": _ANSWER}
        budget, adaptive = _budget(request.reasoning), "thinking" in without
        output = said(
            format={"type": "json_schema", "schema": exact} if exact else None,
            effort=_effort(request.reasoning) if adaptive else None,
        )
        plain = request.temperature is not None and not budget and "temperature" not in without
        most = request.max_tokens or (4096 if _SMALL.match(request.model) else 8192)
        body = said(
            model=request.model,
            max_tokens=most + (budget or 0),
            messages=_turns(request.turns),
            system=system or None,
            temperature=min(request.temperature or 0.0, 1.0) if plain else None,
            stop_sequences=list(request.stop) or None,
            tools=tools or None,
            tool_choice=choice,
            thinking=_thinking(budget, adaptive=adaptive),
            output_config=output or None,
        )
        return over(body, request.options)

    def read(self, found: Json) -> TextAnswer:
        found = taken(self.name, found)
        if found.get("type") == "error":
            raise error_within(self.name, found.get("error"))
        blocks = found.get("content")
        if not isinstance(blocks, list):
            raise AIBadResponse("no content in the answer", provider=self.name)
        return _answer(blocks, found.get("stop_reason"), _usage(found.get("usage")), found.get("model"))


class _Gathered(Gathering):
    def __init__(self, provider: str) -> None:
        super().__init__(provider)
        self._used: dict[str, Json] = {}

    def take(self, event: Json) -> Piece | None:
        event = taken(self.provider, event)
        kind = event.get("type")
        if kind == "error":
            raise error_within(self.provider, event.get("error"))
        if kind == "message_start":
            message = event.get("message") or {}
            self.model = message.get("model")
            self._use(message.get("usage"))
        elif kind == "message_delta":
            if word := (event.get("delta") or {}).get("stop_reason"):
                self.finish = _FINISH.get(word, word)
            self._use(event.get("usage"))
        elif kind == "content_block_delta":
            delta = event.get("delta") or {}
            return self.piece(str(delta.get("text") or ""), str(delta.get("thinking") or ""))
        return None

    def _use(self, counts: Json) -> None:
        """Later events count again what they know, and leave out the rest."""
        self._used |= {name: value for name, value in (counts or {}).items() if value is not None}
        self.usage = _usage(self._used)


def _answer(blocks: list[Json], stop: object, usage: Usage | None, model: str | None) -> TextAnswer:
    by_kind: dict[str, list[Json]] = {}
    for block in blocks:
        by_kind.setdefault(str(block.get("type")), []).append(block)
    text = "".join(str(block.get("text") or "") for block in by_kind.get("text", ()))
    thoughts = "".join(str(block.get("thinking") or "") for block in by_kind.get("thinking", ()))
    used = by_kind.get("tool_use", [])
    finish = _FINISH.get(str(stop), str(stop)) if stop else "stop"
    if len(used) == 1 and used[0].get("name") == _ANSWER:
        text, used = packed(used[0].get("input")), []
        finish = "stop" if finish == "tool_calls" else finish
    calls = tuple(ToolCall(str(one.get("id")), str(one.get("name")), packed(one.get("input") or {})) for one in used)
    return TextAnswer(text, usage, finish, model, thoughts or None, calls, echo=blocks if calls else None)


def _turns(turns: Sequence[Turn]) -> list[Json]:
    messages: list[Json] = []
    for turn in turns:
        if turn.role == "assistant":
            made = [{"type": "text", "text": part} for part in turn.parts if isinstance(part, str) and part]
            made += [
                {"type": "tool_use", "id": call.id, "name": call.name, "input": arguments_of(call.arguments)}
                for call in turn.calls
            ]
            messages.append({"role": "assistant", "content": turn.echo or made})
            continue
        outcomes: list[Json] = [
            {"type": "tool_result", "tool_use_id": one.call.id, "content": one.text, "is_error": one.failed}
            for one in turn.outcomes
        ]
        messages.append({"role": "user", "content": outcomes + [_part(part) for part in turn.parts]})
    return messages


def _part(part: Part) -> Json:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    if part.data is None:
        source = {"type": "url", "url": part.url}
    else:
        source = {"type": "base64", "media_type": part.media_type, "data": base64_of(part)}
    if not isinstance(part, FilePart):
        return {"type": "image", "source": source}
    return {"type": "document", "source": source, "title": part.name}


def _choice(choice: str) -> Json:
    if choice in ("auto", "none"):
        return {"type": choice}
    return {"type": "any"} if choice == "required" else {"type": "tool", "name": choice}


def _thinking(budget: int | None, *, adaptive: bool) -> Json:
    if budget is None:
        return None
    return {"type": "adaptive", "display": "summarized"} if adaptive else {"type": "enabled", "budget_tokens": budget}


def _effort(reasoning: Reasoning | None) -> str | None:
    """For models that measure their thinking themselves."""
    if isinstance(reasoning, int):
        return "low" if reasoning <= 4096 else "medium" if reasoning <= 16384 else "high"
    return "low" if reasoning == "minimal" else reasoning


def _budget(reasoning: Reasoning | None) -> int | None:
    if reasoning is None:
        return None
    return max(reasoning, 1024) if isinstance(reasoning, int) else _THINKING[reasoning]


def _usage(found: Json) -> Usage | None:
    if not isinstance(found, Mapping) or not found:
        return None
    read = int(found.get("cache_read_input_tokens") or 0)
    written = int(found.get("cache_creation_input_tokens") or 0)
    return Usage(
        input_tokens=int(found.get("input_tokens") or 0) + read + written,
        output_tokens=int(found.get("output_tokens") or 0),
        cached_tokens=read,
        cache_write_tokens=written,
    )
