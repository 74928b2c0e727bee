"""Groups of stages side by side, each folded into one node that says how its stages stand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import groupby

from wfconsole.formatting import STATUS, UNREACHED
from wfconsole.tui.layout.stage_graph import GraphNode

MANY = 8
"""A group of more is folded until somebody opens it."""

WORST_FIRST = (
    *("FAILED", "RETRYING", "RUNNING", "WAITING", "PENDING", "CANCELLED"),
    *(UNREACHED.key, "SKIPPED", "COMPLETED"),
)


def fold(nodes: Sequence[GraphNode], folded: Iterable[int], *, focus: str | None = None) -> list[GraphNode]:
    """The nodes with these groups as one each, standing for the focused member, else for the one worst off."""
    chosen = set(folded)
    shown: list[GraphNode] = []
    for number, members in groupby(sorted(nodes, key=lambda node: node.group), key=lambda node: node.group):
        group = list(members)
        shown += [_folded(group, focus)] if number in chosen and len(group) > 1 else group
    return shown


def large_groups(nodes: Iterable[GraphNode]) -> set[int]:
    """The groups with more stages than one wants to see at once."""
    return {number for number, size in Counter(node.group for node in nodes).items() if size > MANY}


def _folded(group: Sequence[GraphNode], focus: str | None) -> GraphNode:
    worst = min(group, key=_badness)
    stands_for = next((node for node in group if node.stage_id == focus), worst)
    costs = [node.cost for node in group]
    known = [cost for cost in costs if cost is not None]
    return replace(
        worst,
        stage_id=stands_for.stage_id,
        label=f"{_name(group)} x{len(group)} ({_counted(group)})",
        tries=0,
        progress=None,
        duration_ms=max((node.duration_ms for node in group if node.duration_ms is not None), default=None),
        cost=sum(known, Decimal(0)) if len(known) == len(costs) else None,
    )


def _badness(node: GraphNode) -> int:
    return WORST_FIRST.index(node.state) if node.state in WORST_FIRST else len(WORST_FIRST)


def _name(group: Sequence[GraphNode]) -> str:
    """What the ids begin with, if that says something."""
    ids = [node.stage_id for node in group]
    first, last = min(ids), max(ids)
    same = next((at for at, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))
    shared = first[:same].rstrip("-_. 0123456789")
    return shared if len(shared) > 2 else "stages"


def _counted(group: Sequence[GraphNode]) -> str:
    counts = Counter(node.state for node in group)
    words = [(STATUS[state].word if state in STATUS else UNREACHED.word, counts[state]) for state in WORST_FIRST]
    return ", ".join(f"{number} {word}" for word, number in reversed(words) if number)
