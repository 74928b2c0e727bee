"""How fast providers are asked; time is the test's own."""

from __future__ import annotations

import asyncio
import threading

import pytest

from engine.ai.pace import Limits, Pace, pace_of


class Time:
    """A clock that sleeping advances."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def time() -> Time:
    return Time()


async def test_requests_a_minute(time: Time) -> None:
    pace = Pace(Limits(requests_per_minute=60), time, time.sleep)
    for _ in range(60):
        await pace.enter(0)
    assert time.now == 0
    await pace.enter(0)
    assert time.now == pytest.approx(1)


async def test_tokens_a_minute_as_they_were_used(time: Time) -> None:
    pace = Pace(Limits(tokens_per_minute=6_000), time, time.sleep)
    await pace.enter(6_000)
    pace.correct(6_000, 1_000)
    await pace.enter(5_000)
    assert time.now == 0
    await pace.enter(100)
    assert time.now == pytest.approx(1)
    await pace.enter(1_000_000)
    assert time.now == pytest.approx(61), "more than a minute's worth waits for a minute's worth"


async def test_who_is_told_to_wait_holds_the_others_up(time: Time) -> None:
    pace = Pace(Limits(), time, time.sleep)
    pace.hold(5)
    await pace.enter(0)
    assert time.now == 5


async def test_so_many_at_once_in_the_order_they_came() -> None:
    pace = Pace(Limits(concurrency=2))
    order: list[int] = []
    gates = [asyncio.Event() for _ in range(5)]

    async def call(number: int) -> None:
        await pace.enter(0)
        order.append(number)
        await gates[number].wait()
        pace.leave()

    tasks = [asyncio.create_task(call(number)) for number in range(5)]
    await turns()
    assert order == [0, 1]
    tasks[2].cancel()
    gates[1].set()
    await turns()
    assert order == [0, 1, 3]
    for gate in gates:
        gate.set()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert order == [0, 1, 3, 4]
    assert pace._inside == 0


async def test_a_slot_handed_to_one_who_left_goes_on() -> None:
    pace = Pace(Limits(concurrency=1))
    await pace.enter(0)
    waiting = asyncio.create_task(pace.enter(0))
    await turns()
    pace.leave()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await asyncio.wait_for(pace.enter(0), 1)


def test_threads_share_one_pace() -> None:
    pace = pace_of("test-shared", Limits(concurrency=3))
    assert pace_of("test-shared", Limits(concurrency=3)) is pace
    inside = most = 0
    lock = threading.Lock()

    async def call() -> None:
        nonlocal inside, most
        await pace.enter(0)
        with lock:
            inside += 1
            most = max(most, inside)
        await asyncio.sleep(0)
        with lock:
            inside -= 1
        pace.leave()

    async def many() -> None:
        await asyncio.gather(*(call() for _ in range(50)))

    threads = [threading.Thread(target=lambda: asyncio.run(many())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not any(thread.is_alive() for thread in threads)
    assert 1 <= most <= 3
    assert pace._inside == 0


async def turns() -> None:
    for _ in range(10):
        await asyncio.sleep(0)
