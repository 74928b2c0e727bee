"""From what a stage body says to a request, to the text that is kept of it, and to its digest."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from engine.definition.ai import ImagePart, Part, Prompt, Reasoning
from engine.errors import AIBadRequest
from engine.model.json import Json, clean_text, digest
from engine.ports.ai_providers import EmbedRequest, TextRequest, Turn


def text_request(
    model: str,
    prompt: Prompt,
    *,
    system: str | None = None,
    temperature: float | None = None,
    max_tokens: int | None = None,
    stop: str | Sequence[str] | None = None,
    reasoning: Reasoning | None = None,
    options: Mapping[str, Json] | None = None,
    timeout: float | None = None,
) -> TextRequest:
    """Raises `AIBadRequest` for a prompt with nothing in it."""
    parts = (prompt,) if isinstance(prompt, str) else tuple(prompt)
    if not any(part.strip() if isinstance(part, str) else True for part in parts):
        raise AIBadRequest("the prompt is empty")
    return TextRequest(
        model=model,
        turns=(Turn("user", parts),),
        system=system,
        temperature=temperature,
        max_tokens=max_tokens,
        stop=(stop,) if isinstance(stop, str) else tuple(stop or ()),
        reasoning=reasoning,
        options=dict(options or {}),
        timeout=timeout,
    )


def options_for(provider: str, options: Mapping[str, Json] | None, names: Collection[str]) -> dict[str, Json]:
    """Options may be given for several providers at once, each under its name: the others' are left out then."""
    if not options:
        return {}
    by_provider = all(name in names and isinstance(value, Mapping) for name, value in options.items())
    return dict(options.get(provider, {})) if by_provider else dict(options)


def shown(request: TextRequest) -> str:
    """The prompt as it is kept: its text, the media by their type, and in a longer conversation who said what."""
    turns = [(turn.role, _turn_text(turn)) for turn in request.turns]
    said = turns[0][1] if len(turns) == 1 else "\n\n".join(f"[{role}]\n{text}" for role, text in turns)
    return clean_text(f"[system]\n{request.system}\n\n[user]\n{said}" if request.system else said)


def shown_texts(request: EmbedRequest) -> str:
    return clean_text(request.texts[0]) if len(request.texts) == 1 else f"[{len(request.texts)} texts]"


def _turn_text(turn: Turn) -> str:
    lines = [part if isinstance(part, str) else _media(part) for part in turn.parts]
    lines += [f"[calls {call.name}({call.arguments})]" for call in turn.calls]
    lines += [f"[{one.call.name} {'failed' if one.failed else 'gave'}]\n{one.text}" for one in turn.outcomes]
    return "\n".join(line for line in lines if line)


def _media(part: Part) -> str:
    assert not isinstance(part, str)
    size = f", {len(part.data)} bytes" if part.data is not None else f", {part.url}"
    return f"[{'image' if isinstance(part, ImagePart) else part.name}: {part.media_type}{size}]"


def request_key(call_type: str, provider: str, request: TextRequest | EmbedRequest) -> str:
    """Equal for requests that would be answered alike, whatever their patience."""
    return digest([call_type, provider, _plain(replace(request, timeout=None))])


def _plain(value: Any) -> Json:
    """Any request as JSON; bytes by their digest, numbers that are equal alike."""
    if isinstance(value, bytes):
        return {"sha256": hashlib.sha256(value).hexdigest()}
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    fields = getattr(value, "__dataclass_fields__", None)
    if fields is not None:
        return {type(value).__name__: {name: _plain(getattr(value, name)) for name in fields}}
    return value
