"""Creates the same run many times at once: `create_process.py URL COUNT`; begins when a line comes."""

from __future__ import annotations

import asyncio
import json
import sys

from race_workflows import WORKFLOWS

from engine import CreateRun
from engine.bootstrap import open_engine


async def main(url: str, count: int) -> None:
    async with open_engine(url, workflows=WORKFLOWS) as engine:
        print("ready", flush=True)
        sys.stdin.readline()
        command = CreateRun(idempotency_key="same", workflow_id="single", input={"n": 1})
        answers = await asyncio.gather(*(engine.dispatch(command) for _ in range(count)))
        print(json.dumps([answer.model_dump(mode="json") for answer in answers]), flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
