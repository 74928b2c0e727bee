"""A worker for a storm: `storm_worker.py URL LEASE_SECONDS`; it has to be killed."""

from __future__ import annotations

import asyncio
import logging
import sys
from datetime import timedelta

from race_workflows import WORKFLOWS

from engine.bootstrap import open_engine


async def main(url: str, lease: float) -> None:
    async with open_engine(url, workflows=WORKFLOWS) as engine:
        worker = engine.worker(concurrency=8, stale_lease_threshold=timedelta(seconds=lease))
        await worker.run_forever()


if __name__ == "__main__":
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(message)s")
    asyncio.run(main(sys.argv[1], float(sys.argv[2])))
