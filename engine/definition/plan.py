"""The plan: a workflow without its bodies, as it is stored beside each run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Any, cast

from engine.definition.retry import RetryPolicy
from engine.definition.stage import Isolation, Mode
from engine.errors import StageNotFound
from engine.model.json import digest

_MICROSECOND = timedelta(microseconds=1)
FINGERPRINT_LENGTH = 12


@dataclass(frozen=True, slots=True)
class PlannedStage:
    """One stage as planned: `group` and `number` count from 1, the schemas are JSON schemas."""

    stage_id: str
    name: str
    group: int
    number: int
    mode: Mode
    retry: RetryPolicy
    timeout: timedelta | None
    isolation: Isolation
    input_schema: dict[str, Any]
    output_schema: dict[str, Any]
    config_schema: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON without group and number: those are its place in the plan."""
        return {
            "stage_id": self.stage_id,
            "name": self.name,
            "mode": self.mode,
            "retry": self.retry.to_json(),
            "timeout_us": None if self.timeout is None else self.timeout // _MICROSECOND,
            "isolation": self.isolation,
            "input_schema": self.input_schema,
            "output_schema": self.output_schema,
            "config_schema": self.config_schema,
        }

    @classmethod
    def from_json(cls, plain: Mapping[str, Any], group: int, number: int) -> PlannedStage:
        timeout = plain.get("timeout_us")
        return cls(
            stage_id=plain["stage_id"],
            name=plain["name"],
            group=group,
            number=number,
            mode=cast("Mode", plain["mode"]),
            retry=RetryPolicy.from_json(plain["retry"]),
            timeout=None if timeout is None else timeout * _MICROSECOND,
            isolation=cast("Isolation", plain.get("isolation", "thread")),
            input_schema=plain.get("input_schema", {}),
            output_schema=plain.get("output_schema", {}),
            config_schema=plain.get("config_schema", {}),
        )


@dataclass(frozen=True)
class Plan:
    """Groups of stages in order; the stages of a group run side by side."""

    workflow_id: str
    name: str
    description: str
    groups: tuple[tuple[PlannedStage, ...], ...]
    input_schema: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; equal plans give equal JSON."""
        return {
            "workflow_id": self.workflow_id,
            "name": self.name,
            "description": self.description,
            "input_schema": self.input_schema,
            "groups": [[planned.to_json() for planned in group] for group in self.groups],
        }

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Plan:
        """The plan `to_json` gave; fields a newer program added are ignored. Raises `KeyError` for a
        broken one.
        """
        groups: list[tuple[PlannedStage, ...]] = []
        number = 0
        for index, members in enumerate(plain["groups"], start=1):
            planned = [PlannedStage.from_json(one, index, number + place) for place, one in enumerate(members, 1)]
            number += len(planned)
            groups.append(tuple(planned))
        return cls(
            workflow_id=plain["workflow_id"],
            name=plain["name"],
            description=plain.get("description", ""),
            groups=tuple(groups),
            input_schema=plain.get("input_schema", {}),
        )

    @cached_property
    def stages(self) -> tuple[PlannedStage, ...]:
        """All stages, by number."""
        return tuple(planned for group in self.groups for planned in group)

    @cached_property
    def stage_ids(self) -> tuple[str, ...]:
        return tuple(planned.stage_id for planned in self.stages)

    @cached_property
    def _by_id(self) -> dict[str, PlannedStage]:
        return {planned.stage_id: planned for planned in self.stages}

    def stage(self, stage_id: str) -> PlannedStage:
        """Raises `StageNotFound`, naming the stages there are."""
        try:
            return self._by_id[stage_id]
        except KeyError:
            raise StageNotFound(stage_id, self.stage_ids) from None

    @cached_property
    def fingerprint(self) -> str:
        """12 hex digits: two plans differ in it when they differ in anything stored."""
        return digest(self.to_json())[:FINGERPRINT_LENGTH]
