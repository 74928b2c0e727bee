"""The way of AI calls into the store when the store is away, slow, or refuses one of them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from engine.errors import StoreUnavailable
from engine.kernel import call_ledger
from engine.kernel.call_ledger import CallLedger
from engine.model.criteria import CallFilter, PageRequest
from engine.model.ids import new_id
from engine.model.records import AICallRecord
from engine.testing.make_kernel import KernelForTests, make_kernel

Submit = Callable[..., Future[Any]]


def a_call(**fields: Any) -> AICallRecord:
    call = AICallRecord(new_id(), "topic", "text", "fake/small", "fake", datetime.now(UTC))
    return call._replace(status="ok", cost=Decimal(1), **fields)


@pytest.fixture
async def kernel(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[KernelForTests]:
    monkeypatch.setattr(call_ledger, "RETRY_SECONDS", 0.01)
    made = make_kernel()
    yield made
    await made.close()


async def stored(kernel: KernelForTests) -> set[str]:
    page = PageRequest(limit=1000)
    found = await kernel.persistence.read(lambda reads: reads.ai_calls(CallFilter(), page, brief=True))
    return {call.id for call in found.items if call.status == "ok"}


async def until_written(ledger: CallLedger) -> None:
    async with asyncio.timeout(20):
        while ledger.unwritten():
            await asyncio.sleep(0)


def failing(submit: Submit, times: int, *, at_once: bool) -> Submit:
    """The store's door, shut for some times: it raises, or its future does."""
    left = [times]

    def door(fn: Any, **options: Any) -> Future[Any]:
        if left[0] <= 0:
            return submit(fn, **options)
        left[0] -= 1
        if at_once:
            raise StoreUnavailable("no database")
        future: Future[Any] = Future()
        threading.Timer(0.001, future.set_exception, [StoreUnavailable("no database")]).start()
        return future

    return door


@pytest.mark.parametrize("at_once", [True, False])
async def test_what_a_store_that_was_away_missed_is_written_once_it_is_back(
    kernel: KernelForTests, monkeypatch: pytest.MonkeyPatch, at_once: bool
) -> None:
    ledger = CallLedger(kernel.persistence)
    monkeypatch.setattr(kernel.persistence, "submit", failing(kernel.persistence.submit, 4, at_once=at_once))
    calls = [a_call() for _ in range(30)]
    await ledger.close(calls[:10])
    assert {call.id for call in ledger.unwritten()} == {call.id for call in calls[:10]}
    assert await ledger.open(a_call()._replace(status="open", cost=None), None) == ([], None), "nothing is refused"
    await asyncio.gather(*(ledger.close([call]) for call in calls[10:]))
    await until_written(ledger)
    assert await stored(kernel) == {call.id for call in calls}


async def test_a_call_that_can_not_be_written_holds_up_no_other(
    kernel: KernelForTests, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = CallLedger(kernel.persistence)
    poison = a_call(id="poison", input_tokens=2**70)
    calls = [a_call() for _ in range(5)]
    await ledger.close([poison, *calls])
    async with asyncio.timeout(20):
        while len(ledger.unwritten()) > 1:
            await asyncio.sleep(0)
    assert ledger.unwritten() == [poison]
    assert await stored(kernel) == {call.id for call in calls}
    later = a_call()
    await ledger.close([later])
    async with asyncio.timeout(20):
        while len(ledger.unwritten()) > 1:
            await asyncio.sleep(0)
    assert later.id in await stored(kernel)
    await ledger.flush()


async def test_many_at_once_are_few_transactions(kernel: KernelForTests, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = CallLedger(kernel.persistence)
    submit, submitted = kernel.persistence.submit, []

    def counting(fn: Any, **options: Any) -> Future[Any]:
        submitted.append(fn)
        return submit(fn, **options)

    monkeypatch.setattr(kernel.persistence, "submit", counting)
    calls = [a_call() for _ in range(200)]
    await asyncio.gather(*(ledger.close([call]) for call in calls))
    assert len(submitted) < 20
    assert len(await stored(kernel)) == 200


async def test_whoever_stops_waiting_loses_nothing(kernel: KernelForTests, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = CallLedger(kernel.persistence)
    entered, leave = threading.Event(), threading.Event()

    def hold(_: Any) -> None:
        entered.set()
        assert leave.wait(20)

    kernel.persistence.submit(hold)
    assert await asyncio.to_thread(entered.wait, 20)
    monkeypatch.setattr(call_ledger, "WAIT_SECONDS", 0.01)
    call = a_call()
    await ledger.close([call])
    assert ledger.unwritten() == [call], "the body goes on, the call is kept"
    asking = asyncio.create_task(ledger.close([another := a_call()]))
    await asyncio.sleep(0)
    asking.cancel()
    leave.set()
    await until_written(ledger)
    assert await stored(kernel) == {call.id, another.id}


async def test_a_closed_store_ends_it_quietly(kernel: KernelForTests) -> None:
    ledger = CallLedger(kernel.persistence)
    await kernel.persistence.close()
    await ledger.close([a_call() for _ in range(600)])
    assert len(ledger.unwritten()) == 600
    await ledger.flush()
    ledger.interrupt(["nobody"])
