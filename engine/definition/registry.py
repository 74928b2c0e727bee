"""Which workflows a process knows, and loading them by module name."""

from __future__ import annotations

import importlib
import os
import pkgutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import TypeVar

from engine.definition.builder import WorkflowBuilder
from engine.definition.plugin import Plugin
from engine.definition.workflow import Workflow
from engine.errors import DefinitionError

SAMPLES = "sample_workflows"

Definition = TypeVar("Definition", Workflow, Plugin)


class WorkflowRegistry:
    """Workflows by id. Raises `DefinitionError` for two different ones of one id."""

    def __init__(self, workflows: Iterable[Workflow] = ()) -> None:
        self._by_id = {workflow.id: workflow for workflow in _distinct(workflows, "workflows")}

    def get(self, workflow_id: str) -> Workflow | None:
        return self._by_id.get(workflow_id)

    def ids(self) -> list[str]:
        """Sorted."""
        return sorted(self._by_id)

    def __iter__(self) -> Iterator[Workflow]:
        return iter(self._by_id.values())

    def __len__(self) -> int:
        return len(self._by_id)


@dataclass(frozen=True, slots=True)
class Loaded:
    """What the modules held, each object once, in the order it was found."""

    workflows: tuple[Workflow, ...]
    plugins: tuple[Plugin, ...]


def load_workflows(specs: Sequence[str]) -> Loaded:
    """The workflows and plugins of `module` or `module:ATTR` specs; without specs those of the samples.

    Modules of the working directory are importable. Raises `DefinitionError`, one line, for what can't
    be loaded.
    """
    if isinstance(specs, str):
        specs = [specs]
    found: list[Workflow | Plugin] = []
    if specs:
        _make_working_directory_importable()
    for spec in specs:
        found += _load(spec)
    if not specs:
        found += _samples()
    workflows = _distinct((one for one in found if isinstance(one, Workflow)), "workflows")
    plugins = _distinct((one for one in found if isinstance(one, Plugin)), "plugins")
    return Loaded(tuple(workflows), tuple(plugins))


def _make_working_directory_importable() -> None:
    try:
        here = os.getcwd()
    except OSError:  # the directory was removed under us: nothing to import from
        return
    if not any(os.path.abspath(entry or here) == here for entry in sys.path):
        sys.path.insert(0, here)


def _load(spec: str) -> list[Workflow | Plugin]:
    name, _, attribute = spec.strip().partition(":")
    if not all(part.isidentifier() for part in name.split(".")):
        raise DefinitionError(f"can't load {spec!r}: write it as package.module or package.module:ATTR")
    module = _import(name, spec)
    if not attribute:
        found = list(_scan(module))
        if not found:
            raise DefinitionError(f"can't load {spec!r}: the module holds no workflow and no plugin")
        return found
    try:
        value = getattr(module, attribute)
    except AttributeError:
        raise DefinitionError(f"can't load {spec!r}: module {name!r} has no {attribute!r}") from None
    return _definitions(value, spec)


def _import(name: str, spec: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except (Exception, SystemExit) as error:
        reason = (str(error).strip().splitlines() or ["no message"])[0]
        raise DefinitionError(f"can't load {spec!r}: {type(error).__name__}: {reason}") from error


def _definitions(value: object, spec: str) -> list[Workflow | Plugin]:
    if isinstance(value, Workflow | Plugin):
        return [value]
    if isinstance(value, WorkflowBuilder):
        raise DefinitionError(f"can't load {spec!r}: it is a WorkflowBuilder; call its build()")
    members: list[object] = list(value) if isinstance(value, Iterable) and not isinstance(value, str) else [value]
    held: list[Workflow | Plugin] = []
    for member in members:
        if not isinstance(member, Workflow | Plugin):
            raise DefinitionError(f"can't load {spec!r}: {type(member).__name__} is neither a workflow nor a plugin")
        held.append(member)
    return held


def _scan(module: ModuleType) -> Iterator[Workflow | Plugin]:
    """All that stands at the module's top level, lists and tuples of definitions included."""
    for value in list(vars(module).values()):
        members = value if isinstance(value, list | tuple) else [value]
        for member in members:
            if isinstance(member, Workflow | Plugin):
                yield member


def _samples() -> list[Workflow | Plugin]:
    package = _import(SAMPLES, SAMPLES)
    if hasattr(package, "WORKFLOWS"):
        return _definitions(package.WORKFLOWS, SAMPLES) + _definitions(getattr(package, "PLUGINS", ()), SAMPLES)
    names = [found.name for found in pkgutil.iter_modules(package.__path__, f"{SAMPLES}.")]
    return [one for name in names for one in _scan(_import(name, name))]


def _distinct(definitions: Iterable[Definition], what: str) -> list[Definition]:
    by_id: dict[str, Definition] = {}
    for one in definitions:
        if by_id.setdefault(one.id, one) is not one:
            raise DefinitionError(f"two different {what} have the id {one.id!r}")
    return list(by_id.values())
