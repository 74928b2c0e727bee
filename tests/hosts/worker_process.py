"""A worker in a process of its own: `worker_process.py URL WORKER_ID LEASE_SECONDS DRAIN_SECONDS CONCURRENCY`."""

from __future__ import annotations

import asyncio
import logging
import sys
from datetime import timedelta

import gated_workflows
import lonely_bodies

from engine.bootstrap import open_engine


async def main(url: str, worker_id: str, lease: float, drain: float, concurrency: int) -> None:
    async with open_engine(url, workflows=[*gated_workflows.WORKFLOWS, *lonely_bodies.WORKFLOWS]) as engine:
        worker = engine.worker(
            worker_id,
            concurrency,
            stale_lease_threshold=timedelta(seconds=lease),
            drain_timeout=timedelta(seconds=drain),
        )
        await worker.run_forever()


if __name__ == "__main__":
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(message)s")
    asyncio.run(main(sys.argv[1], sys.argv[2], float(sys.argv[3]), float(sys.argv[4]), int(sys.argv[5])))
