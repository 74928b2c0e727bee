"""Objects from models: the schema as providers want it, and the JSON in what they answer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from engine.commands import problems_of
from engine.definition.schema import Schema
from engine.model.json import Json, dumps, loads
from engine.model.redaction import fit_to_write

WRAPPED = "value"
MOST_SAID = 1_000
_FENCE = re.compile(r"\A\s*```[A-Za-z0-9_-]*[ \t]*\n(.*?)\n?[ \t]*```\s*\Z", re.DOTALL)


class AskedObject:
    """A type to be answered with. Providers want an object at the root: any other type comes wrapped in one."""

    def __init__(self, python_type: Any) -> None:
        self.schema: Schema[Any] = Schema.of(python_type)
        inner = self.schema.json_schema()
        self.wrapped = _resolved(inner, inner).get("type") != "object"
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


def _resolved(schema: Json, root: Json) -> Json:
    reference = schema.get("$ref", "")
    if not reference.startswith("#/$defs/"):
        return schema
    return root.get("$defs", {}).get(reference.removeprefix("#/$defs/"), {})


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


def strict(json_schema: Json) -> Json | None:
    """The schema as strict servers take it: every field required, nothing added. None where it has no such form."""
    if isinstance(json_schema, list):
        items = [strict(one) for one in json_schema]
        return None if any(item is None for item in items) else items
    if not isinstance(json_schema, Mapping):
        return json_schema
    made: dict[str, Json] = {}
    for key, value in json_schema.items():
        if key == "default":
            continue
        # The names under these are the user's own words, not keywords.
        inner = _each(value) if key in ("properties", "$defs") else strict(value) if key != "enum" else value
        if inner is None and value is not None:
            return None
        made[key] = inner
    if made.get("type") == "object":
        if made.get("additionalProperties") not in (None, False) or "properties" not in made:
            return None
        made |= {"additionalProperties": False, "required": list(made["properties"])}
    elif not made.keys() & {"type", "$ref", "anyOf", "enum", "const"}:
        return None
    return made


def _each(named: Json) -> Json | None:
    made = {name: strict(one) for name, one in named.items()}
    return None if any(one is None for one in made.values()) else made
