"""Two values, runs or attempts compared."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from wfconsole.run_diff import CONTEXT, MOST, Row, values

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=20,
)


def rows(left: Any, right: Any) -> list[tuple[str, str, str]]:
    return [(row.label, row.left, row.right) for row in values(left, right)]


@given(JSON)
def test_a_value_equals_its_copy(value: Any) -> None:
    assert list(values(value, copy.deepcopy(value))) == [Row("", "equal", "equal")]


@given(JSON, JSON)
def test_a_difference_is_told_and_told_the_same_from_both_sides(left: Any, right: Any) -> None:
    one, other = list(values(left, right)), list(values(right, left))
    assert len(one) == len(other)
    assert {row.verdict for row in one} == {row.verdict for row in other} != set()
    assert sorted((row.label, row.whole) for row in one) == sorted((row.label, row.whole[::-1]) for row in other)


def test_paths_name_what_parts() -> None:
    left = {"a": {"b": [1, 2, {"c": "x"}]}, "only": True, "same": [1]}
    right = {"a": {"b": [1, 3, {"c": "y"}, 4]}, "same": [1], "new": None}
    assert rows(left, right) == [
        ("a.b[1]", "2", "3"),
        ("a.b[2].c", '"x"', '"y"'),
        ("a.b[3]", "(absent)", "4"),
        ("only", "true", "(absent)"),
        ("new", "(absent)", "null"),
    ]


def test_json_tells_one_from_true_and_from_one_point_zero() -> None:
    assert rows([1, 0], [True, False]) == [("[0]", "1", "true"), ("[1]", "0", "false")]
    assert rows({"n": 1}, {"n": 1.0}) == [("n", "1", "1.0")]
    assert rows(2**70, 2**70 + 1) == [("value", str(2**70), str(2**70 + 1))]


def test_long_texts_are_shown_from_where_they_part() -> None:
    left, right = "a" * 5_000 + "left", "a" * 5_000 + "right"
    ((_, mine, theirs),) = rows(left, right)
    assert mine == '"…' + "a" * CONTEXT + 'left"'
    assert theirs == '"…' + "a" * CONTEXT + 'right"'
    assert next(iter(values(left, right))).whole == (left, right)


def test_many_differences_end_with_a_word() -> None:
    found = rows(list(range(1000)), list(range(1, 1001)))
    assert len(found) == MOST + 1
    assert found[-1][1] == "more differ"


def test_the_depth_json_may_have_is_no_limit() -> None:
    left: Any = 1
    right: Any = 2
    for _ in range(100):
        left, right = [left], [right]
    assert rows(left, right) == [("[0]" * 100, "1", "2")]
