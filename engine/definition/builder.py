"""Building workflows. A builder never changes: each step gives a new one."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

from pydantic import PydanticUserError

from engine.definition.schema import Schema, type_name
from engine.definition.stage import Stage, checked_id
from engine.definition.workflow import Workflow
from engine.errors import DefinitionError

MOST_STAGES = 1000


class WorkflowBuilder:
    """`WorkflowBuilder("id", "Name", input=Model).pipe(one).parallel([two, three]).build()`.

    A fork of a builder shares nothing with its origin. Raises `DefinitionError` as soon as a step can't
    work.
    """

    def __init__(
        self,
        id: str,
        name: str,
        description: str = "",
        *,
        input: Any,  # noqa: A002
        output: Any = None,
    ) -> None:
        self.id = checked_id(id, "workflow")
        self.name = name
        self.description = description
        self.input = Schema.of(input)
        self.output = None if output is None else Schema.of(output)
        self._groups: tuple[tuple[Stage[Any, Any, Any], ...], ...] = ()

    def pipe(self, stage: Stage[Any, Any, Any]) -> WorkflowBuilder:
        """One stage after all before it."""
        return self._with_group((stage,))

    def parallel(self, stages: Iterable[Stage[Any, Any, Any]]) -> WorkflowBuilder:
        """Stages side by side, after all before them."""
        return self._with_group(tuple(stages))

    def build(self) -> Workflow:
        """The workflow.

        Raises `DefinitionError` without stages, for an async-batch stage without a check and for types
        that no schema can be built of.
        """
        if not self._groups:
            raise self._wrong("it has no stages")
        _buildable(self.input, self._wrong, "its input")
        if self.output is not None:
            _buildable(self.output, self._wrong, "its output")
        for stage in (stage for group in self._groups for stage in group):
            if stage.mode == "async-batch" and stage.check is None:
                raise self._wrong(f"async-batch stage {stage.id!r} has no check_completion")
            if stage.isolation == "process" and stage.address is None:
                raise self._wrong(
                    f"stage {stage.id!r} has isolation='process', but no process could import it:"
                    " define it at the top of a module, under the name of its function"
                )
            for side in ("input", "config", "output"):
                _buildable(getattr(stage, side), self._wrong, f"the {side} of stage {stage.id!r}")
        return Workflow(self.id, self.name, self.description, self._groups, self.input, self.output)

    def _with_group(self, group: tuple[Stage[Any, Any, Any], ...]) -> WorkflowBuilder:
        if not group:
            raise self._wrong(f"group {len(self._groups) + 1} is empty")
        before = {stage.id for earlier in self._groups for stage in earlier}
        siblings: set[str] = set()
        for stage in group:
            if not isinstance(stage, Stage):
                raise self._wrong(f"{stage!r} is no stage; decorate it with @stage(id=...)")
            if stage.id in before or stage.id in siblings:
                raise self._wrong(f"two stages have the id {stage.id!r}")
            siblings.add(stage.id)
        for stage in group:
            self._check_dependencies(stage, before, siblings)
        if len(before) + len(group) > MOST_STAGES:
            raise self._wrong(f"it has more than {MOST_STAGES} stages")
        grown = copy.copy(self)
        grown._groups = (*self._groups, group)
        return grown

    def _check_dependencies(self, stage: Stage[Any, Any, Any], before: set[str], siblings: set[str]) -> None:
        for wanted in stage.dependencies:
            if wanted in siblings:
                raise self._wrong(f"stage {stage.id!r} depends on {wanted!r}, which runs beside it")
            if wanted not in before:
                there = ", ".join(sorted(before)) or "none"
                raise self._wrong(f"stage {stage.id!r} depends on {wanted!r}; stages before it: {there}")

    def _wrong(self, what: str) -> DefinitionError:
        return DefinitionError(f"workflow {self.id!r}: {what}")


def _buildable(schema: Schema[Any], wrong: Any, what: str) -> None:
    try:
        schema.adapter.rebuild(raise_errors=True)
    except (PydanticUserError, NameError, TypeError) as error:
        reason = " ".join(str(error).split())
        raise wrong(f"{what}, {type_name(schema.python_type)}, can't be validated: {reason}") from error
