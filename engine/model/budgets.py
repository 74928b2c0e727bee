"""What may be spent on AI calls."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

BUDGET_CODE = "BudgetExceeded"
"""The code of a stage or run that ended, or waits, because a budget is spent."""


@dataclass(frozen=True, slots=True)
class Budgets:
    """US dollars; None is no limit. A call is refused once what was spent has reached one of them.

    Calls under way when the limit is reached still end: what they cost is not known before.
    """

    run: Decimal | None = None
    """A run, over its whole life: reruns add."""
    stage: Decimal | None = None
    """A stage of a run, all its attempts together. A stage's own `max_cost` goes before it."""
    workflow: Decimal | None = None
    """All runs of a workflow, a day (UTC)."""
    day: Decimal | None = None
    """Everything, a day (UTC)."""
    warn: float = 0.8
    """The part of a budget from which on its use is warned of."""
    on_exceeded: Literal["fail", "suspend"] = "fail"
    """Fail the stage, or let it wait: for an operator who allows more, or for the next day."""

    def __post_init__(self) -> None:
        for name in ("run", "stage", "workflow", "day"):
            amount = getattr(self, name)
            if amount is not None and not (amount.is_finite() and amount >= 0):
                raise ValueError(f"the budget of a {name} is an amount of money, not {amount}")
        if not 0 < self.warn <= 1:
            raise ValueError(f"warn is a part of a budget, above 0 and up to 1, not {self.warn}")


NO_BUDGETS = Budgets()


def plain(amount: Decimal) -> Decimal:
    """The same amount without zeros at its end, which one of the databases puts there."""
    return Decimal(format(amount.normalize(), "f"))
