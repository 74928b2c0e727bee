"""An AI helper without models: it does to its log what a real one does, and answers what it is told to."""

from __future__ import annotations

import asyncio
import hashlib
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from engine.kernel.call_log import OpenedAI
from engine.model.ids import new_id
from engine.model.json import Json
from engine.model.records import AICallRecord
from engine.ports.ai_calls import AICallLog

CENT = Decimal("0.01")


class StubAI:
    """`ctx.ai` of a stage: `await ctx.ai.ask("why?")`. Money and tokens are what `price` says of a prompt."""

    def __init__(self, topic: str, calls: AICallLog, opener: StubOpener, *, reuse: bool) -> None:
        self.topic = topic
        self.log = calls
        self._opener = opener
        self._reuse = reuse

    async def ask(self, prompt: str, *, answer: str = "yes", cost: Decimal | None = CENT, fail: bool = False) -> str:
        """The answer. `fail`: the provider refuses, and asks for money all the same."""
        call = self.a_call(prompt)
        if self._reuse:
            found = await self.log.recall(call.request_key or "", "run")
            if found is not None:
                again = call._replace(status="ok", cost=Decimal(0), reused=True, response=found.response)
                await self.log.close(again)
                return str(found.response)
        await self.log.open(call)
        self._opener.opened.append(call)
        gate = self._opener.gate
        if gate is not None:
            await gate.wait()
        done = call._replace(
            status="error" if fail else "ok",
            cost=cost,
            input_tokens=10,
            output_tokens=5,
            latency_ms=3,
            error="refused" if fail else None,
            response=None if fail else answer,
            answer=None if fail else f'"{answer}"',
        )
        await self.log.close(done)
        self._opener.closed.append(done)
        if fail:
            raise RuntimeError("refused")
        return answer

    async def settle(self) -> None:
        """Nothing of a stub's goes on by itself."""

    def a_call(self, prompt: str, **fields: Any) -> AICallRecord:
        call = AICallRecord(
            id=new_id(),
            topic=self.topic,
            call_type="text",
            model="stub/small",
            provider="stub",
            created_at=datetime.now(UTC),
            request_key=hashlib.sha256(prompt.encode()).hexdigest(),
            prompt=prompt,
        )
        return call._replace(**fields)


class StubOpener:
    """`engine.kernel.call_log.AIOpener`; remembers what was asked. With a `gate` answers wait for it."""

    def __init__(self) -> None:
        self.opened: list[AICallRecord] = []
        self.closed: list[AICallRecord] = []
        self.gate: asyncio.Event | None = None

    def open(self, topic: str, calls: AICallLog, *, reuse: bool = False) -> OpenedAI:
        helper: Any = StubAI(topic, calls, self, reuse=reuse)
        return helper

    def portable(self) -> Json:
        return {"by": "stub_ai:portable_opener"}


def portable_opener(_: Json) -> StubOpener:
    return StubOpener()
