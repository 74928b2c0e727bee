"""What can be said about a text without a model: its best sentences, its words, its label. The same every time."""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from engine.model.json import Json

_SENTENCE = re.compile(r"[^.!?\n]+(?:[.!?]+(?=\s|$)|\n|$)")
_WORD = re.compile(r"[^\W\d_][\w'-]*")
_NUMBER = re.compile(r"\b(\d{1,2})\s+(?:short\s+)?(?:sentence|keyword|tag|word|point|line)", re.IGNORECASE)
_CHOICES = re.compile(r"\b(?:one of|as either|as|between|into)\s*:?\s*([^.\n:]+)", re.IGNORECASE)
_FILLERS = """
a about after all also an and any are as at be because been but by can could did do does for from had has have he her
his how i if in into is it its just like more most my no not of on one only or other our out over she so some such than
that the their them then there these they this to two up was we were what when where which who will with would you your
"""
_GOOD_NEWS = "good great excellent love happy best fast reliable pleased wonderful enjoy easy helpful win"
_BAD_NEWS = "bad poor terrible hate angry worst slow broken fail failed failure problem awful useless late"
_EMPTY_WORDS = frozenset(_FILLERS.split())
_GOOD = frozenset(_GOOD_NEWS.split())
_BAD = frozenset(_BAD_NEWS.split())
MOST_TEXT = 200_000
SENTIMENTS = ("positive", "negative", "neutral")


def answer(prompt: str) -> str:
    """The answer to a prompt: what is asked decides, `keywords`, `classify`, `title` or, by default, a summary."""
    task, text = parted(prompt[:MOST_TEXT])
    asked = task.lower()
    number = _NUMBER.search(task)
    many = int(number.group(1)) if number else 0
    if any(word in asked for word in ("keyword", "tags", "topics")):
        return ", ".join(keywords(text, many or 5))
    if any(word in asked for word in ("classif", "sentiment", "categor", "label")):
        return label(text, choices_in(task))
    if any(word in asked for word in ("title", "headline")):
        return title(text)
    return summary(text, many or 3)


def parted(prompt: str) -> tuple[str, str]:
    """The task and the text it is about; a prompt of one piece is both."""
    head, blank, rest = prompt.partition("\n\n")
    if not blank or len(head) > 400 or not rest.strip():
        head, colon, rest = prompt.partition(":")
        if not colon or len(head) > 200 or not rest.strip():
            return prompt, prompt
    return head, rest.strip()


def sentences(text: str) -> list[str]:
    return [one for found in _SENTENCE.findall(text) if (one := " ".join(found.split()))]


def words(text: str) -> list[str]:
    return [word for word in (found.lower() for found in _WORD.findall(text)) if word not in _EMPTY_WORDS]


def summary(text: str, most: int = 3) -> str:
    """The sentences that hold the most frequent words, in their own order."""
    found = sentences(text)
    weight = Counter(words(text))
    scored = [
        (sum(weight[word] for word in words(one)) / (len(words(one)) + 3), -place) for place, one in enumerate(found)
    ]
    best = sorted(sorted(range(len(found)), key=lambda place: scored[place], reverse=True)[:most])
    return " ".join(found[place] for place in best)


def keywords(text: str, most: int = 5) -> list[str]:
    counted = Counter(word for word in words(text) if len(word) > 2)
    return [word for word, _ in sorted(counted.items(), key=lambda one: (-one[1], one[0]))[:most]]


def title(text: str) -> str:
    first = next(iter(sentences(text)), "").rstrip(".!?")
    return first if len(first) <= 80 else f"{first[:79].rsplit(' ', 1)[0]}…"


def choices_in(task: str) -> Sequence[str]:
    """The labels a task offers: `as a, b or c`."""
    found = _CHOICES.search(task)
    named = re.split(r"\s*,\s*|\s+or\s+|\s+and\s+", found.group(1).strip()) if found else []
    offered = [one.strip(" '\"`") for one in named]
    return [one for one in offered if one] if len(offered) > 1 else SENTIMENTS


def label(text: str, choices: Sequence[str]) -> str:
    """The choice whose words are found most; feelings are told by the words that go with them."""
    found = Counter(words(text))
    feeling = sum(found[word] for word in _GOOD) - sum(found[word] for word in _BAD)
    moods = dict(zip(SENTIMENTS, (feeling > 0, feeling < 0, feeling == 0), strict=True))

    def score(choice: str) -> float:
        return sum(found[word] for word in words(choice)) + 2 * moods.get(choice.lower(), False)

    return max(choices, key=score)


