"""Plans by fingerprint. They never change, so each is read and parsed once."""

from __future__ import annotations

from collections.abc import Iterable

from engine.definition.plan import Plan
from engine.model.json import loads
from engine.ports.reads import ReadStore

_MOST = 256


class PlanCache:
    """Asked from several reader threads: each step on the dictionary is one operation."""

    def __init__(self) -> None:
        self._plans: dict[tuple[str, str], Plan] = {}

    def of(self, reads: ReadStore, definitions: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Plan]:
        """The plans by (workflow id, fingerprint); those not stored or not readable are left out."""
        wanted = set(definitions)
        known = {key: plan for key in wanted if (plan := self._plans.get(key)) is not None}
        missing = wanted - known.keys()
        if missing:
            fresh = {key: _parse(text) for key, text in reads.plans(sorted(missing)).items()}
            known |= {key: plan for key, plan in fresh.items() if plan is not None}
            if len(self._plans) + len(fresh) > _MOST:
                self._plans = {}
            self._plans.update(known)
        return known


def _parse(text: str) -> Plan | None:
    try:
        return Plan.from_json(loads(text))
    except (KeyError, TypeError, ValueError):
        return None
