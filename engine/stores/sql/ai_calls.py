"""AI calls and what they cost, in statements."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Table, Update, bindparam, func, or_, select, update

from engine.model.records import AICallRecord
from engine.stores.sql.ai_tables import ai_budgets, ai_calls
from engine.stores.sql.dialect import Dialect, Prepared
from engine.stores.sql.rows import Mapping, constant, where
from engine.stores.sql.tables import attempts, runs, stages

CALL = Mapping(AICallRecord, ai_calls)
UNDER_WAY = ai_calls.c.status == constant("open")
ENDED = ("ok", "error")
_TEXTS = ("prompt", "response", "answer")


def _close(dialect: Dialect) -> Any:
    insert = dialect.insert(ai_calls)
    fresh = {name: insert.excluded[name] for name in CALL.names if name != "id"}
    not_ended = or_(UNDER_WAY, ai_calls.c.status == constant("interrupted"))
    return insert.on_conflict_do_update(index_elements=[ai_calls.c.id], set_=fresh, where=not_ended)


def _allow(dialect: Dialect) -> Any:
    insert = dialect.insert(ai_budgets)
    return insert.on_conflict_do_update(
        index_elements=[ai_budgets.c.run_id, ai_budgets.c.scope], set_={"max_cost": insert.excluded.max_cost}
    )


def _more(column: Any, name: str) -> Any:
    return func.coalesce(column, 0) + bindparam(f"b_{name}", type_=column.type)


_prepared = Prepared(
    open=lambda dialect: dialect.insert(ai_calls).on_conflict_do_nothing(),
    close=_close,
    statuses=lambda dialect: select(ai_calls.c.id, ai_calls.c.status).where(dialect.member(ai_calls.c.id, "ids")),
    limits=lambda dialect: select(ai_budgets).where(dialect.member(ai_budgets.c.run_id, "ids")),
    allow=_allow,
    interrupt=lambda dialect: (
        update(ai_calls).where(dialect.member(ai_calls.c.id, "ids"), UNDER_WAY).values(status="interrupted")
    ),
    interrupt_runs=lambda dialect: (
        update(ai_calls).where(dialect.member(ai_calls.c.run_id, "ids"), UNDER_WAY).values(status="interrupted")
    ),
)
_add_to_run = (
    update(runs)
    .where(runs.c.id == where("run_id"))
    .values(total_cost=_more(runs.c.total_cost, "cost"), total_tokens=_more(runs.c.total_tokens, "tokens"))
)
_OF_RUN = ("run_id",)
_OF_ATTEMPT = ("run_id", "stage_id", "attempt")


def _add_to(table: Table) -> Update:
    here = [table.c[name] == where(name) for name in _OF_ATTEMPT]
    return update(table).where(*here).values(cost=_more(table.c.cost, "cost"), tokens=_more(table.c.tokens, "tokens"))


_add_to_stage = _add_to(stages)
_add_to_attempt = _add_to(attempts)
_interrupt_attempts = (
    update(ai_calls)
    .where(
        UNDER_WAY,
        *(ai_calls.c[name] == where(name) for name in _OF_ATTEMPT),
    )
    .values(status="interrupted")
)
_interrupt_orphans = (
    update(ai_calls)
    .where(UNDER_WAY, ai_calls.c.run_id.is_(None), ai_calls.c.created_at < where("before"))
    .values(status="interrupted")
)
_now = select(stages.c.attempt, stages.c.cost).where(
    stages.c.run_id == where("run"), stages.c.stage_id == where("stage")
)
_earlier = select(attempts.c.attempt, attempts.c.cost).where(
    attempts.c.run_id == where("run"), attempts.c.stage_id == where("stage")
)
_by_all = select(func.sum(ai_calls.c.cost)).where(ai_calls.c.created_at >= where("since"))
_by_workflow = _by_all.where(ai_calls.c.workflow_id == where("workflow"))
_worded = or_(*(ai_calls.c[name].is_not(None) for name in _TEXTS))
_forget = (
    update(ai_calls)
    .where(
        ai_calls.c.id.in_(
            select(ai_calls.c.id)
            .where(_worded, ai_calls.c.created_at < where("before"))
            .order_by(ai_calls.c.created_at)
            .limit(where("limit"))
        )
    )
    .values(dict.fromkeys(_TEXTS))
)


class SqlCalls:
    """`engine.ports.ai_calls.CallStore`."""

    def __init__(self, connection: Connection, dialect: Dialect) -> None:
        self._connection = connection
        self._dialect = dialect

    def open(self, calls: Sequence[AICallRecord]) -> None:
        if calls:
            self._connection.execute(_prepared(self._dialect).open, [CALL.values(call) for call in calls])

    def close(self, calls: Sequence[AICallRecord]) -> None:
        fresh = self._not_ended(calls)
        if not fresh:
            return
        self._connection.execute(_prepared(self._dialect).close, [CALL.values(call) for call in fresh])
        self._add(_add_to_run, _OF_RUN, [call for call in fresh if call.run_id is not None])
        of_stages = [call for call in fresh if call.run_id is not None and call.stage_id is not None]
        self._add(_add_to_stage, _OF_ATTEMPT, of_stages)
        self._add(_add_to_attempt, _OF_ATTEMPT, of_stages)

    def _add(self, statement: Update, fields: Sequence[str], calls: Sequence[AICallRecord]) -> None:
        cost: defaultdict[tuple[Any, ...], Decimal] = defaultdict(Decimal)
        tokens: Counter[tuple[Any, ...]] = Counter()
        for call in calls:
            key = tuple(getattr(call, name) for name in fields)
            cost[key] += call.cost or Decimal(0)
            tokens[key] += call.input_tokens + call.output_tokens
        rows = [
            {
                **{f"b_{name}": value for name, value in zip(fields, key, strict=True)},
                "b_cost": cost[key],
                "b_tokens": many,
            }
            for key, many in tokens.items()
        ]
        if rows:
            self._connection.execute(statement, rows)

    def _not_ended(self, calls: Sequence[AICallRecord]) -> list[AICallRecord]:
        by_id = {call.id: call for call in reversed(calls)}
        rows = self._connection.execute(_prepared(self._dialect).statuses, {"ids": self._dialect.members(list(by_id))})
        ended = {row[0] for row in rows if row[1] in ENDED}
        return [call for call in by_id.values() if call.id not in ended]

    def interrupt(self, ids: Sequence[str]) -> None:
        if ids:
            self._connection.execute(_prepared(self._dialect).interrupt, {"ids": self._dialect.members(list(ids))})

    def interrupt_attempts(self, attempts: Sequence[tuple[str, str, int]]) -> None:
        if attempts:
            rows = [{"b_run_id": run, "b_stage_id": stage, "b_attempt": attempt} for run, stage, attempt in attempts]
            self._connection.execute(_interrupt_attempts, rows)

    def interrupt_runs(self, run_ids: Sequence[str]) -> None:
        if run_ids:
            ids = self._dialect.members(list(run_ids))
            self._connection.execute(_prepared(self._dialect).interrupt_runs, {"ids": ids})

    def interrupt_orphans(self, before: datetime) -> int:
        return self._connection.execute(_interrupt_orphans, {"b_before": before}).rowcount

    def limits(self, run_ids: Sequence[str]) -> dict[tuple[str, str], Decimal | None]:
        rows = self._connection.execute(_prepared(self._dialect).limits, {"ids": self._dialect.members(list(run_ids))})
        return {(row[0], row[1]): row[2] for row in rows}

    def allow(self, run_id: str, scope: str, max_cost: Decimal | None) -> None:
        row = {"run_id": run_id, "scope": scope, "max_cost": max_cost}
        self._connection.execute(_prepared(self._dialect).allow, row)

    def spent_by_stage(self, run_id: str, stage_id: str) -> Decimal:
        place = {"b_run": run_id, "b_stage": stage_id}
        # A stage that is queued again still has the number of an attempt that is archived.
        now = {row[0]: row[1] for row in self._connection.execute(_now, place)}
        earlier = {row[0]: row[1] for row in self._connection.execute(_earlier, place)}
        return sum((cost for cost in {**now, **earlier}.values() if cost is not None), Decimal(0))

    def spent_since(self, since: datetime, workflow_id: str | None) -> Decimal:
        if workflow_id is None:
            return self._sum(_by_all, {"b_since": since})
        return self._sum(_by_workflow, {"b_since": since, "b_workflow": workflow_id})

    def forget_texts(self, before: datetime, limit: int) -> int:
        return self._connection.execute(_forget, {"b_before": before, "b_limit": limit}).rowcount

    def _sum(self, statement: Any, values: dict[str, Any]) -> Decimal:
        return self._connection.execute(statement, values).scalar_one() or Decimal(0)
