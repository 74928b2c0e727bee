"""Questions about AI calls and what they cost."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from typing import Any, Protocol, TypeVar

from engine.errors import EngineError, InvalidInput, Problem, RunNotFound
from engine.inspector.history import cost_row
from engine.inspector.money_views import (
    AICallView,
    CallNotFound,
    CostComparison,
    ExpectedCost,
    Repriced,
    RepricedRow,
    RunBudget,
    Spending,
)
from engine.inspector.views import CostRow
from engine.model.criteria import CallFilter, Page, PageRequest, RunFilter
from engine.model.read_records import CostSum
from engine.model.records import AICallRecord
from engine.model.text import storable
from engine.ports.persistence import Persistence
from engine.ports.reads import ReadStore

R = TypeVar("R")
FIRST_PAGE = PageRequest()
MOST_COST_ROWS = 10_000
SAMPLE = 100
"""How many past runs say what a stage will cost."""
CALL_STATUSES = ("open", "ok", "error", "interrupted")


class PriceOf(Protocol):
    """`engine.ai.cost.price_of`, by `provider/model`; None where the price is unknown."""

    def __call__(self, model: str, usage: AICallRecord, /) -> Decimal | None: ...


class MoneyInspector:
    """The part of the inspector about AI calls and money."""

    _persistence: Persistence
    _price_of: PriceOf | None = None

    async def ai_calls(
        self,
        run_id: str | None = None,
        *,
        workflow_id: str | None = None,
        stage_id: str | None = None,
        model: str | None = None,
        status: str | None = None,
        topic: str | None = None,
        batch_id: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        brief: bool = False,
        page: PageRequest = FIRST_PAGE,
    ) -> Page[AICallView]:
        """AI calls, the newest first unless the page says otherwise; what is given must all match.

        `model` is what was asked for or what answered; `topic` stands for itself and all below it. With `brief` only
        the beginnings of prompts and answers come. Raises `RunNotFound`.
        """
        if status is not None and status not in CALL_STATUSES:
            raise InvalidInput([Problem("status", f"{status!r} is none; there are: {', '.join(CALL_STATUSES)}")])
        wanted = CallFilter(
            run_id=run_id,
            workflow_id=workflow_id,
            stage_id=stage_id,
            model=model,
            status=status,
            topic=topic,
            batch_id=batch_id,
            since=since,
            until=until,
        )

        def read(reads: ReadStore) -> Page[AICallView]:
            found = reads.ai_calls(wanted, page, brief=brief)
            if not found.items and run_id is not None and not reads.exists(run_id):
                raise RunNotFound(run_id)
            return Page[AICallView](items=list(map(call_view, found.items)), next_cursor=found.next_cursor)

        return await self._read_of(run_id, read)

    async def ai_call(self, call_id: str) -> AICallView:
        """One call, whole. Raises `CallNotFound`."""
        found = await self._persistence.read(lambda reads: reads.ai_call(call_id))
        if found is None:
            raise CallNotFound(call_id)
        return call_view(found)

    async def budget(self, run_id: str) -> RunBudget:
        """What operators allowed the run, and what it spent. Raises `RunNotFound`."""

        def read(reads: ReadStore) -> RunBudget:
            whole = reads.run(run_id)
            if whole is None:
                raise RunNotFound(run_id)
            limits = reads.limits(run_id)
            return RunBudget(
                run_id=run_id,
                max_cost=limits.pop("", None),
                spent=whole.row.total_cost or Decimal(0),
                unpriced=bool(reads.unpriced_runs([run_id])),
                stages=limits,
            )

        return await self._read_of(run_id, read)

    async def costs(
        self,
        by: str = "model",
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        filter: RunFilter | None = None,  # noqa: A002
        zone: tzinfo = UTC,
    ) -> Page[CostRow]:
        """AI calls summed by model, provider, workflow, stage, topic, run, day (of `zone`), or several with commas.

        The dearest first, at most 10,000 rows; `filter` takes only calls of runs that match.
        """
        keys = _keys(by)

        def read(reads: ReadStore) -> Page[CostRow]:
            sums = reads.costs(keys, since=since, until=until, criteria=filter, limit=MOST_COST_ROWS, zone=zone)
            return Page[CostRow](items=list(map(cost_row, sums)))

        return await self._persistence.read(read)

    async def costs_compared(
        self,
        by: str = "model",
        *,
        since: datetime,
        until: datetime | None = None,
        filter: RunFilter | None = None,  # noqa: A002
        zone: tzinfo = UTC,
    ) -> Page[CostComparison]:
        """As `costs`, each row beside that of the period before, which is as long and ends where this one begins.

        Rows that are only there before come too, with zeros now; the largest change comes first.
        """
        keys = _keys(by)

        def read(reads: ReadStore) -> Page[CostComparison]:
            end = until or reads.now
            before = since - (end - since)
            asked: dict[str, Any] = {"criteria": filter, "limit": MOST_COST_ROWS, "zone": zone}
            now = reads.costs(keys, since=since, until=until, **asked)
            then = reads.costs(keys, since=before, until=since, **asked)
            return Page[CostComparison](items=_compared(now, then))

        if since >= (until or datetime.max.replace(tzinfo=since.tzinfo)):
            raise InvalidInput([Problem("until", "the period ends before it begins")])
        return await self._persistence.read(read)

    async def spending(self) -> Spending:
        """Today's and this month's money, and what the month comes to at this pace."""
        return await self._persistence.read(_spending)

    async def expected_cost(self, workflow_id: str, stage_ids: Sequence[str]) -> ExpectedCost:
        """What these stages will likely cost, by what they cost in the latest 100 runs where they completed."""

        def read(reads: ReadStore) -> ExpectedCost:
            found = reads.stage_prices(workflow_id, stage_ids, SAMPLE)
            stages = [
                ExpectedCost.Stage(stage_id=one.stage_id, cost=one.cost / one.runs if one.runs else None, runs=one.runs)
                for one in found
            ]
            known = [one.cost for one in stages if one.cost is not None]
            return ExpectedCost(
                cost=sum(known, Decimal(0)) if stages and len(known) == len(stages) else None,
                runs=min((one.runs for one in stages), default=0),
                unpriced=any(one.unpriced for one in found),
                stages=stages,
            )

        return await self._persistence.read(read)

    async def reprice(self, run_id: str, model: str) -> Repriced:
        """What the run's recorded tokens would have cost on `model` (`provider/model`). Raises `RunNotFound`."""
        price_of = self._price_of
        if price_of is None:
            raise EngineError("this engine knows no prices")

        def read(reads: ReadStore) -> list[AICallRecord]:
            if not reads.exists(run_id):
                raise RunNotFound(run_id)
            return [call for call in reads.calls_of_run(run_id) if call.status != "open"]

        return _repriced(run_id, model, await self._read_of(run_id, read), price_of)

    async def _read_of(self, run_id: str | None, fn: Callable[[ReadStore], R]) -> R:
        """A read about a run, or about all."""
        if run_id is not None and not storable(run_id):
            raise RunNotFound(run_id)
        return await self._persistence.read(fn)


