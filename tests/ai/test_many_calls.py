"""Many calls at once, many of them cancelled: every slot comes back, and every call has one row."""

from __future__ import annotations

import asyncio
import random

import pytest
from memory_log import MemoryLog
from scripted_server import answer, serving, stream

from engine.ai import Providers, create_ai_helper
from engine.ai.pace import Limits, pace_of

CHAT = answer({"choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}]})
STREAM = stream(*({"choices": [{"delta": {"content": word}}]} for word in "abcdef"), end=b"data: [DONE]\n\n")


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("streamed", [False, True])
async def test_whatever_is_cancelled_when(seed: int, streamed: bool) -> None:
    dice = random.Random(seed)
    log = MemoryLog()
    whole = STREAM.replace(b'{"content": "f"}}', b'{"content": "f"}, "finish_reason": "stop"}')
    async with serving(whole if streamed else CHAT) as server:
        settings = {"base_url": server.url, "concurrency": 4, "max_retries": 0}
        ai = create_ai_helper("t", log, providers=Providers({"many": settings}))

        async def call(number: int) -> str:
            if not streamed:
                return (await ai.generate_text("many/m", f"call {number}")).text
            reading = ai.stream_text("many/m", f"call {number}")
            async for _ in reading:
                if number % 5 == 0:
                    break  # and never comes back
            return reading.text

        tasks = [asyncio.create_task(call(number)) for number in range(40)]
        while not all(task.done() for task in tasks):
            for _ in range(dice.randrange(9)):
                await asyncio.sleep(0)
            unlucky = dice.choice(tasks)
            if not unlucky.done() and sum(task.cancelling() for task in tasks) < 15:
                unlucky.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        await ai.settle()
        pace = pace_of(f"many {server.url}", Limits(4))
        assert pace._inside == 0
    said = {"abcdef", "a"} if streamed else {"hi"}
    assert {str(result) for result in results if not isinstance(result, BaseException)} <= said
    assert all(isinstance(result, str | asyncio.CancelledError) for result in results)
    assert len(log.closed) == len(set(log.closed)) == len(log.rows)
    assert {row.status for row in log.rows} <= {"ok", "error"}
    ends = [row.error_code for row in log.rows]
    assert set(ends) <= {None, "Cancelled", "Abandoned"}
    assert ends.count("Cancelled") >= 3
    assert ends.count(None) >= 10
