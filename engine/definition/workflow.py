"""Workflows: stages in groups, and the checks of what a caller hands in."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any

from pydantic import ValidationError
from pydantic_core import PydanticUndefined, to_jsonable_python

from engine.commands import StageConfigs
from engine.definition.plan import Plan, PlannedStage
from engine.definition.schema import Schema, as_plain
from engine.definition.stage import Stage
from engine.errors import InvalidConfig, InvalidInput, Problem, StageNotFound
from engine.model.json import Json, NotJson, dumps
from engine.model.problems import problems_of

MAX_INPUT_BYTES = 1024 * 1024


@dataclass(frozen=True, eq=False)
class Workflow:
    """A definition that can be run; made by `WorkflowBuilder`."""

    id: str
    name: str
    description: str
    groups: tuple[tuple[Stage[Any, Any, Any], ...], ...]
    input: Schema[Any]
    output: Schema[Any] | None

    @cached_property
    def stages(self) -> tuple[Stage[Any, Any, Any], ...]:
        """All stages, in the order of their definition."""
        return tuple(member for group in self.groups for member in group)

    @cached_property
    def _by_id(self) -> dict[str, Stage[Any, Any, Any]]:
        return {member.id: member for member in self.stages}

    def stage(self, stage_id: str) -> Stage[Any, Any, Any]:
        """Raises `StageNotFound`, naming the stages there are."""
        try:
            return self._by_id[stage_id]
        except KeyError:
            raise StageNotFound(stage_id, self._by_id) from None

    @cached_property
    def plan(self) -> Plan:
        """The workflow without its bodies, as it is stored with its runs."""
        groups: list[tuple[PlannedStage, ...]] = []
        number = 0
        for index, members in enumerate(self.groups, start=1):
            planned = [_planned(member, index, number + place) for place, member in enumerate(members, 1)]
            number += len(planned)
            groups.append(tuple(planned))
        return Plan(self.id, self.name, self.description, tuple(groups), self.input.json_schema())

    @property
    def fingerprint(self) -> str:
        return self.plan.fingerprint

    def default_config(self) -> StageConfigs:
        """`{stage_id: {field: value}}` as JSON, factories evaluated; fields without a default are left
        out.
        """
        return {member.id: _defaults(member.config.python_type) for member in self.stages}

    def validate_config(self, config: Mapping[str, Any]) -> StageConfigs:
        """The config of every stage, parsed, with all defaults filled in, as JSON.

        Raises `InvalidConfig` listing every unknown stage, unknown field and wrong value as `stage.field`.
        """
        if not isinstance(config, Mapping):
            raise InvalidConfig("a config is an object of stage ids")
        problems = [
            Problem(str(stage_id), f"unknown stage{_nearest(str(stage_id), self._by_id)}")
            for stage_id in config
            if stage_id not in self._by_id
        ]
        parsed: StageConfigs = {}
        for member in self.stages:
            found = list(_config_problems(member, config.get(member.id, {}), parsed))
            problems += found
        if problems:
            raise InvalidConfig(list(dict.fromkeys(problems)))
        return parsed

    def validate_input(self, value: Any) -> Json:
        """The input, parsed, with defaults filled in, as JSON; a model is accepted too, unknown fields
        are dropped.

        Raises `InvalidInput` listing every problem with its path; also for more than 1 MiB of JSON.
        """
        try:
            plain = as_plain(value)
            size = len(dumps(plain).encode())
            if size > MAX_INPUT_BYTES:
                raise InvalidInput(f"{size} bytes of JSON; at most {MAX_INPUT_BYTES} are taken")
            return self.input.parse(plain)
        except NotJson as error:
            raise InvalidInput(error.problems) from error
        except ValidationError as error:
            raise InvalidInput(problems_of(error)) from error

    def estimate_cost(self, input: Any, config: Mapping[str, Any] | None = None) -> Decimal:  # noqa: A002
        """US dollars: the sum of the stages' estimators, each given the run's input and the stage's own
        config.

        Raises `InvalidInput` and `InvalidConfig`.
        """
        typed_input = self.input.validate(self.validate_input(input))
        configs = self.validate_config(config or {})
        total = Decimal(0)
        for member in self.stages:
            if member.estimate_cost is not None:
                estimate = member.estimate_cost(typed_input, member.config.validate(configs[member.id]))
                total += Decimal(str(estimate))
        return total


def _planned(member: Stage[Any, Any, Any], group: int, number: int) -> PlannedStage:
    return PlannedStage(
        stage_id=member.id,
        name=member.name,
        group=group,
        number=number,
        mode=member.mode,
        retry=member.retry,
        timeout=member.timeout,
        isolation=member.isolation,
        input_schema=member.input.json_schema(),
        output_schema=member.output.json_schema(),
        config_schema=member.config.json_schema(),
    )


def _defaults(model: Any) -> dict[str, Json]:
    values: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        value = field.get_default(call_default_factory=True, validated_data=dict(values))
        if value is not PydanticUndefined:
            values[name] = value
    plain: dict[str, Json] = to_jsonable_python(values, by_alias=False)
    return plain


def _nearest(word: str, known: Iterable[str]) -> str:
    choices = list(known)
    near = difflib.get_close_matches(word, choices, n=1)
    return f"; did you mean {near[0]!r}?" if near else f"; there are: {', '.join(choices) or 'none'}"


def _config_problems(member: Stage[Any, Any, Any], given: Any, parsed: StageConfigs) -> Iterator[Problem]:
    try:
        given = as_plain(given)
        if not isinstance(given, Mapping):
            yield Problem(member.id, "a stage's config is an object of its fields")
            return
        unknown = member.config.unknown_fields(given)
        for name in unknown:
            yield Problem(f"{member.id}.{name}", f"unknown field{_nearest(name, _fields(member))}")
        known = {name: value for name, value in given.items() if str(name) not in unknown}
        dumps(known)
        parsed[member.id] = member.config.parse(known)
    except NotJson as error:
        for problem in error.problems:
            yield Problem(f"{member.id}.{problem.path}".rstrip("."), problem.message)
    except ValidationError as error:
        yield from problems_of(error, member.id)


def _fields(member: Stage[Any, Any, Any]) -> list[str]:
    return list(member.config.python_type.model_fields)