def call_view(call: AICallRecord) -> AICallView:
    fields = call._asdict()
    return AICallView(**{name: fields[name] for name in AICallView.model_fields})


def _keys(by: str) -> list[str]:
    return [name.strip() for name in by.split(",") if name.strip()]


def _compared(now: Sequence[CostSum], then: Sequence[CostSum]) -> list[CostComparison]:
    before = {one.key: one for one in then}
    rows = [_comparison(one, before.pop(one.key, None)) for one in now]
    rows += [_comparison(_nothing(one), one) for one in before.values()]
    return sorted(rows, key=lambda row: (-abs(row.change), row.key))


def _comparison(now: CostSum, then: CostSum | None) -> CostComparison:
    cost = then.cost if then else Decimal(0)
    return CostComparison(
        **cost_row(now).model_dump(),
        previous_calls=then.calls if then else 0,
        previous_tokens=then.input_tokens + then.output_tokens if then else 0,
        previous_cost=cost,
        change=now.cost - cost,
    )


def _nothing(like: CostSum) -> CostSum:
    return CostSum(like.key, 0, 0, 0, 0, 0, 0, Decimal(0), Decimal(0), 0)


def _spending(reads: ReadStore) -> Spending:
    now = reads.now
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    first = midnight.replace(day=1)
    former = (first - timedelta(days=1)).replace(day=1)
    days = {row.key[0]: row for row in reads.costs(["day"], since=first, until=None, criteria=None, limit=100)}
    month = sum((row.cost for row in days.values()), Decimal(0))
    today = days.get(midnight.date().isoformat())
    before = reads.costs(["day"], since=former, until=first, criteria=None, limit=100)
    length = timedelta(days=monthrange(now.year, now.month)[1])
    # A month that has just begun says nothing about its pace.
    gone = max(now - first, timedelta(days=1))
    return Spending(
        today=today.cost if today else Decimal(0),
        month=month,
        projected=month * Decimal(length / gone).quantize(Decimal("0.0001")),
        previous_month=sum((row.cost for row in before), Decimal(0)),
        unpriced=sum(row.unpriced for row in days.values()),
    )


def _repriced(run_id: str, model: str, calls: Sequence[AICallRecord], price_of: PriceOf) -> Repriced:
    groups: dict[tuple[str | None, str], list[AICallRecord]] = {}
    for call in calls:
        groups.setdefault((call.stage_id, call.model), []).append(call)
    rows = [
        RepricedRow(
            stage_id=stage_id,
            model=asked,
            calls=len(group),
            input_tokens=sum(call.input_tokens for call in group),
            output_tokens=sum(call.output_tokens for call in group),
            cost=_sum([call.cost for call in group]),
            repriced=_sum([price_of(model, call) for call in group]),
        )
        for (stage_id, asked), group in groups.items()
    ]
    return Repriced(
        run_id=run_id,
        model=model,
        calls=len(calls),
        cost=sum((call.cost for call in calls if call.cost is not None), Decimal(0)),
        unpriced=sum(call.cost is None for call in calls),
        repriced=_sum([row.repriced for row in rows]),
        rows=rows,
    )


def _sum(costs: Sequence[Decimal | None]) -> Decimal | None:
    """None as soon as one of them is unknown."""
    known = [cost for cost in costs if cost is not None]
    return sum(known, Decimal(0)) if len(known) == len(costs) else None
