"""Views of AI calls and of what they cost: US dollars, by UTC days."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from engine.errors import EngineError
from engine.inspector.views import CostRow, View


class AICallView(View):
    """One call to an AI model. `cost` is None where nobody knows it, and while it is under way."""

    id: str
    run_id: str | None
    workflow_id: str | None
    stage_id: str | None
    attempt: int | None
    topic: str
    call_type: str
    model: str
    provider: str
    answered_by: str | None
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    reasoning_tokens: int
    cost: Decimal | None
    latency_ms: int | None
    first_token_ms: int | None
    status: str
    finish_reason: str | None
    error: str | None
    error_code: str | None
    reused: bool
    batch_id: str | None
    prompt: str | None
    response: str | None
    created_at: datetime


class CostComparison(CostRow):
    """A sum beside the same one of the period before; `change` is the difference in cost."""

    previous_calls: int
    previous_tokens: int
    previous_cost: Decimal
    change: Decimal


class Spending(View):
    """What was spent so far, by UTC days. `projected` is the month's at the pace of its days so far."""

    today: Decimal
    month: Decimal
    projected: Decimal
    previous_month: Decimal
    unpriced: int
    """Calls of the month whose price nobody knows: the sums lack them."""


class ExpectedCost(View):
    """What stages will likely cost, from runs where they completed."""

    class Stage(View):
        stage_id: str
        cost: Decimal | None
        """None: it never completed, so nobody knows."""
        runs: int

    cost: Decimal | None
    runs: int
    """The fewest past runs any of the stages has."""
    unpriced: bool
    """Some past calls had no known price: it will be more."""
    stages: list[Stage]


class RepricedRow(View):
    """The calls of one stage to one model."""

    stage_id: str | None
    model: str
    calls: int
    input_tokens: int
    output_tokens: int
    cost: Decimal | None
    repriced: Decimal | None


class Repriced(View):
    """What a run's recorded tokens would have cost on another model."""

    run_id: str
    model: str
    calls: int
    cost: Decimal
    """What they did cost."""
    unpriced: int
    """Calls whose own price nobody knows."""
    repriced: Decimal | None
    """None: nobody knows that model's price."""
    rows: list[RepricedRow]


class RunBudget(View):
    """What an operator allowed a run and its stages (None: without limit, or nothing said), and what it spent."""

    run_id: str
    max_cost: Decimal | None
    spent: Decimal
    unpriced: bool
    stages: dict[str, Decimal | None]


class CallNotFound(EngineError):
    """No AI call of that id exists."""

    def __init__(self, call_id: str) -> None:
        self.call_id = call_id
        super().__init__(f"no AI call {call_id!r}")
