"""A form out of a JSON schema: its fields, the texts they begin with, and the value that texts stand for."""

from __future__ import annotations

import json
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from engine.model.json import Json, NotJson, loads

Kind = Literal["text", "integer", "number", "boolean", "choice", "json"]
MOST_FIELDS = 40
"""A schema with more is written as JSON."""

_WORDS: Mapping[str, str] = {
    "text": "text",
    "integer": "integer",
    "number": "number",
    "boolean": "yes or no",
    "json": "JSON",
}


_BOUNDS: tuple[tuple[str, Callable[[Any, Any], bool], str], ...] = (
    ("minimum", operator.lt, "at least"),
    ("maximum", operator.gt, "at most"),
    ("exclusiveMinimum", operator.le, "more than"),
    ("exclusiveMaximum", operator.ge, "less than"),
)


class FieldProblem(ValueError):
    """What is wrong with the text of a field."""


@dataclass(frozen=True, slots=True)
class FormField:
    """One field. `default` is the text of what the schema takes when it is left empty; None: it has to be given."""

    name: str
    kind: Kind
    required: bool
    default: str | None
    choices: tuple[str, ...]
    nullable: bool
    about: str
    schema: Mapping[str, Any]

    @property
    def start(self) -> str:
        """The text the field begins with: only choices need one, others show their default as a hint."""
        if self.kind not in ("choice", "boolean"):
            return ""
        return self.default if self.default is not None else (self.choices[0] if self.choices else "")


def fields_of(schema: Mapping[str, Any]) -> list[FormField] | None:
    """The fields of an object schema, required ones first; None where a form can't stand for it."""
    properties = schema.get("properties")
    if not isinstance(properties, Mapping) or not properties or len(properties) > MOST_FIELDS:
        return None
    required = schema.get("required") or ()
    found = [_field(str(name), one, schema, str(name) in required) for name, one in properties.items()]
    return sorted(found, key=lambda field: not field.required)


def _field(name: str, schema: Any, root: Mapping[str, Any], required: bool) -> FormField:
    given = schema if isinstance(schema, Mapping) else {}
    resolved, nullable = _resolved(given, root)
    kind, choices = _kind(resolved)
    default = None
    if "default" in given:
        default = text_of(kind, given["default"])
    elif not required:
        default = ""
    about = "  ".join(part for part in (_rule(kind, resolved), str(given.get("description") or "")) if part)
    return FormField(name, kind, required, default, choices, nullable, about, resolved)


def _resolved(schema: Mapping[str, Any], root: Mapping[str, Any]) -> tuple[Mapping[str, Any], bool]:
    """What a reference or an optional type stands for; and whether null will do."""
    nullable = False
    for _ in range(10):
        reference, either = schema.get("$ref"), schema.get("anyOf")
        if isinstance(reference, str) and reference.startswith("#/$defs/"):
            found = (root.get("$defs") or {}).get(reference.removeprefix("#/$defs/"))
        elif isinstance(either, Sequence) and len(either) == 2 and {"type": "null"} in either:
            nullable = True
            found = next((one for one in either if one != {"type": "null"}), None)
        else:
            break
        if not isinstance(found, Mapping):
            break
        schema = found
    return schema, nullable


def _kind(schema: Mapping[str, Any]) -> tuple[Kind, tuple[str, ...]]:
    options = schema.get("enum")
    if isinstance(options, Sequence) and options and all(isinstance(one, str) for one in options):
        return "choice", tuple(options)
    if "const" in schema and isinstance(schema["const"], str):
        return "choice", (schema["const"],)
    plain: Mapping[Any, Kind] = {"string": "text", "integer": "integer", "number": "number", "boolean": "boolean"}
    kind = plain.get(schema.get("type"), "json")
    return kind, ("false", "true") if kind == "boolean" else ()


def _rule(kind: Kind, schema: Mapping[str, Any]) -> str:
    """`integer 1 to 100`, `text`, …"""
    if kind == "choice":
        return ""
    low, high = (
        schema.get("minimum", schema.get("exclusiveMinimum")),
        schema.get("maximum", schema.get("exclusiveMaximum")),
    )
    bounds = ""
    if low is not None and high is not None:
        bounds = f" {low} to {high}"
    elif low is not None or high is not None:
        bounds = f" from {low}" if low is not None else f" up to {high}"
    word = _WORDS[kind]
    if kind == "json" and isinstance(schema.get("type"), str):
        word = f"JSON {schema['type']}"
    return f"{word}{bounds}"


def text_of(kind: Kind, value: Json) -> str:
    """The text of a field that stands for a value."""
    if value is None:
        return ""
    if kind in ("text", "choice") and isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)


def value_of(field: FormField, text: str) -> Json:
    """What the text stands for. Raises `FieldProblem`; an empty text is asked for with `is_left_out` first."""
    if field.kind == "text":
        value: Json = text
    elif field.kind == "choice":
        if text not in field.choices:
            raise FieldProblem(f"one of: {', '.join(field.choices)}")
        value = text
    else:
        value = _read(field.kind, text)
    _check(field.schema, value)
    return value


def _read(kind: Kind, text: str) -> Json:
    refusal = FieldProblem(f"{'not' if kind in ('json', 'boolean') else 'no'} {_WORDS[kind]}")
    try:
        value = loads(text)
    except (ValueError, NotJson):
        raise refusal from None
    truth = isinstance(value, bool)
    fits: Mapping[str, bool] = {
        "integer": isinstance(value, int) and not truth,
        "number": isinstance(value, int | float) and not truth,
        "boolean": truth,
        "json": True,
    }
    if not fits[kind]:
        raise refusal
    return value


def _check(schema: Mapping[str, Any], value: Json) -> None:
    """The bounds a schema states; the rest is the workflow's own to judge."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        for name, breaks, words in _BOUNDS:
            bound = schema.get(name)
            if isinstance(bound, int | float) and breaks(value, bound):
                raise FieldProblem(f"{words} {bound}")
    if isinstance(value, str):
        least, most = schema.get("minLength"), schema.get("maxLength")
        if isinstance(least, int) and len(value) < least:
            raise FieldProblem(f"at least {least} character{'' if least == 1 else 's'}")
        if isinstance(most, int) and len(value) > most:
            raise FieldProblem(f"at most {most} characters")


def is_left_out(field: FormField, text: str) -> bool:
    """Whether an empty text means that the workflow's default is taken."""
    return text == "" and not (field.required and field.kind == "text" and not field.schema.get("minLength"))


def value_of_form(fields: Sequence[FormField], texts: Mapping[str, str]) -> tuple[dict[str, Json], dict[str, str]]:
    """The input that the texts stand for, and what is wrong, by field name."""
    value: dict[str, Json] = {}
    problems: dict[str, str] = {}
    for field in fields:
        text = texts.get(field.name, "")
        if is_left_out(field, text):
            if field.required:
                problems[field.name] = "required"
            continue
        try:
            value[field.name] = value_of(field, text)
        except FieldProblem as error:
            problems[field.name] = str(error)
    return value, problems


def texts_of_form(fields: Sequence[FormField], value: Json) -> dict[str, str] | None:
    """The texts that stand for an input; None where the form has no field for something of it."""
    if not isinstance(value, dict) or any(name not in {field.name for field in fields} for name in value):
        return None
    return {
        field.name: text_of(field.kind, value[field.name]) if field.name in value else field.start for field in fields
    }
