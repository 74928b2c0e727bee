"""Schemas: what validates, what is dumped, and that the way back is open."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import (
    AliasChoices,
    AliasPath,
    BaseModel,
    ConfigDict,
    Field,
    RootModel,
    ValidationError,
)
from typing_extensions import TypedDict

from engine import AIConfig, Completion, DefinitionError, RetryPolicy, StandardConfig, Suspend
from engine.definition.schema import Schema
from engine.model.json import NotJson, dumps, loads


class Colour(Enum):
    RED = "red"


class Rich(BaseModel):
    when: datetime
    day: date
    span: timedelta
    money: Decimal
    colour: Colour
    place: Path
    key: UUID
    pair: tuple[int, str]
    tags: frozenset[str]
    numbered: dict[int, str]


class Strict(BaseModel):
    model_config = ConfigDict(strict=True)
    when: datetime
    pair: tuple[int, str]


class Aliased(BaseModel):
    count: int = Field(alias="wordCount")
    other: str = Field(default="", validation_alias=AliasChoices("o", AliasPath("deep", 0)))
    plain: str = ""


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")


class Mapping(TypedDict):
    n: int


@dataclass
class Point:
    x: int


RICH = Rich(
    when=datetime(2026, 11, 23, 8, tzinfo=UTC),
    day=date(2026, 11, 23),
    span=timedelta(seconds=1.5),
    money=Decimal("0.10"),
    colour=Colour.RED,
    place=Path("a/b"),
    key=uuid4(),
    pair=(1, "a"),
    tags=frozenset({"x"}),
    numbered={1: "one"},
)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Rich, RICH),
        (Strict, Strict(when=RICH.when, pair=(1, "a"))),
        (Aliased, Aliased(wordCount=3, o="x")),
        (list[Point], [Point(1)]),
        (Mapping, {"n": 1}),
        (int | None, None),
        (Any, {"free": [1, None]}),
        (RootModel[list[int]], RootModel[list[int]]([1, 2])),
    ],
)
def test_what_is_dumped_validates_again(kind: Any, value: Any) -> None:
    schema = Schema.of(kind)
    plain = loads(schema.dump_json(value))
    assert schema.validate(plain) == value
    assert schema.validate_json(dumps(plain)) == value
    assert schema.dump(schema.validate(plain)) == plain


@given(st.recursive(st.none() | st.integers() | st.text(), lambda inner: st.lists(inner), max_leaves=5))
def test_any_json_passes_through_the_schema_of_any(value: Any) -> None:
    assert Schema.of(Any).validate(value) == value


def test_text_is_no_number_and_the_error_names_the_field() -> None:
    with pytest.raises(ValidationError, match="pair"):
        Schema.of(Strict).validate({"when": "2026-11-23T08:00:00Z", "pair": ["x", "a"]})
    with pytest.raises(ValidationError):
        Schema.of(Point).validate(object())


def test_a_value_that_no_longer_fits_its_model_is_not_dumped() -> None:
    text = Aliased(wordCount=1)
    text.plain = 7
    with pytest.raises(NotJson, match="plain"):
        Schema.of(Aliased).dump(text)
    with pytest.raises(NotJson):
        Schema.of(bytes).dump(b"\xff")
    with pytest.raises(NotJson, match="NUL"):
        Schema.of(str).dump_json("a\x00b")


def test_a_value_that_validates_is_dumped_whatever_its_serializer_says() -> None:
    point = Point(x="7")
    assert Schema.of(Point).validate(Schema.of(Point).dump(point)) == Point(7)


def test_unknown_fields_honour_aliases_and_extra() -> None:
    schema = Schema.of(Aliased)
    known = {"wordCount": 1, "count": 1, "o": "", "deep": [], "other": "", "plain": ""}
    assert schema.unknown_fields({"x": 1, **known, "y": 2}) == ["x", "y"]
    assert Schema.of(Open).unknown_fields({"x": 1}) == []
    assert Schema.of(int).unknown_fields({"x": 1}) == []
    assert schema.unknown_fields("text") == []


def test_a_type_without_a_json_schema_is_anything() -> None:
    assert Schema.of(Callable[[], int]).json_schema() == {}
    assert Schema.of(Point).json_schema()["properties"]["x"]["type"] == "integer"


def test_presets_mix_and_check() -> None:
    class Mine(StandardConfig):
        top: int = 3

    assert Mine().model_dump() == {
        "model": "offline/extractive",
        "temperature": 0.7,
        "max_tokens": None,
        "max_cost": None,
        "concurrency": 5,
        "delay_ms": 0,
        "max_retries": 3,
        "top": 3,
    }
    for wrong in ({"temperature": 2.1}, {"max_tokens": 0}):
        with pytest.raises(ValidationError):
            AIConfig.model_validate(wrong)


@given(
    st.builds(
        RetryPolicy,
        max_attempts=st.integers(1, 100),
        initial_delay=st.timedeltas(timedelta(0), timedelta(days=400)),
        max_delay=st.timedeltas(timedelta(0), timedelta(days=400)),
        multiplier=st.floats(1, 100),
        jitter=st.booleans(),
    )
)
def test_a_retry_policy_survives_json_exactly(policy: RetryPolicy) -> None:
    assert RetryPolicy.from_json({**loads(dumps(policy.to_json())), "newer": 1}) == policy


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_attempts": 0},
        {"max_attempts": 101},
        {"initial_delay": timedelta(seconds=-1)},
        {"max_delay": timedelta(seconds=-1)},
        {"multiplier": 0.5},
        {"multiplier": float("nan")},
    ],
)
def test_a_retry_policy_out_of_range(wrong: dict[str, Any]) -> None:
    with pytest.raises(DefinitionError):
        RetryPolicy(**wrong)


def test_suspend_and_completion() -> None:
    assert Suspend(state=1).poll_every == timedelta(seconds=30)
    assert Suspend(state=1).max_wait == timedelta(hours=24)
    with pytest.raises(ValueError, match="negative"):
        Suspend(state=1, poll_every=timedelta(seconds=-1))
    with pytest.raises(ValueError, match="time zone"):
        Suspend(state=1, first_poll_at=datetime(2026, 1, 1))  # noqa: DTZ001
    ready = Completion.ready(0)
    assert (ready.kind, ready.output) == ("ready", 0)
    assert Completion.waiting().next_check_in is None
    assert Completion.waiting(timedelta(seconds=2)).next_check_in == timedelta(seconds=2)
    assert (Completion.failed("why").kind, Completion.failed("why").error) == ("failed", "why")
    with pytest.raises(ValueError, match="negative"):
        Completion.waiting(timedelta(seconds=-1))
