"""Sixteen claimers on one queue: every job goes to one of them."""

from __future__ import annotations

import contextlib
from collections import Counter
from datetime import timedelta

import pytest
from race_workflows import WORKFLOWS, create, in_threads

from engine import ClaimPendingRuns
from engine.bootstrap import Engine, open_engine
from engine.model.records import Claimed

CLAIMERS = 16
AT_ONCE = 8
LEASE = timedelta(minutes=10)


async def claim_all(engine: Engine, number: int) -> list[Claimed]:
    """Everything this claimer gets until nothing is left."""
    taker = engine.kernel.taker(f"w{number}", LEASE)
    got: list[Claimed] = []
    while claimed := (await engine.kernel.turn([], taker, AT_ONCE)).claimed:
        assert len(claimed) <= AT_ONCE
        got += claimed
    return got


async def check_each_once(engine: Engine, run_ids: list[str], claims: list[list[Claimed]]) -> None:
    everything = [claimed for share in claims for claimed in share]
    assert Counter(claimed.job.run_id for claimed in everything) == Counter(run_ids)
    assert len({claimed.job.id for claimed in everything}) == len(run_ids)
    owners = {claimed.job.id: f"w{number}" for number, share in enumerate(claims) for claimed in share}
    held = await engine.kernel.persistence.transact(
        lambda work: [job for run_id in run_ids for job in work.jobs.of_run(run_id)]
    )
    assert {job.id: job.worker_id for job in held} == owners
    assert {(job.status, job.attempt, job.tries) for job in held} == {("RUNNING", 1, 1)}
    leases = await engine.kernel.persistence.transact(
        lambda work: work.jobs.held([claimed.lease for claimed in everything])
    )
    assert leases == set(owners)


async def _race_on_one_engine(url: str, jobs: int, *, begun: bool) -> None:
    async with open_engine(url, workflows=WORKFLOWS) as engine:
        run_ids = await create(engine, "single", jobs)
        if begun:
            claimed = (await engine.dispatch(ClaimPendingRuns(worker_id="clerk", max_claims=jobs))).claimed
            assert len(claimed) == jobs
        claims = in_threads(CLAIMERS, lambda number: claim_all(engine, number))
        await check_each_once(engine, run_ids, claims)


async def _race_between_engines(url: str, jobs: int) -> None:
    async with open_engine(url, workflows=WORKFLOWS) as engine, contextlib.AsyncExitStack() as stack:
        run_ids = await create(engine, "single", jobs)
        engines = [await stack.enter_async_context(open_engine(url, workflows=WORKFLOWS)) for _ in range(CLAIMERS)]
        claims = in_threads(CLAIMERS, lambda number: claim_all(engines[number], number))
        await check_each_once(engine, run_ids, claims)


@pytest.mark.parametrize("begun", [True, False], ids=["due-jobs", "pending-runs"])
async def test_sixteen_threads_claim_each_job_once(url: str, begun: bool) -> None:
    await _race_on_one_engine(url, 400, begun=begun)


async def test_sixteen_engines_claim_each_job_once(url: str) -> None:
    await _race_between_engines(url, 200)


@pytest.mark.slow
@pytest.mark.parametrize("begun", [True, False], ids=["due-jobs", "pending-runs"])
async def test_sixteen_threads_claim_two_thousand_jobs(url: str, begun: bool) -> None:
    await _race_on_one_engine(url, 2000, begun=begun)


@pytest.mark.slow
async def test_sixteen_engines_claim_two_thousand_jobs(url: str) -> None:
    await _race_between_engines(url, 2000)
