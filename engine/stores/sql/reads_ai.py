"""Reading AI calls."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, and_, func, literal_column, or_, select

from engine.model.criteria import CallFilter, PageRequest
from engine.model.read_records import Slice, StagePrice
from engine.model.records import AICallRecord
from engine.model.status import StageStatus
from engine.model.text import storable
from engine.stores.sql.ai_calls import CALL, UNDER_WAY
from engine.stores.sql.ai_tables import ai_budgets, ai_calls
from engine.stores.sql.keyset import INSTANT, INTEGER, MONEY, TEXT, Key, order_of
from engine.stores.sql.reading import Reading
from engine.stores.sql.rows import constant, where
from engine.stores.sql.run_conditions import aware, begins, equals
from engine.stores.sql.tables import runs, stages

BRIEF = 200
"""Characters of a prompt or answer in a list that doesn't show them whole."""
MOST_ANSWERS = 10_000

_TIE = Key(ai_calls.c.id, TEXT)
_KEYS = {
    "created_at": Key(ai_calls.c.created_at, INSTANT),
    "cost": Key(ai_calls.c.cost, MONEY, nullable=True),
    "latency_ms": Key(ai_calls.c.latency_ms, INTEGER, nullable=True),
    "input_tokens": Key(ai_calls.c.input_tokens, INTEGER),
    "output_tokens": Key(ai_calls.c.output_tokens, INTEGER),
}
_brief: list[ColumnElement[Any]] = [
    func.substr(column, 1, BRIEF) if column.name in ("prompt", "response") else column for column in CALL.columns
]
_answer_place = next(at for at, name in enumerate(CALL.names) if name == "answer")
_brief[_answer_place] = func.nullif("", "")

# Word for word as in the partial index: SQLAlchemy would write `reused = 0`, which SQLite does not match with it.
_NOT_REUSED: ColumnElement[bool] = literal_column("NOT ai_calls.reused")
_answered = and_(
    ai_calls.c.request_key == where("request"),
    ai_calls.c.status == constant("ok"),
    _NOT_REUSED,
    ai_calls.c.answer.is_not(None),
)
_newest = select(*CALL.columns).where(_answered).order_by(ai_calls.c.created_at.desc(), ai_calls.c.id.desc()).limit(1)
_newest_of_run = _newest.where(ai_calls.c.run_id == where("run"))
_answers = (
    select(*CALL.columns)
    .where(
        _answered,
        ai_calls.c.run_id == where("run"),
        ai_calls.c.stage_id == where("stage"),
        ai_calls.c.attempt < where("attempt"),
    )
    .order_by(ai_calls.c.attempt.desc(), ai_calls.c.created_at, ai_calls.c.id)
    .limit(MOST_ANSWERS)
)
_recorded = select(ai_calls.c.id).where(ai_calls.c.batch_id == where("batch"), ai_calls.c.status != constant("open"))
_one = select(*CALL.columns).where(ai_calls.c.id == where("id"))
_of_run = select(*_brief).where(ai_calls.c.run_id == where("run"))
_open_of_run = _of_run.where(UNDER_WAY).order_by(ai_calls.c.created_at, ai_calls.c.id)
_limits = select(ai_budgets.c.scope, ai_budgets.c.max_cost).where(ai_budgets.c.run_id == where("run"))


