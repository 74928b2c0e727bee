"""Whether unfinished runs survive other definitions: a pure rule over plans.

A run goes on by the plan it was created with; the bodies come from the workflow registered under its id now. So it
survives when every stage it has still to do is there, of a kind that can go on, and takes what the run will hand it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from engine.definition.plan import Plan, PlannedStage


@dataclass(frozen=True, slots=True)
class ToDo:
    """What the unfinished runs of one definition have still to do."""

    stages: Collection[str]
    """Ids of the stages that some of them have not finished."""
    suspended: Collection[str] = ()
    """Those that wait for an outside batch in some of them."""


def problems(plan: Plan, now: Plan | None, to_do: ToDo) -> list[str]:
    """Why runs of `plan` would not survive with the definition `now`; empty when they would."""
    if now is None:
        return ["no workflow of this id is registered"]
    if now.fingerprint == plan.fingerprint:
        return []
    there = {stage.stage_id: stage for stage in now.stages}
    found: list[str] = []
    for stage in plan.stages:
        if stage.stage_id not in to_do.stages:
            continue
        other = there.get(stage.stage_id)
        if other is None:
            found.append(f"stage {stage.stage_id} is gone")
        else:
            found += _changes(stage, other, suspended=stage.stage_id in to_do.suspended)
    return found


def _changes(old: PlannedStage, new: PlannedStage, *, suspended: bool) -> list[str]:
    name = f"stage {old.stage_id}"
    found = []
    if suspended and old.mode != new.mode:
        found.append(f"{name} waits for a batch and is no async-batch stage any more")
    found += [f"{name}: input {change}" for change in narrowed(old.input_schema, new.input_schema)]
    found += [f"{name}: config {change}" for change in narrowed(old.config_schema, new.config_schema)]
    return found


def narrowed(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """What the JSON schema `new` asks beyond `old`, at the top level: a value fit for `old` may not fit `new`."""
    if old == new or not new:
        return []
    before, after = _kind(old), _kind(new)
    if before != after and "any" not in (before, after):
        return [f"was {before} and is {after}"]
    given, wanted = old.get("properties", {}), new.get("properties", {})
    required = set(new.get("required", []))
    found = [f"needs {name}" for name in wanted if name in required and name not in given]
    both = [(name, _kind(given[name]), _kind(wanted[name])) for name in wanted if name in given]
    return found + [f"{name} was {was} and is {is_now}" for name, was, is_now in both if was != is_now]


def _kind(schema: Mapping[str, Any]) -> str:
    kind = schema.get("type")
    if isinstance(kind, str):
        return kind
    options = schema.get("anyOf")
    if isinstance(options, list):
        return " or ".join(sorted(_kind(option) for option in options))
    return str(schema["$ref"]).rsplit("/", 1)[-1] if "$ref" in schema else "any"
