"""JSON as both databases accept it: no NaN or Infinity, no NUL, no lone surrogates, at most 100 levels deep."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import Any, TypeAlias
from uuid import UUID

from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from engine.errors import Problem

Json: TypeAlias = Any
"""null, bool, int, float, str, list of Json, or dict of str to Json: what `loads` gives."""

MAX_DEPTH = 100
REPLACEMENT = "\ufffd"


class NotJson(ValueError):
    """A value that can't be kept; `problems` says where."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        super().__init__("; ".join(str(problem) for problem in problems))


def _default(value: object) -> object:
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, BaseModel | datetime | date | timedelta | Decimal | Enum | UUID | set | frozenset | bytes):
        return to_jsonable_python(value)
    raise TypeError(f"{type(value).__name__} is no JSON")


def dumps(value: Json, *, deepest: int = MAX_DEPTH) -> str:
    """Compact JSON text of `value`, models and dates included.

    Raises `NotJson`, naming the paths, for what one of the databases would refuse or bend. What wraps checked
    values raises `deepest` by its own levels.
    """
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_default)
        text.encode()
    except (ValueError, TypeError, RecursionError, UnicodeEncodeError) as error:
        raise NotJson(list(find_problems(value, deepest=deepest)) or [Problem("", str(error))]) from error
    if "\\u0000" in text or text.count("[") + text.count("{") > deepest:
        problems = list(find_problems(json.loads(text), deepest=deepest))
        if problems:
            raise NotJson(problems)
    return text


def loads(text: str | bytes) -> Json:
    """The value of a JSON text; raises `NotJson` for NaN, Infinity and numbers beyond a double."""

    def refuse(constant: str) -> Json:
        raise NotJson([Problem("", f"{constant} is no JSON")])

    def number(digits: str) -> float:
        value = float(digits)
        if math.isinf(value):
            raise NotJson([Problem("", f"{digits} is beyond a double")])
        return value

    try:
        return json.loads(text, parse_constant=refuse, parse_float=number)
    except RecursionError as error:
        raise NotJson([Problem("", f"nested deeper than {MAX_DEPTH} levels")]) from error


def find_problems(value: Json, path: str = "", depth: int = 0, deepest: int = MAX_DEPTH) -> Iterator[Problem]:
    """Every place of `value` that can't be kept, by dotted path."""
    if depth > deepest:
        yield Problem(path, f"nested deeper than {deepest} levels")
    elif isinstance(value, str):
        if "\x00" in value:
            yield Problem(path, "holds a NUL character")
        elif any("\ud800" <= char <= "\udfff" for char in value):
            yield Problem(path, "holds a lone surrogate")
    elif isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        yield Problem(path, f"{value} is no JSON number")
    elif isinstance(value, Mapping):
        for key, item in value.items():
            here = f"{path}.{key}" if path else str(key)
            yield from find_problems(str(key), here, depth, deepest)
            yield from find_problems(item, here, depth + 1, deepest)
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from find_problems(item, f"{path}.{index}" if path else str(index), depth + 1, deepest)
    elif not isinstance(value, bool | int | float | None):
        try:
            _default(value)
        except (TypeError, ValueError) as error:
            yield Problem(path, str(error))


def digest(value: Json) -> str:
    """SHA-256 of the canonical text: keys sorted, so that equal values have equal digests."""
    canonical = json.dumps(value, ensure_ascii=True, sort_keys=True, separators=(",", ":"), default=_default)
    return hashlib.sha256(canonical.encode()).hexdigest()


def clean_text(text: str) -> str:
    """Text from a log or an error, made fit for both databases: NUL and lone surrogates become U+FFFD."""
    cleaned = text.replace("\x00", REPLACEMENT)
    try:
        cleaned.encode()
    except UnicodeEncodeError:
        cleaned = cleaned.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    return cleaned