class AIReads(Reading):
    """The part of `engine.ports.reads.ReadStore` about AI calls."""

    def recall(self, request_key: str, run_id: str | None) -> AICallRecord | None:
        statement, values = (_newest, {}) if run_id is None else (_newest_of_run, {"b_run": run_id})
        row = self._ask(statement, {"b_request": request_key, **values}).first()
        return None if row is None else CALL.record(row)

    def answers(self, request_key: str, run_id: str, stage_id: str, before_attempt: int) -> list[AICallRecord]:
        values = {"b_request": request_key, "b_run": run_id, "b_stage": stage_id, "b_attempt": before_attempt}
        return CALL.records(self._ask(_answers, values))

    def recorded(self, batch_id: str) -> set[str]:
        return set(self._ask(_recorded, {"b_batch": batch_id}).scalars()) if storable(batch_id) else set()

    def ai_call(self, call_id: str) -> AICallRecord | None:
        row = self._ask(_one, {"b_id": call_id}).first() if storable(call_id) else None
        return None if row is None else CALL.record(row)

    def ai_calls(self, criteria: CallFilter, page: PageRequest, *, brief: bool) -> Slice[AICallRecord]:
        order = order_of(page, _KEYS, _TIE, "-created_at")
        mark = order.mark(page.cursor) if page.cursor else None
        shown = _brief if brief else CALL.columns
        statement = select(*shown, order.key.column.label("sort_value"), ai_calls.c.id.label("tie"))
        return self._turn(statement.where(*_conditions(criteria)), order, page, CALL.record, mark=mark)

    def open_calls(self, run_id: str) -> list[AICallRecord]:
        return CALL.records(self._ask(_open_of_run, {"b_run": run_id}))

    def limits(self, run_id: str) -> dict[str, Decimal | None]:
        return {row[0]: row[1] for row in self._ask(_limits, {"b_run": run_id})}

    def calls_of_run(self, run_id: str) -> list[AICallRecord]:
        statement = _of_run.where(~ai_calls.c.reused).order_by(ai_calls.c.created_at, ai_calls.c.id)
        return CALL.records(self._ask(statement, {"b_run": run_id}))

    def stage_prices(self, workflow_id: str, stage_ids: Sequence[str], sample: int) -> list[StagePrice]:
        found = []
        for stage_id in stage_ids:
            last = (
                select(stages.c.run_id, stages.c.attempt, stages.c.cost)
                .join(runs, runs.c.id == stages.c.run_id)
                .where(
                    runs.c.workflow_id == where("workflow"),
                    stages.c.stage_id == where("stage"),
                    stages.c.status == constant(StageStatus.COMPLETED),
                )
                .order_by(runs.c.created_at.desc(), runs.c.id.desc())
                .limit(where("sample"))
                .subquery()
            )
            unpriced = select(func.count()).where(
                ai_calls.c.run_id == last.c.run_id,
                ai_calls.c.stage_id == where("stage"),
                ai_calls.c.attempt == last.c.attempt,
                unknown_price(),
            )
            statement = select(func.count(), func.sum(last.c.cost), func.sum(unpriced.scalar_subquery())).select_from(
                last
            )
            values = {"b_workflow": workflow_id, "b_stage": stage_id, "b_sample": sample}
            count, cost, without = self._ask(statement, values).one()
            found.append(StagePrice(stage_id, count, cost or Decimal(0), int(without or 0)))
        return found


def unknown_price() -> ColumnElement[bool]:
    """A call that ended, or was cut off, and whose cost nobody knows. One under way has none yet."""
    return and_(ai_calls.c.cost.is_(None), ai_calls.c.status != constant("open"))


def _conditions(criteria: CallFilter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    for name in ("run_id", "stage_id", "status", "batch_id", "workflow_id"):
        wanted = getattr(criteria, name)
        if wanted is not None:
            found.append(equals(ai_calls.c[name], wanted))
    if criteria.model is not None:
        found.append(or_(equals(ai_calls.c.model, criteria.model), equals(ai_calls.c.answered_by, criteria.model)))
    if criteria.topic is not None:
        found.append(or_(equals(ai_calls.c.topic, criteria.topic), begins(ai_calls.c.topic, f"{criteria.topic}.")))
    if criteria.since is not None:
        found.append(ai_calls.c.created_at >= aware(criteria.since, "since"))
    if criteria.until is not None:
        found.append(ai_calls.c.created_at < aware(criteria.until, "until"))
    return found
