"""What a handler has at hand."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from engine.definition.registry import WorkflowRegistry
from engine.errors import RunNotFound
from engine.kernel.changes import Changes
from engine.kernel.course import Course
from engine.kernel.plans import Plans
from engine.model.records import RunRecord
from engine.ports.work import UnitOfWork


@dataclass
class Scene:
    """One command inside its transaction. Handlers decide through `changes` and `course`; the kernel writes."""

    work: UnitOfWork
    registry: WorkflowRegistry
    plans: Plans
    causation: str
    actor: str
    key: str | None = None
    """The command's idempotency key."""

    @cached_property
    def changes(self) -> Changes:
        return Changes(self.work)

    @cached_property
    def course(self) -> Course:
        return Course(self.changes, self.plans)

    def locked_run(self, run_id: str) -> RunRecord:
        """The run, locked. Raises `RunNotFound`."""
        self.changes.lock({run_id})
        if not self.changes.has_run(run_id):
            raise RunNotFound(run_id)
        return self.changes.run(run_id)
