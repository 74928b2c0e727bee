"""A transport of one's own stands between the kernel and the queue, in the same transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from counted_bodies import chain

from engine import CreateRun
from engine.bootstrap import open_engine
from engine.model.records import JobRecord
from engine.ports.jobs import JobTransport
from engine.ports.work import UnitOfWork


class Counted:
    """The store's transport, and what went through it."""

    def __init__(self, jobs: JobTransport, seen: Counter[str]) -> None:
        self._jobs = jobs
        self._seen = seen

    def enqueue(self, records: Sequence[JobRecord]) -> None:
        self._seen["enqueued"] += len(records)
        self._jobs.enqueue(records)

    def finish(self, outcomes: Sequence[tuple[Any, JobRecord]]) -> int:
        self._seen["finished"] += len(outcomes)
        return self._jobs.finish(outcomes)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._jobs, name)


async def test_every_job_goes_through_it(url: str) -> None:
    seen: Counter[str] = Counter()

    def transport(work: UnitOfWork) -> Any:
        return Counted(work.jobs, seen)

    workflow = chain("short", 3, lambda ctx: None)
    async with open_engine(url, workflows=[workflow], job_transport=transport) as engine:
        created = await engine.dispatch(CreateRun(idempotency_key="k", workflow_id="short", input={}))
        async with engine.worker("w"):
            assert (await engine.wait(created.run_id, timeout=60)).status == "COMPLETED"
    assert seen == {"enqueued": 3, "finished": 3}