def vector(text: str, dimensions: int) -> tuple[float, ...]:
    """Words and pairs of words, each hashed to a place; of length 1, so that a product is a likeness."""
    found = words(text[:MOST_TEXT]) or [text]
    sums = [0.0] * dimensions
    for feature in (*found, *map(" ".join, pairwise(found))):
        hashed = int.from_bytes(hashlib.sha256(feature.encode(errors="replace")).digest()[:8])
        sums[(hashed >> 1) % dimensions] += 1.0 if hashed & 1 else -1.0
    length = math.sqrt(sum(one * one for one in sums)) or 1.0
    return tuple(one / length for one in sums)


def value_of(schema: Json, text: str, name: str = "", root: Json = None, depth: int = 0) -> Any:
    """A value of a JSON schema, filled from the text: its defaults, labels that fit, sentences, keywords, counts."""
    root = schema if root is None else root
    if "$ref" in schema:
        schema = root.get("$defs", {}).get(schema["$ref"].rpartition("/")[2], {})
    for combined in ("anyOf", "oneOf", "allOf"):
        if combined in schema:
            options = [one for one in schema[combined] if one.get("type") != "null"]
            schema = {**(options[0] if options else {}), **{key: schema[key] for key in ("default",) if key in schema}}
            return value_of(schema, text, name, root, depth + 1) if depth < 20 else None
    if "const" in schema:
        return schema["const"]
    if schema.get("default"):
        return schema["default"]
    if schema.get("enum"):
        return _enumerated(schema["enum"], text)
    return _of_type(schema, text, name.lower(), root, depth)


def _enumerated(values: Sequence[Any], text: str) -> Any:
    by_word = {str(value): value for value in values}
    return by_word[label(text, list(by_word))]


def _of_type(schema: Json, text: str, name: str, root: Json, depth: int) -> Any:
    kind = schema.get("type")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "object" or "properties" in schema:
        properties: Mapping[str, Json] = schema.get("properties", {})
        return {key: value_of(one, text, key, root, depth + 1) for key, one in properties.items()} if depth < 20 else {}
    if kind == "array":
        return _array(schema, text, name, root, depth)
    if kind in ("integer", "number"):
        return _number(schema, text, name, whole=kind == "integer")
    if kind == "boolean":
        return False
    return None if kind == "null" else _string(schema, text, name)


def _array(schema: Json, text: str, name: str, root: Json, depth: int) -> list[Any]:
    items = schema.get("items") or {}
    least, most = schema.get("minItems", 0), schema.get("maxItems", 5)
    if items.get("type") == "string" and not items.keys() & {"enum", "format", "pattern"}:
        texts: list[Any] = keywords(text, most)
        return texts + [name] * (least - len(texts))
    if depth >= 20:
        return []
    return [value_of(items, text, name, root, depth + 1) for _ in range(max(least, min(1, most)))]


def _number(schema: Json, text: str, name: str, *, whole: bool) -> float:
    counted = any(word in name for word in ("count", "words", "length", "number", "total"))
    value: float = len(_WORD.findall(text)) if counted else 0 if whole else 0.5
    if "exclusiveMinimum" in schema:
        value = max(value, schema["exclusiveMinimum"] + (1 if whole else 1e-6))
    value = max(value, schema.get("minimum", value))
    value = min(value, schema.get("maximum", value))
    if "exclusiveMaximum" in schema:
        value = min(value, schema["exclusiveMaximum"] - (1 if whole else 1e-6))
    return int(value) if whole else value


_FORMATS = {
    "date": "2000-01-01",
    "date-time": "2000-01-01T00:00:00Z",
    "time": "00:00:00Z",
    "email": "nobody@example.com",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}


def _string(schema: Json, text: str, name: str) -> str:
    if schema.get("format") in _FORMATS:
        return _FORMATS[schema["format"]]
    if any(word in name for word in ("sentiment", "mood")):
        said = label(text, SENTIMENTS)
    elif any(word in name for word in ("keyword", "tag", "topic", "category")):
        said = next(iter(keywords(text, 1)), "")
    elif any(word in name for word in ("title", "headline", "name", "subject")):
        said = title(text)
    else:
        said = summary(text, 2)
    least, most = schema.get("minLength", 0), schema.get("maxLength")
    return said.ljust(least, ".")[: most if most is not None else None]
