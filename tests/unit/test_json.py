"""JSON as both databases accept it."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import PurePosixPath
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from engine.model.json import MAX_DEPTH, NotJson, clean_text, digest, dumps, find_problems, loads
from engine.model.status import RunStatus

GOOD_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"))
NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
GOOD = st.recursive(
    st.none() | st.booleans() | NUMBERS | GOOD_TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(GOOD_TEXT, inner, max_size=4),
    max_leaves=20,
)


class Model(BaseModel):
    n: int


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


@given(GOOD)
def test_good_values_come_back_as_they_were(value: Any) -> None:
    assert loads(dumps(value)) == value
    assert not list(find_problems(value))


@given(st.text())
def test_text_is_kept_or_refused_and_clean_text_is_always_kept(text: str) -> None:
    bad = "\x00" in text or any("\ud800" <= char <= "\udfff" for char in text)
    if bad:
        with pytest.raises(NotJson):
            dumps({"k": text})
    else:
        assert loads(dumps({"k": text})) == {"k": text}
        assert clean_text(text) == text
    assert loads(dumps(clean_text(text))) == clean_text(text)


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ({"a": [1, math.nan]}, "a.1"),
        ({"a": {"b": math.inf}}, "a.b"),
        ({"a": "x\x00"}, "a"),
        ({"a\x00": 1}, "a\x00"),
        (["\ud800"], "0"),
        ({"a": object()}, "a"),
        ({"a": [b"\xff"]}, "a.0"),
        ("\x00", ""),
    ],
)
def test_what_is_refused_is_named_by_path(value: Any, path: str) -> None:
    with pytest.raises(NotJson) as caught:
        dumps(value)
    assert [problem.path for problem in caught.value.problems] == [path]


def test_a_backslash_before_u0000_is_no_nul() -> None:
    assert loads(dumps("\\u0000")) == "\\u0000"


def test_depth() -> None:
    assert loads(dumps(nested(MAX_DEPTH))) == nested(MAX_DEPTH)
    for levels in (MAX_DEPTH + 1, 5000):
        with pytest.raises(NotJson, match="deeper than 100"):
            dumps(nested(levels))
    wide = [[1]] * 500
    assert loads(dumps(wide)) == wide
    circle: list[Any] = []
    circle.append(circle)
    with pytest.raises(NotJson):
        dumps(circle)
    with pytest.raises(NotJson, match="deeper"):
        loads("[" * 200_000)


@pytest.mark.parametrize("text", ["NaN", "[Infinity]", '{"a":-Infinity}'])
def test_loads_refuses_constants_that_are_no_json(text: str) -> None:
    with pytest.raises(NotJson):
        loads(text)


def test_loads_refuses_numbers_beyond_a_double() -> None:
    with pytest.raises(NotJson):
        loads("[1e999]")


def test_python_values_have_their_json_form() -> None:
    value = {
        "model": Model(n=1),
        "when": datetime(2026, 11, 23, tzinfo=UTC),
        "day": date(2026, 11, 23),
        "span": timedelta(seconds=90),
        "money": Decimal("0.10"),
        "status": RunStatus.PENDING,
        "key": UUID(int=1),
        "path": PurePosixPath("a/b"),
        "pair": (1, 2),
        "set": {1},
    }
    assert loads(dumps(value)) == {
        "model": {"n": 1},
        "when": "2026-11-23T00:00:00Z",
        "day": "2026-11-23",
        "span": "PT1M30S",
        "money": "0.10",
        "status": "PENDING",
        "key": str(UUID(int=1)),
        "path": "a/b",
        "pair": [1, 2],
        "set": [1],
    }


@given(st.dictionaries(GOOD_TEXT, NUMBERS, max_size=6))
def test_the_digest_ignores_the_order_of_keys_and_sees_every_change(value: dict[str, Any]) -> None:
    turned = dict(reversed(list(value.items())))
    assert digest(value) == digest(turned)
    assert digest({**value, "one more": 1}) != digest({**value, "one more": 2})
    assert len(digest(value)) == 64
