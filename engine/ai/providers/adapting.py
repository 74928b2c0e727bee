"""What every adapter needs: options over the body, media as text, tokens guessed."""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import replace
from typing import NamedTuple, TypeVar
from urllib.parse import quote

from engine.definition.ai import FilePart, ImagePart
from engine.errors import AIBadRequest, AIBadResponse
from engine.model.json import Json, loads
from engine.ports.ai_providers import EmbedAnswer, EmbedRequest, TextAnswer, TextRequest, Usage

T = TypeVar("T")

CHARACTERS_PER_TOKEN = 4
_refused: dict[tuple[str, str], frozenset[str]] = {}
"""By provider and model: found out by asking."""
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


async def in_portions(
    request: EmbedRequest, most: int, ask: Callable[[EmbedRequest], Awaitable[EmbedAnswer]]
) -> EmbedAnswer:
    """One request where the provider takes so many texts, otherwise as few as it takes, one after the other."""
    answers: list[EmbedAnswer] = []
    for start in range(0, len(request.texts), most):
        texts = request.texts[start : start + most]
        answers.append(await ask(replace(request, texts=texts)))
        if len(answers[-1].vectors) != len(texts):
            raise AIBadResponse(f"{len(answers[-1].vectors)} vectors for {len(texts)} texts")
    used = [answer.usage for answer in answers if answer.usage is not None]
    whole = Usage(sum(usage.input_tokens for usage in used)) if len(used) == len(answers) else None
    return EmbedAnswer(tuple(one for answer in answers for one in answer.vectors), whole, answers[0].answered_by)


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


class Sign(NamedTuple):
    """Tells of a refusal that it is about one of our ways to ask; `lasting`: the model has it, not the request."""

    words: re.Pattern[str]
    lasting: bool = True


TEMPERATURE = Sign(
    re.compile(r"temperature.*(support|deprecat|only|remov|not (allowed|permitted))|(unsupported|unknown).*temperature")
)


async def ask_acceptably(
    provider: str, model: str, signs: Mapping[str, Sign], ask: Callable[[frozenset[str]], Awaitable[T]]
) -> T:
    """Ask, and ask again without what the model turns out to refuse.

    What models take differs by their age, and no list of them is ever complete. `ask` is given the ways to do without.
    """
    without = refused_by(provider, model)
    while True:
        try:
            return await ask(without)
        except AIBadRequest as error:
            said = error.said.lower()
            found = next((way for way, sign in signs.items() if way not in without and sign.words.search(said)), None)
            if found is None:
                raise
        without |= {found}
        if signs[found].lasting:
            with _lock:
                _refused[provider, model] = _refused.get((provider, model), frozenset()) | {found}


def refused_by(provider: str, model: str) -> frozenset[str]:
    """The ways a model was found to refuse."""
    with _lock:
        return _refused.get((provider, model), frozenset())


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
