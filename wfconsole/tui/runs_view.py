"""What place 1 shows: which runs, folded or not, in which order. Views can be named, kept and gone back to."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal

from wfconsole.tui.run_window import NEWEST

Kind = Literal["all", "attention", "causes"]

SORTS = (NEWEST, "-duration_ms", "-total_cost", "workflow_id", "status")
"""In this order `s` walks through them."""

_COLUMNS = {
    "created_at": "age",
    "duration_ms": "duration",
    "total_cost": "cost",
    "workflow_id": "workflow",
    "status": "status",
}
TITLES: dict[Kind, str] = {"all": "all", "attention": "needs attention", "causes": "failed by cause"}


@dataclass(frozen=True, slots=True)
class RunsView:
    """`name` is empty unless the view was saved under one."""

    kind: Kind = "all"
    filter: str = ""
    sort: str = NEWEST
    name: str = ""

    @property
    def title(self) -> str:
        """What stands before the filter; nothing for all runs."""
        return self.name or ("" if self.kind == "all" else TITLES[self.kind])

    @property
    def sorted_by(self) -> tuple[str, bool] | None:
        """The column of the order and whether it descends; None for the usual one."""
        if self.sort == NEWEST:
            return None
        return _COLUMNS[self.sort.removeprefix("-")], self.sort.startswith("-")

    def next_sort(self) -> RunsView:
        at = next((at for at, sort in enumerate(SORTS) if sort.lstrip("-") == self.sort.lstrip("-")), -1)
        return replace(self, sort=SORTS[(at + 1) % len(SORTS)])

    def reversed(self) -> RunsView:
        return replace(self, sort=self.sort[1:] if self.sort.startswith("-") else f"-{self.sort}")

    def plain(self) -> dict[str, str]:
        """As JSON."""
        return {"kind": self.kind, "filter": self.filter, "sort": self.sort, "name": self.name}

    @classmethod
    def read(cls, value: Any) -> RunsView | None:
        """From JSON of whatever origin; None when it is no view."""
        if not isinstance(value, dict) or not all(isinstance(one, str) for one in value.values()):
            return None
        kind, sort = value.get("kind"), value.get("sort", NEWEST)
        if kind not in TITLES or sort.lstrip("-") not in _COLUMNS:
            return None
        return cls(kind, value.get("filter", ""), sort, value.get("name", ""))


@dataclass(frozen=True, slots=True)
class Visited:
    """A view with what stood in it."""

    view: RunsView
    cursor_id: str | None
    marks: frozenset[str] = field(default_factory=frozenset)
