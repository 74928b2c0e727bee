"""What every adapter needs: options over the body, media as text, tokens guessed."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from typing import TypeVar
from urllib.parse import quote

from engine.definition.ai import FilePart, ImagePart
from engine.errors import AIBadRequest, AIBadResponse
from engine.model.json import Json, loads
from engine.ports.ai_providers import TextAnswer, TextRequest

T = TypeVar("T")

CHARACTERS_PER_TOKEN = 4
_picky: set[tuple[str, str]] = set()
"""(provider, model) that takes no temperature: found out by asking."""
_lock = threading.Lock()


def guessed_tokens(request: TextRequest) -> int:
    """About what a call will take, for the limits; pictures are not counted."""
    texts = [request.system or ""]
    for turn in request.turns:
        texts += [part for part in turn.parts if isinstance(part, str)]
        texts += [outcome.text for outcome in turn.outcomes]
    return sum(map(len, texts)) // CHARACTERS_PER_TOKEN + (request.max_tokens or 0)


def used_tokens(answer: TextAnswer, guess: int) -> int:
    """What a call took after all, or what was guessed where nobody says."""
    return guess if answer.usage is None else answer.usage.input_tokens + answer.usage.output_tokens


def base64_of(part: ImagePart | FilePart) -> str:
    assert part.data is not None
    return base64.b64encode(part.data).decode()


def data_url(part: ImagePart | FilePart) -> str:
    """Its address, or its bytes as one."""
    return part.url or f"data:{part.media_type};base64,{base64_of(part)}"


def said(**fields: Json) -> dict[str, Json]:
    """The fields that are not None."""
    return {name: value for name, value in fields.items() if value is not None}


def over(body: dict[str, Json], options: Mapping[str, Json]) -> dict[str, Json]:
    """The user's own options, which win; objects are merged one level deep, and None takes a field out."""
    merged = dict(body)
    for name, value in options.items():
        before = merged.get(name)
        merged[name] = (
            over(dict(before), value) if isinstance(before, Mapping) and isinstance(value, Mapping) else value
        )
    return said(**merged)


def arguments_of(text: str) -> Json:
    """A tool call's arguments on their way back to the model that made them; what was no object is sent as empty."""
    try:
        found = loads(text or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, Mapping) else {}


def packed(value: Json) -> str:
    """JSON text of what came from a provider, or goes to one: its own rules apply, not ours."""
    return json.dumps(value, ensure_ascii=False)


def segment(name: str) -> str:
    """A name as one part of a path, whatever is in it; refuses what would climb."""
    if not name or name in (".", ".."):
        raise AIBadRequest(f"{name!r} is no id")
    return quote(name, safe=":@._-")


def taken(provider: str, what: Json) -> dict[str, Json]:
    """An answer that has to be a JSON object."""
    if not isinstance(what, dict):
        raise AIBadResponse(f"not a JSON object: {packed(what)[:200]}", provider=provider)
    return what


async def without_temperature_if_refused(
    provider: str, request: TextRequest, ask: Callable[[float | None], Awaitable[T]]
) -> T:
    """Ask with the temperature; a model that refuses any is asked without, from then on at once."""
    model = (provider, request.model)
    with _lock:
        picky = model in _picky
    if request.temperature is None or picky:
        return await ask(None)
    try:
        return await ask(request.temperature)
    except AIBadRequest as error:
        if "temperature" not in error.said.lower():
            raise
    with _lock:
        _picky.add(model)
    return await ask(None)


async def begun(events: AsyncIterator[Json]) -> AsyncIterator[Json]:
    """The same events once the first has come: what is refused at once is refused here."""
    nothing = object()
    first = await anext(events, nothing)

    async def whole() -> AsyncGenerator[Json, None]:
        try:
            if first is not nothing:
                yield first
            async for event in events:
                yield event
        finally:
            await closed(events)

    return whole()


async def closed(events: AsyncIterator[object]) -> None:
    """Close what may be a generator."""
    close = getattr(events, "aclose", None)
    if close is not None:
        await close()
