"""A form out of an input schema, and the value that its texts stand for."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from wfconsole.tui.layout.input_form import (
    MOST_FIELDS,
    FormField,
    fields_of,
    text_of,
    texts_of_form,
    value_of_form,
)


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Inner(BaseModel):
    x: int = 1


class Everything(BaseModel):
    pages: int = Field(10, ge=1, le=100, description="how many are read")
    url: Annotated[str, Field(min_length=1, max_length=20)]
    note: str = ""
    title: str
    share: float = 0.5
    dry: bool = False
    size: Literal["small", "large"] = "small"
    colour: Colour
    limit: int | None = None
    tags: list[str] = []
    inner: Inner = Inner()
    either: int | str = 3


def form() -> dict[str, FormField]:
    fields = fields_of(Everything.model_json_schema())
    assert fields is not None
    return {field.name: field for field in fields}


def filled(**texts: str) -> tuple[dict[str, Any], dict[str, str]]:
    fields = form()
    start = {name: field.start for name, field in fields.items()}
    return value_of_form(list(fields.values()), {**start, "url": "a.md", **texts})


def test_required_fields_come_first_with_kinds_defaults_and_rules() -> None:
    fields = form()
    assert list(fields)[:3] == ["url", "title", "colour"]
    told = {name: (field.kind, field.required, field.default) for name, field in fields.items()}
    assert told["url"] == ("text", True, None)
    assert told["pages"] == ("integer", False, "10")
    assert told["dry"] == ("boolean", False, "false")
    assert told["size"] == ("choice", False, "small")
    assert told["colour"] == ("choice", True, None)
    assert told["limit"] == ("integer", False, "")
    assert told["tags"] == ("json", False, "[]")
    assert told["inner"] == ("json", False, '{"x": 1}')
    assert fields["colour"].choices == ("red", "blue")
    assert fields["pages"].about == "integer 1 to 100  how many are read"


def test_what_is_left_empty_is_left_to_the_workflow() -> None:
    value, problems = filled()
    assert problems == {}
    assert value == {"url": "a.md", "title": "", "colour": "red", "dry": False, "size": "small"}
    assert Everything.model_validate(value).pages == 10


@pytest.mark.parametrize(
    ("field", "text", "problem"),
    [
        ("url", "", "required"),
        ("url", "x" * 21, "at most 20 characters"),
        ("pages", "many", "no integer"),
        ("pages", "1.5", "no integer"),
        ("pages", "true", "no integer"),
        ("pages", "0", "at least 1"),
        ("pages", "101", "at most 100"),
        ("share", "x", "no number"),
        ("dry", "maybe", "not yes or no"),
        ("colour", "green", "one of: red, blue"),
        ("tags", "[", "not JSON"),
        ("tags", "NaN", "not JSON"),
    ],
)
def test_what_is_wrong_is_said_at_its_field(field: str, text: str, problem: str) -> None:
    assert filled(**{field: text})[1] == {field: problem}


def test_big_integers_stay_exact() -> None:
    fields = fields_of({"properties": {"n": {"type": "integer"}}})
    assert fields is not None
    assert value_of_form(fields, {"n": str(2**70)}) == ({"n": 2**70}, {})


@given(
    st.fixed_dictionaries(
        {"url": st.text(min_size=1, max_size=20), "title": st.text(), "colour": st.sampled_from(["red", "blue"])},
        optional={
            "pages": st.integers(1, 100),
            "dry": st.booleans(),
            "tags": st.lists(st.text(max_size=5), min_size=1, max_size=3),
            "inner": st.fixed_dictionaries({"x": st.integers()}),
        },
    )
)
def test_from_json_to_the_form_and_back_nothing_is_lost(value: dict[str, Any]) -> None:
    fields = list(form().values())
    texts = texts_of_form(fields, value)
    assert texts is not None
    back, problems = value_of_form(fields, texts)
    assert problems == {}
    assert {name: back[name] for name in value} == value


def test_what_a_form_cannot_stand_for_is_written_as_json() -> None:
    assert fields_of({}) is None
    assert fields_of({"type": "string"}) is None
    assert fields_of({"properties": {str(n): {} for n in range(MOST_FIELDS + 1)}}) is None
    assert texts_of_form(list(form().values()), {"nowhere": 1}) is None
    assert texts_of_form(list(form().values()), [1]) is None
    loop = {"properties": {"a": {"$ref": "#/$defs/A"}}, "$defs": {"A": {"$ref": "#/$defs/A"}}}
    assert fields_of(loop) is not None, "a schema that refers to itself ends"
    assert text_of("integer", None) == ""
