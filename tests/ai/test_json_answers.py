"""Schemas on their way out, objects on their way in."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, ValidationError

from engine.ai.json_answers import AskedObject, json_in, strict


class Leaf(BaseModel):
    name: Annotated[str, Field(min_length=1)]
    made: date | None = None


class Cat(BaseModel):
    kind: Literal["cat"]


class Dog(BaseModel):
    kind: Literal["dog"]


class Tree(BaseModel):
    """Refers to itself."""

    leaf: Annotated[Leaf, Field(description="The first one.")]
    pet: Annotated[Cat | Dog, Field(discriminator="kind")]
    branches: list[Tree] = []


@pytest.mark.parametrize(
    ("text", "inner"),
    [
        ('{"a": 1}', '{"a": 1}'),
        ("  [1]\n", "[1]"),
        ('```json\n{"a": 1}\n```', '{"a": 1}'),
        ("```\n[1]\n```\n", "[1]"),
        ('Of course! {"a": {"b": 2}} Anything else?', '{"a": {"b": 2}}'),
        ("nothing", "nothing"),
        ("} {", "} {"),
    ],
)
def test_json_is_found_in_what_surrounds_it(text: str, inner: str) -> None:
    assert json_in(text) == inner


@pytest.mark.parametrize(
    ("wanted", "text", "value"),
    [
        (list[int], '{"value": [1, 2]}', [1, 2]),
        (list[int], "[1, 2]", [1, 2]),
        (Literal["a", "b"], '{"value": "a"}', "a"),
        (int | None, '{"value": null}', None),
        (dict[str, int], '{"value": 1}', {"value": 1}),
    ],
)
def test_what_is_no_object_comes_wrapped_in_one(wanted: Any, text: str, value: Any) -> None:
    asked = AskedObject(wanted)
    assert asked.json_schema["type"] == "object"
    assert asked.read(text) == value


def test_a_recursive_model_has_an_object_at_its_root() -> None:
    asked = AskedObject(Tree)
    assert asked.json_schema["type"] == "object"
    assert not asked.wrapped
    tree = asked.read('{"leaf": {"name": "x"}, "pet": {"kind": "dog"}, "branches": []}')
    assert tree.pet == Dog(kind="dog")
    with pytest.raises(ValidationError):
        asked.read('{"leaf": {"name": ""}, "pet": {"kind": "dog"}}')


def test_a_strict_schema_requires_all_and_says_nothing_its_servers_refuse() -> None:
    made = strict(AskedObject(Tree).json_schema)
    assert made is not None
    assert made["required"] == ["leaf", "pet", "branches"]
    assert made["properties"]["leaf"] == {"$ref": "#/$defs/Leaf"}
    assert made["properties"]["pet"]["anyOf"] == [{"$ref": "#/$defs/Cat"}, {"$ref": "#/$defs/Dog"}]
    leaf = made["$defs"]["Leaf"]
    assert leaf["additionalProperties"] is False
    assert leaf["properties"]["name"] == {"title": "Name", "type": "string"}
    assert leaf["properties"]["made"]["anyOf"][0] == {"format": "date", "type": "string"}
    assert not {"default", "discriminator", "oneOf", "minLength"} & words_of(made)


def words_of(schema: Any) -> set[str]:
    if isinstance(schema, list):
        return {word for one in schema for word in words_of(one)}
    if not isinstance(schema, dict):
        return set()
    return {*schema, *(word for one in schema.values() for word in words_of(one))}


@pytest.mark.parametrize("wanted", [dict[str, int], list[dict[str, int]], Any, list[Any], tuple[int, str]])
def test_some_schemas_have_no_strict_form(wanted: Any) -> None:
    assert strict(AskedObject(wanted).json_schema) is None
