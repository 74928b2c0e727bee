"""A worker whose run asks a model 200 times at once: `ai_worker.py URL FOLDER WORKER_ID`.

The provider notes in `billed` what it charges, the body in `seen` each answer it got. Half of the calls wait for the
file `open`.
"""

from __future__ import annotations

import asyncio
import re
import sys
import threading
from datetime import timedelta
from pathlib import Path

from pydantic import BaseModel

from engine import NoConfig, StageContext, Workflow, WorkflowBuilder, stage
from engine.ai import Providers
from engine.bootstrap import open_engine
from engine.errors import AIUnavailable
from engine.ports.ai_providers import TextAnswer, TextRequest
from engine.testing import FakeAIProvider

MANY = 200
HELD = MANY // 2


class Asked(BaseModel):
    folder: str


class Answers(BaseModel):
    answered: int
    failed: int


@stage(id="ask", name="Ask", isolation="thread")
async def ask(ctx: StageContext[Asked, NoConfig]) -> Answers:
    folder = Path(ctx.input.folder)

    async def one(number: int) -> bool:
        try:
            found = await ctx.ai.generate_text("fake/small", f"question {ctx.attempt}/{number}")
        except AIUnavailable:
            return False
        note(folder / "seen", found.call_id)
        return True

    answered = sum(await asyncio.gather(*map(one, range(MANY))))
    return Answers(answered=answered, failed=MANY - answered)


class Billing(FakeAIProvider):
    """Refuses every tenth call; the others cost a tenth of a cent, and the later half takes until it may end."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    async def generate(self, request: TextRequest) -> TextAnswer:
        said = str(request.turns[0].parts[0])
        number = int(re.findall(r"/(\d+)", said)[0])
        if number % 10 == 3:
            raise AIUnavailable("overloaded", provider="fake", status=503)
        if number >= HELD:
            await asyncio.to_thread(wait_for, self._folder / "open")
        note(self._folder / "billed", said)
        return await super().generate(request)


def wait_for(path: Path) -> None:
    while not path.exists():
        threading.Event().wait(0.01)


def note(path: Path, line: str) -> None:
    with path.open("a") as file:
        file.write(f"{line}\n")


def made() -> Workflow:
    return WorkflowBuilder("asking", "Asking", input=Asked).pipe(ask).build()


async def main(url: str, folder: str, worker_id: str) -> None:
    providers = Providers(everything=Billing(Path(folder)))
    async with open_engine(url, workflows=[made()], providers=providers) as engine:
        await engine.worker(worker_id, 2, stale_lease_threshold=timedelta(seconds=1)).run_forever()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
