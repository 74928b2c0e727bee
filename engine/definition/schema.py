"""Schemas: a Python type seen as validator, serializer and JSON schema."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any, Generic, TypeVar

from pydantic import (
    AliasChoices,
    AliasPath,
    BaseModel,
    ConfigDict,
    TypeAdapter,
    ValidationError,
    model_validator,
)
from pydantic.errors import PydanticInvalidForJsonSchema

from engine.errors import Problem
from engine.model.json import Json, NotJson, dumps, find_problems

T_co = TypeVar("T_co", covariant=True)


class _Nothing(BaseModel):
    model_config = ConfigDict(frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _drop(cls, value: object) -> dict[str, object]:
        return {}


class NoInput(_Nothing):
    """The stage takes nothing: whatever comes in is dropped."""


class NoConfig(_Nothing):
    """The stage has no settings."""


class Schema(Generic[T_co]):
    """A type any pydantic validator knows. Building the validator waits for the first use.

    Values are accepted by field name and by alias, and dumped by name unless the model says otherwise,
    so that what was dumped always validates again.
    """

    def __init__(self, python_type: Any) -> None:
        self.python_type = python_type

    @classmethod
    def of(cls, python_type: Any) -> Schema[Any]:
        """The schema of `python_type`: a model, a dataclass, a TypedDict, `list[int]`, `int | None`, …"""
        return Schema(python_type)

    @cached_property
    def adapter(self) -> TypeAdapter[Any]:
        """Raises pydantic's errors when the type is none it can validate."""
        return TypeAdapter(self.python_type)

    @property
    def is_nothing(self) -> bool:
        """True for `NoInput` and `NoConfig`."""
        return isinstance(self.python_type, type) and issubclass(self.python_type, _Nothing)

    def validate(self, value: object) -> T_co:
        """The typed value of Python data as JSON gives it; instances of the type pass as they are.

        What a strict model refuses as Python data (a date as text, a list for a tuple) gets a second
        chance as JSON. Raises pydantic's `ValidationError`.
        """
        try:
            validated: T_co = self.adapter.validate_python(value, by_alias=True, by_name=True)
            return validated
        except ValidationError:
            if isinstance(value, BaseModel):
                raise
            try:
                text = dumps(value)
            except NotJson:
                text = ""
            if not text:
                raise
        return self.validate_json(text)

    def validate_json(self, text: str | bytes) -> T_co:
        """The typed value of a JSON text. Raises pydantic's `ValidationError`."""
        validated: T_co = self.adapter.validate_json(text, by_alias=True, by_name=True)
        return validated

    def dump(self, value: object) -> Json:
        """`value` as JSON data. Raises `NotJson` when it has no JSON form or does not fit the type
        after all.
        """
        try:
            return self.adapter.dump_python(value, mode="json", warnings="error")
        except (ValueError, TypeError, RecursionError) as error:
            # A serializer may complain of what validates all the same, as some unions do; validation decides.
            try:
                plain = self.adapter.dump_python(value, mode="json", warnings="none")
                self.validate(plain)
                return plain
            except (ValueError, TypeError, RecursionError):
                raise NotJson([Problem("", " ".join(str(error).split()))]) from error

    def dump_json(self, value: object) -> str:
        """`value` as compact JSON text fit for every database; raises `NotJson`."""
        return dumps(self.dump(value))

    def parse(self, value: object) -> Json:
        """Validated, with defaults filled in, as JSON data that validates again.

        Raises `ValidationError` or `NotJson`; a default that breaks its own field's type is found here.
        """
        validated = self.validate(as_plain(value))
        parsed = self.dump(validated)
        if "null" in dumps(parsed):
            self._refuse_bent_numbers(validated)
        self.validate(parsed)
        return parsed

    def _refuse_bent_numbers(self, value: object) -> None:
        """NaN and Infinity dump as null where the type says that anything goes: `NotJson` instead."""
        plain = self.adapter.dump_python(value, mode="python", warnings="none")
        problems = [problem for problem in find_problems(plain) if problem.message.endswith("is no JSON number")]
        if problems:
            raise NotJson(problems)

    def json_schema(self) -> dict[str, Any]:
        """The JSON schema of what validates; `{}` (anything) for a type that has none."""
        try:
            return self.adapter.json_schema()
        except PydanticInvalidForJsonSchema:
            return {}

    def unknown_fields(self, value: object) -> list[str]:
        """The top-level fields of a mapping that a model would drop or refuse; `[]` for any other type
        or value.
        """
        model = self.python_type
        if not isinstance(value, Mapping) or not isinstance(model, type) or not issubclass(model, BaseModel):
            return []
        if model.model_config.get("extra") == "allow":
            return []
        known = set(_accepted_names(model))
        return [str(field) for field in value if field not in known]

    def __repr__(self) -> str:
        return f"Schema({type_name(self.python_type)})"


def _accepted_names(model: type[BaseModel]) -> Iterable[str]:
    for name, field in model.model_fields.items():
        yield name
        alias = field.validation_alias or field.alias
        for choice in alias.choices if isinstance(alias, AliasChoices) else [alias]:
            first = choice.path[0] if isinstance(choice, AliasPath) else choice
            if isinstance(first, str):
                yield first


def as_plain(value: object) -> Json:
    """A model as unchecked JSON data, anything else as it is. Raises `NotJson` if it has no JSON form."""
    if not isinstance(value, BaseModel):
        return value
    try:
        return value.model_dump(mode="json", warnings="none")
    except ValueError as error:
        raise NotJson([Problem("", str(error))]) from error


def type_name(python_type: object) -> str:
    """How a type is called in an error text."""
    if isinstance(python_type, type) and not hasattr(python_type, "__args__"):
        return python_type.__qualname__
    return str(python_type).replace("typing.", "")
