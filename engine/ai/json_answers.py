"""Objects from models: the schema as providers want it, and the JSON in what they answer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from engine.definition.schema import Schema
from engine.model.json import Json, dumps, loads
from engine.model.problems import problems_of
from engine.model.redaction import fit_to_write

WRAPPED = "value"
MOST_SAID = 1_000
_STRICT_KEYWORDS = frozenset({"type", "enum", "const", "title", "description"})
_BOUNDS = frozenset(
    {
        *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
        *("minItems", "maxItems", "pattern"),
    }
)
_STRICT_FORMATS = frozenset({"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"})
_FENCE = re.compile(r"\A\s*```[A-Za-z0-9_-]*[ \t]*\n(.*?)\n?[ \t]*```\s*\Z", re.DOTALL)


class AskedObject:
    """A type to be answered with. Providers want an object at the root: any other type comes wrapped in one."""

    def __init__(self, python_type: Any) -> None:
        self.schema: Schema[Any] = Schema.of(python_type)
        inner = _rooted(self.schema.json_schema())
        self.wrapped = inner.get("type") != "object"
        self.json_schema: Json = _wrap(inner) if self.wrapped else inner

    def read(self, text: str) -> Any:
        """The typed value in an answer. Raises `ValueError`, which pydantic's errors are too."""
        found = loads(json_in(text))
        if self.wrapped and isinstance(found, Mapping) and set(found) == {WRAPPED}:
            found = found[WRAPPED]
        return self.schema.validate(found)


def _wrap(inner: Json) -> Json:
    definitions = inner.get("$defs")
    bare = {key: value for key, value in inner.items() if key != "$defs"}
    wrapped = {"type": "object", "properties": {WRAPPED: bare}, "required": [WRAPPED], "additionalProperties": False}
    return {**wrapped, "$defs": definitions} if definitions else wrapped


def _rooted(schema: Json) -> Json:
    """A schema that is only a reference, as that of a recursive model is, with what it refers to in its place."""
    name = schema.get("$ref", "").removeprefix("#/$defs/")
    definitions = schema.get("$defs", {})
    return {**definitions[name], "$defs": definitions} if name in definitions else schema


def problems_with(error: Exception) -> str:
    """What is wrong with an answer, short enough to tell the model."""
    if isinstance(error, ValidationError):
        said = "; ".join(str(problem) for problem in problems_of(error))
    else:
        said = f"no JSON: {error}"
    return fit_to_write(said)[:MOST_SAID]


def json_in(text: str) -> str:
    """The JSON of an answer that may stand in a fence or between words."""
    fenced = _FENCE.match(text)
    inner = (fenced.group(1) if fenced else text).strip()
    if inner[:1] in ("{", "["):
        return inner
    begin, end = inner.find("{"), inner.rfind("}")
    return inner[begin : end + 1] if 0 <= begin < end else inner


def instruction(json_schema: Json) -> str:
    """For models that can only be asked to answer in JSON."""
    return (
        "Answer with one JSON object and nothing else: no explanation, no code fence. "
        f"It has to fit this JSON schema:\n{dumps(json_schema)}"
    )


def with_instruction(system: str | None, json_schema: Json) -> str:
    return "\n\n".join(part for part in (system, instruction(json_schema)) if part)


def strict(json_schema: Json, *, bounds: bool = True) -> Json | None:
    """The schema as strict servers take it: every field required, nothing added, no finer rules than they know.

    Without `bounds`, no limits of numbers and lists either. None where it has no such form. The answer is validated
    against the whole schema all the same.
    """
    keywords = _STRICT_KEYWORDS | _BOUNDS if bounds else _STRICT_KEYWORDS
    if "$ref" in json_schema and "$defs" not in json_schema:
        return {"$ref": json_schema["$ref"]}
    made: dict[str, Json] = {}
    for key, value in json_schema.items():
        if key in ("properties", "$defs"):
            made[key] = _each(value, bounds)
        elif key in ("anyOf", "oneOf"):
            options = [strict(one, bounds=bounds) for one in value]
            made["anyOf"] = None if None in options else options
        elif key == "items":
            made[key] = strict(value, bounds=bounds)
        elif key in keywords or (key == "format" and value in _STRICT_FORMATS):
            made[key] = value
        if made.get(key, True) is None or made.get("anyOf", True) is None:
            return None
    if json_schema.get("type") == "object":
        if json_schema.get("additionalProperties", False) is not False or "properties" not in made:
            return None
        return made | {"additionalProperties": False, "required": list(made["properties"])}
    if json_schema.get("type") == "array" and "items" not in made:
        return None
    return made if made.keys() & {"type", "$ref", "anyOf", "enum", "const"} else None


def _each(named: Json, bounds: bool) -> Json | None:
    made = {name: strict(one, bounds=bounds) for name, one in named.items()}
    return None if any(one is None for one in made.values()) else made
