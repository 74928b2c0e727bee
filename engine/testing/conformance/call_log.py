"""What `engine.ports.ai_calls.AICallLog` promises."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any, TypeAlias

import pytest

from engine.errors import BudgetExceeded
from engine.model.records import AICallRecord
from engine.ports.ai_calls import AICallLog, ReuseScope
from engine.testing.conformance.records import a_call

Noted: TypeAlias = Callable[[], Awaitable[list[AICallRecord]]]

ANSWER = '{"text": "so"}'
SCOPES: list[ReuseScope] = ["run", "global"]


def ended(**fields: Any) -> AICallRecord:
    """A call that ended well; `fields` say otherwise."""
    paid = {"status": "ok", "cost": Decimal("0.25"), "input_tokens": 10, "response": "so", "answer": ANSWER}
    return a_call(None, **{**paid, "request_key": "q", **fields})


async def states(noted: Noted) -> list[tuple[str, str]]:
    return sorted((call.id, call.status) for call in await noted())


class CallLogPromises:
    """Needs the fixtures `calls`: an `AICallLog` of a run with money to spend, on empty ground, `noted`: a coroutine
    function that gives every row there is, and `spent`: a log of the same rows whose budget is spent."""

    async def test_a_call_is_noted_before_it_is_made(self, calls: AICallLog, noted: Noted) -> None:
        await calls.open(a_call(None, id="a", prompt="why?"))
        (row,) = await noted()
        assert (row.id, row.status, row.prompt, row.cost) == ("a", "open", "why?", None)

    async def test_a_call_that_can_not_be_paid_is_refused_and_not_noted(self, spent: AICallLog, noted: Noted) -> None:
        with pytest.raises(BudgetExceeded):
            await spent.open(a_call(None))
        with pytest.raises(BudgetExceeded):
            await spent.afford()
        assert await noted() == []

    async def test_what_is_noted_later_is_asked_for_first(self, calls: AICallLog, noted: Noted) -> None:
        await calls.afford()
        assert await noted() == []

    async def test_what_came_all_the_same_is_noted_whatever_may_be_spent(self, spent: AICallLog, noted: Noted) -> None:
        await spent.close(ended(id="a"))
        assert await states(noted) == [("a", "ok")]

    @pytest.mark.parametrize("status", ["ok", "error"])
    async def test_its_end_takes_the_place_of_the_open_one(self, calls: AICallLog, noted: Noted, status: str) -> None:
        await calls.open(a_call(None, id="a"))
        await calls.close(ended(id="a", status=status))
        (row,) = await noted()
        assert (row.id, row.status, row.cost, row.input_tokens, row.response) == (
            "a",
            status,
            Decimal("0.25"),
            10,
            "so",
        )

    async def test_the_same_id_twice_is_one_row(self, calls: AICallLog, noted: Noted) -> None:
        await calls.open(a_call(None, id="a"))
        await calls.close(ended(id="a"), ended(id="a"))
        await calls.close(ended(id="a"))
        assert await states(noted) == [("a", "ok")]

    async def test_many_end_at_once_opened_or_not(self, calls: AICallLog, noted: Noted) -> None:
        await calls.open(a_call(None, id="b"))
        await calls.open(a_call(None, id="c"))
        await calls.close(ended(id="a"), ended(id="b"))
        await calls.close()
        assert await states(noted) == [("a", "ok"), ("b", "ok"), ("c", "open")]

    @pytest.mark.parametrize("cost", [None, Decimal(0)])
    async def test_an_unknown_price_is_kept_apart_from_none(
        self, calls: AICallLog, noted: Noted, cost: Decimal | None
    ) -> None:
        await calls.close(ended(cost=cost))
        (row,) = await noted()
        assert (row.cost is None) == (cost is None)

    # --- what was there before ---

    @pytest.mark.parametrize("scope", SCOPES)
    async def test_an_equal_request_is_answered_whole(self, calls: AICallLog, scope: ReuseScope) -> None:
        assert await calls.recall("q", scope) is None
        await calls.close(ended(id="a"))
        found = await calls.recall("q", scope)
        assert found is not None
        assert (found.id, found.response, found.answer) == ("a", "so", ANSWER)
        assert await calls.recall("Q", scope) is None

    @pytest.mark.parametrize("scope", SCOPES)
    @pytest.mark.parametrize(
        "fields", [{"status": "error"}, {"reused": True}, {"answer": None}, {"request_key": None}, {"request_key": "r"}]
    )
    async def test_what_no_model_answered_is_not_recalled(
        self, calls: AICallLog, scope: ReuseScope, fields: dict[str, Any]
    ) -> None:
        await calls.close(ended(**fields))
        await calls.open(a_call(None, request_key="q"))
        assert await calls.recall("q", scope) is None

    async def test_what_was_recorded_of_a_batch_is_known(self, calls: AICallLog) -> None:
        assert sorted(await calls.recorded("b1")) == []
        await calls.close(ended(id="a", batch_id="b1"), ended(id="b", batch_id="b1", status="error"))
        await calls.close(ended(id="c", batch_id="b2"), ended(id="d"))
        assert sorted(await calls.recorded("b1")) == ["a", "b"]
        assert sorted(await calls.recorded("b2")) == ["c"]
        assert sorted(await calls.recorded("")) == []
