"""Stored plans, parsed once: a fingerprint never means another plan."""

from __future__ import annotations

from engine.definition.plan import Plan
from engine.definition.workflow import Workflow
from engine.model.json import dumps, loads
from engine.model.records import DefinitionRecord
from engine.ports.work import UnitOfWork

_CACHED = 512


class Plans:
    """The plans of the runs in the store."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], Plan] = {}

    def get(self, work: UnitOfWork, workflow_id: str, fingerprint: str) -> Plan:
        """The plan a run was created with. Raises `KeyError` when the store doesn't have it."""
        known = self._known.get((workflow_id, fingerprint))
        if known is not None:
            return known
        text = work.definitions.get(workflow_id, fingerprint)
        if text is None:
            raise KeyError(f"{workflow_id} {fingerprint}")
        plan = Plan.from_json(loads(text))
        if len(self._known) >= _CACHED:
            self._known.clear()
        self._known[workflow_id, fingerprint] = plan
        return plan

    @staticmethod
    def keep(work: UnitOfWork, workflow: Workflow) -> None:
        """Store a registered workflow's plan; the same one twice is one row."""
        plan = dumps(workflow.plan.to_json())
        work.definitions.put(DefinitionRecord(workflow.id, workflow.fingerprint, plan, work.now))
